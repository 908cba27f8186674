"""The training speech of the embedded model: texts, sounds and voices."""

import random
import re
import shutil
from itertools import islice

import numpy as np
import pytest

from dia.training.mini.teacher import voices as teacher_voices
from dia.training.mini.teacher.corpus import SEED_DIALOGUE, spoken_words
from dia.training.mini.teacher.english import lexicon, sentence, vocabulary, word_sequence
from dia.training.mini.teacher.sounds import SOUNDS, sound
from dia.training.mini.teacher.texts import utterances, with_sounds
from dia.training.mini.teacher.voices import HELD_OUT, SPEAKERS, TRAINED, Voice, quiet_ends_cut, says, voice_of

RATE = teacher_voices.SAMPLING_RATE


def test_the_lexicon_holds_two_thousand_words_and_more_the_first_dialogue_among_them():
    assert len(vocabulary()) > 2000
    assert {word for _, text in SEED_DIALOGUE for word in spoken_words(text)} <= set(vocabulary())
    assert all(re.fullmatch("[a-z']+", word) for word in vocabulary())
    assert all(words for words in lexicon().values())


def test_a_sentence_is_typeset_and_says_words_of_the_lexicon():
    rng = random.Random(0)
    for _ in range(300):
        text = sentence(rng)
        assert re.fullmatch(r"[A-Z].*[.!?]", text)
        assert "{" not in text
        assert set(spoken_words(text)) <= set(vocabulary())


def test_an_stands_before_vowels():
    texts = " ".join(sentence(random.Random(seed)) for seed in range(500)).lower()
    assert re.search(r"\ban [aeiou]", texts)
    assert not re.search(r"\ba (?:apple|island|idea|onion|egg|uncle)\b", texts)


def test_a_sequence_has_the_length_asked_for():
    assert len(spoken_words(word_sequence(random.Random(3), 5))) == 5
    assert set(spoken_words(word_sequence(random.Random(3), 9, ("north", "south")))) <= {"north", "south"}


def test_training_texts_are_reproducible_and_begin_with_the_first_dialogue():
    first, second = (list(islice(utterances(5), 300)) for _ in range(2))
    assert first == second
    assert {text for _, text in SEED_DIALOGUE} == {utterance.text for utterance in first[:8]}
    assert {utterance.kind for utterance in first} == {"seed", "sentence", "sequence", "spelling", "sounds"}


def test_most_is_said_by_the_two_speakers_and_nothing_by_voices_held_out():
    voices = [utterance.speaker for utterance in islice(utterances(), 3000)]
    assert 0.55 < sum(voice in SPEAKERS for voice in voices) / 3000 < 0.7
    assert set(voices) - set(SPEAKERS) == {str(voice) for voice in TRAINED}
    assert not set(voices) & {str(voice) for voice in HELD_OUT}


def test_sounds_stand_alone_before_after_or_between_words():
    rng = random.Random(0)
    texts = [with_sounds(rng) for _ in range(200)]
    places = {
        "alone" if t in SOUNDS else "before" if t[0] == "(" else "after" if t[-1] == ")" else "in" for t in texts
    }
    assert places == {"alone", "before", "after", "in"}


@pytest.mark.parametrize("tag", SOUNDS)
def test_a_sound_is_heard_has_no_edges_that_click_and_never_comes_twice_the_same(tag):
    rng = np.random.default_rng(0)
    first, second = (sound(tag, rng, 120.0, RATE) for _ in range(2))
    assert first.dtype == np.int16
    assert 0.3 * RATE < first.size < 1.5 * RATE
    assert 0.25 < np.abs(first).max() / 32768 < 0.45
    assert max(abs(int(first[0])), abs(int(first[-1]))) < 0.05 * 32768 or tag == "(claps)"
    assert first.size != second.size or (first != second).any()


def test_each_sound_has_its_own_frequencies():
    def centroid(tag):
        power = np.abs(np.fft.rfft(sound(tag, np.random.default_rng(1), 120.0, RATE))) ** 2
        return float((power * np.fft.rfftfreq(2 * power.size - 2, 1 / RATE)).sum() / power.sum())

    assert centroid("(beep)") == pytest.approx(1000, rel=0.05)
    assert 1400 < centroid("(whistles)") < 2600
    assert centroid("(laughs)") < 1000


def test_names_of_voices_contain_base_and_speed():
    assert [str(Voice("slt")), str(Voice("rms", 0.86))] == ["slt", "rms*0.86"]
    assert not {*TRAINED, *SPEAKERS.values()} & set(HELD_OUT)
    assert len({*TRAINED, *HELD_OUT}) == len(TRAINED) + len(HELD_OUT)


def test_every_speaker_has_a_voice():
    assert voice_of("S2") == Voice("rms")
    assert [voice_of(str(voice)) for voice in (*TRAINED, *HELD_OUT)] == [*TRAINED, *HELD_OUT]


def test_without_flite_the_error_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(FileNotFoundError, match="apt-get install flite"):
        says("Hello.", Voice("slt"), np.random.default_rng(0))


@pytest.mark.skipif(shutil.which("flite") is None, reason="flite is not installed")
def test_a_voice_of_another_rate_is_refused():
    with pytest.raises(ValueError, match="flite spoke at 8000 Hz; the mini model is trained at 16000 Hz"):
        teacher_voices.words("Hello.", Voice("kal"))


def test_tags_are_heard_between_words_and_unknown_ones_left_out(monkeypatch):
    said = []

    def words(text, voice):
        said.append(text)
        return np.pad(np.full(800, 9000, np.int16), 400)

    monkeypatch.setattr(teacher_voices, "words", words)
    audio = says("Well. (beep) That is it, (coughs) friend.", Voice("slt"), np.random.default_rng(0))
    assert said == ["Well.", "That is it,", "friend."]
    beep = sound("(beep)", np.random.default_rng(0), Voice("slt").pitch, RATE)
    assert audio.size == 3 * 800 + beep.size + 3 * round(teacher_voices.PAUSE_SECONDS * RATE)


def test_quiet_ends_are_cut():
    assert quiet_ends_cut(np.array([0, 100, 5000, 0, -4000, 200], np.int16)).tolist() == [5000, 0, -4000]
    assert quiet_ends_cut(np.zeros(5, np.int16)).size == 0


@pytest.mark.skipif(shutil.which("flite") is None, reason="flite is not installed")
def test_a_faster_voice_is_higher_at_the_same_tempo():
    rng = np.random.default_rng(0)
    plain, higher = (says("The mountain was found again.", Voice("kal16", speed), rng) for speed in (1.0, 1.2))
    assert higher.size == pytest.approx(plain.size, rel=0.05)

    def crossings(audio):
        return np.count_nonzero(np.diff(np.signbit(audio))) / audio.size

    assert crossings(higher) > 1.08 * crossings(plain)
