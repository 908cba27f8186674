"""The split of training texts, and their spoken words."""

from dia.training.mini.teacher.corpus import SEED_DIALOGUE, Utterance, split_of, spoken_words


def test_split_follows_the_words_not_their_punctuation_or_speaker():
    assert split_of("Where did they get another market?") == split_of("where did they get, another market")
    shares = [Utterance(f"{'na' * number} batman", "S1", "sequence").split == "heldout" for number in range(2000)]
    assert 0.02 < sum(shares) / len(shares) < 0.04


def test_seed_dialogue_is_always_trained():
    assert {split_of(text) for _, text in SEED_DIALOGUE} == {"train"}


def test_tags_are_not_spoken():
    assert spoken_words("Wow. Amazing. (laughs)") == ["wow", "amazing"]
