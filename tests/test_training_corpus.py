"""What the mini model is taught to say: vocabulary, sentences, word sequences, and what is kept from training."""

import itertools
import random
from pathlib import Path

import numpy as np
import pytest

from dia.training import corpus, teacher
from dia.training.corpus import (
    SEED_DIALOGUE,
    sentence,
    split_of,
    spoken_words,
    typeset,
    utterances,
    vocabulary,
    word_sequence,
)

SOME = list(itertools.islice(utterances(), 4000))


def test_vocabulary_has_at_least_200_words_and_the_whole_seed_dialogue():
    words = vocabulary()
    assert len(words) >= 200
    assert words == sorted(set(words))
    assert {word for _, text in SEED_DIALOGUE for word in spoken_words(text)} <= set(words)


def test_published_vocabulary_is_the_one_that_is_trained():
    published = Path(corpus.__file__).parents[1] / "mini" / "vocabulary.txt"
    assert published.read_text(encoding="utf-8").split() == vocabulary()


def test_every_spoken_word_is_in_the_vocabulary():
    assert {word for item in SOME for word in spoken_words(item.text)} <= set(vocabulary())


def test_every_word_is_spoken_often():
    counts = dict.fromkeys(vocabulary(), 0)
    for item in SOME:
        for word in spoken_words(item.text):
            counts[word] += 1
    assert min(counts.values()) >= 10


def test_stream_is_reproducible_and_never_repeats_itself_in_one_voice():
    assert list(itertools.islice(utterances(), 300)) == SOME[:300]
    keys = [(" ".join(spoken_words(item.text)), item.speaker) for item in SOME]
    assert len(keys) == len(set(keys))


def test_kinds_have_the_intended_shares():
    lengths = [len(spoken_words(item.text)) for item in SOME if item.kind == "sequence"]
    assert 0.36 < sum(item.kind == "sentence" for item in SOME) / len(SOME) < 0.44
    assert 0.41 < sum(length <= 4 for length in lengths) / len(SOME) < 0.49
    assert max(lengths) == 6


def test_both_voices_speak_half():
    assert 0.46 < sum(item.speaker == "S1" for item in SOME) / len(SOME) < 0.54


def test_split_follows_the_words_not_their_punctuation_or_speaker():
    assert split_of("Where did they get another market?") == split_of("where did they get, another market")
    shares = [item.split == "heldout" for item in SOME]
    assert 0.02 < sum(shares) / len(shares) < 0.04


def test_seed_dialogue_is_trained_in_both_voices():
    seeds = [item for item in SOME if item.kind == "seed"]
    assert {item.speaker for item in seeds} == {"S1", "S2"}
    assert len(seeds) == 8
    assert {item.split for item in seeds} == {"train"}


def test_sentences_have_3_to_9_words_a_capital_and_an_ending():
    rng = random.Random(3)
    for text in (sentence(rng) for _ in range(300)):
        assert 3 <= len(spoken_words(text)) <= 9
        assert text[0].isupper()
        assert text[-1] in ".!?"
        assert "{" not in text


def test_sentences_are_of_high_cardinality():
    rng = random.Random(4)
    assert len({sentence(rng) for _ in range(2000)}) > 1800


def test_sequence_has_the_asked_length():
    assert [len(spoken_words(word_sequence(random.Random(n), n))) for n in range(1, 7)] == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize(
    ("plain", "typed"),
    [
        ("wow. i hear dia", "Wow. I hear Dia!"),
        ("try git hub or hugging face", "Try Git hub or Hugging Face!"),
        ("yes, you can", "Yes, you can!"),
    ],
)
def test_typeset_puts_capitals_where_a_user_types_them(plain, typed):
    assert typeset(plain, "!") == typed


def test_tags_are_not_spoken():
    assert spoken_words("Wow. Amazing. (laughs)") == ["wow", "amazing"]


def _tone(text, speaker):
    """A teacher who hums: longer for longer texts, silence before and after."""
    length = 1000 * len(text)
    quiet = np.zeros(5000, np.int16)
    hum = (8000 * np.sin(np.arange(length) * (0.1 if speaker == "S1" else 0.05))).astype(np.int16)
    return np.concatenate([quiet, hum, quiet])


def test_trimmed_speech_keeps_exactly_a_tenth_of_a_second_on_both_sides():
    clip = teacher.trim(_tone("four", "S1"))
    loud = np.flatnonzero(np.abs(clip.astype(int)) > 328)
    assert loud[0] == 1600
    assert len(clip) - 1 - loud[-1] == 1600


def test_trim_adds_quiet_where_the_clip_has_too_little():
    clip = teacher.trim(np.full(100, 9000, np.int16))
    assert len(clip) == 100 + 3200
    assert clip[0] == 0


def test_trimmed_silence_is_two_edges():
    assert len(teacher.trim(np.zeros(9000, np.int16))) == 3200


def test_synthesis_resumes_after_the_last_whole_shard(tmp_path, monkeypatch):
    monkeypatch.setattr(teacher, "SHARD_SIZE", 4)
    spoken = []

    def speak(text, speaker):
        spoken.append(text)
        return _tone(text, speaker)

    teacher.synthesise(tmp_path, 8, processes=1, speak=speak)
    teacher.synthesise(tmp_path, 12, processes=1, speak=speak)
    assert len(spoken) == 12
    assert teacher.shard_numbers(tmp_path) == [0, 1, 2]


def test_a_shard_gives_back_what_was_spoken(tmp_path):
    teacher.synthesise(tmp_path, 8, processes=1, speak=_tone)
    clips = list(teacher.read_shard(tmp_path, 0))
    assert [clip.text for clip in clips] == [item.text for item in SOME[:8]]
    np.testing.assert_array_equal(clips[3].audio, teacher.trim(_tone(SOME[3].text, SOME[3].speaker)))


def test_missing_flite_names_the_remedy(monkeypatch):
    monkeypatch.setattr("shutil.which", lambda _: None)
    with pytest.raises(FileNotFoundError, match="apt-get install flite"):
        teacher.flite_says("Hello.", "S1")
