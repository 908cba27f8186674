"""Trimming silence to a given length without cutting sound."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from random_scripts import steady

from dia.audio.dsp.silence import (
    certain_span,
    cut_after,
    loud,
    narrowed,
    shortened,
    speech_span,
    trimmed,
    utterance_span,
)

RATE = 8000


def tone(seconds, level=0.5):
    return (level * np.sin(2 * np.pi * 200 * np.arange(round(seconds * RATE)) / RATE)).astype(np.float32)


def hush(seconds):
    noise = np.random.default_rng(0).standard_normal(round(seconds * RATE))
    return (1e-4 * noise).astype(np.float32)


def joined(*parts):
    return np.concatenate(parts)


def test_speech_is_found_between_silence():
    start, end = speech_span(joined(hush(0.3), tone(1), hush(0.5)), RATE)
    assert start == pytest.approx(0.3 * RATE, abs=RATE // 100)
    assert end == pytest.approx(1.3 * RATE, abs=RATE // 100)


@pytest.mark.parametrize("audio", [np.zeros(0, np.float32), np.zeros(RATE, np.float32), hush(0.5)])
def test_silent_audio_has_no_speech(audio):
    assert speech_span(audio, RATE) == (0, 0)
    assert not loud(audio, RATE).any()
    assert trimmed(audio, RATE, 0.1, 0.2)[0].tolist() == [0.0] * round(0.3 * RATE)


def test_both_ends_are_cut_to_the_requested_length():
    audio, later = trimmed(joined(hush(0.5), tone(1), hush(0.7)), RATE, 0.1, 0.2)
    assert len(audio) == pytest.approx(1.3 * RATE, abs=RATE // 50)
    assert later == pytest.approx(-0.4, abs=0.01)


def test_missing_silence_is_added_and_the_sound_is_unchanged():
    audio, later = trimmed(tone(1), RATE, 0.1, 0.1)
    assert later == pytest.approx(0.1)
    assert (audio[: RATE // 10] == 0).all()
    assert (audio[RATE // 10 : -RATE // 10] == tone(1)).all()


def test_a_soft_ending_is_kept():
    whisper = tone(0.2, level=0.5 * 10 ** (-35 / 20))
    audio, _ = trimmed(joined(tone(1), whisper, hush(1)), RATE, 0.1, 0.1)
    assert len(audio) == pytest.approx(1.4 * RATE, abs=RATE // 50)


def test_trimmed_audio_begins_and_ends_with_zero_so_that_joints_do_not_click():
    audio, _ = trimmed(joined(hush(0.5) + 3e-4, tone(1), hush(0.5) + 3e-4), RATE)
    assert audio[0] == audio[-1] == 0


def test_trimming_is_idempotent():
    once, _ = trimmed(joined(hush(0.5), tone(1), hush(0.5)), RATE)
    twice, later = trimmed(once, RATE)
    assert later == 0
    np.testing.assert_allclose(twice, once, atol=1e-3)


def test_sound_after_the_pause_that_follows_the_last_word_is_cut():
    audio = joined(tone(1), hush(0.05), tone(0.5), hush(0.4), tone(0.2), hush(0.3))
    kept = cut_after(audio, RATE, 1.5)
    assert len(kept) == pytest.approx(1.67 * RATE, abs=RATE // 40)


@pytest.mark.parametrize("rest", [hush(0.5), joined(hush(0.05), tone(0.3)), np.zeros(0, np.float32)])
def test_an_ending_is_kept_without_a_pause_or_without_sound_after_it(rest):
    audio = joined(tone(1), rest)
    assert len(cut_after(audio, RATE, 0.9)) == len(audio)
    assert len(cut_after(audio[:0], RATE, 0.9)) == 0


def test_spans_lose_only_the_silence_at_their_ends():
    audio = joined(hush(0.5), tone(0.5), hush(0.2), tone(0.5), hush(0.5))
    spans = narrowed(audio, RATE, [(0.0, 2.2), (0.6, 0.8), (0.0, 0.4), (1.3, 1.3), (0.6, 1.5)])
    wanted = [(0.5, 1.7), (0.6, 0.8), (0.0, 0.4), (1.3, 1.3), (0.6, 1.5)]
    np.testing.assert_allclose(spans, wanted, atol=0.011)


LEVELS = st.lists(st.tuples(st.floats(0.02, 0.4), st.sampled_from([0.0, 2e-3, 0.01, 0.05, 0.9])), max_size=12)


@steady
@given(LEVELS, st.floats(0, 1), st.sampled_from([0.0, 0.3, 2.0]))
def test_a_certain_span_does_not_depend_on_what_follows(levels, share, hold):
    audio = joined(np.zeros(9, np.float32), *(tone(seconds, level) for seconds, level in levels))
    heard = audio[: round(share * len(audio))]
    whole, _ = trimmed(audio, RATE, 0.1, 0.1, utterance_span(audio, RATE))
    span = certain_span(heard, RATE, hold)
    if end := span[1]:
        assert span[0] == utterance_span(audio, RATE)[0]
        assert end <= len(heard) - hold * RATE + RATE // 100
        known, _ = trimmed(heard, RATE, 0.1, 0.0, span)
        assert len(known) <= len(whole)
        np.testing.assert_array_equal(known, whole[: len(known)])


def test_a_third_of_a_second_of_sound_is_certain_and_the_silence_after_it_is_not():
    audio = joined(hush(0.3), tone(0.6), hush(0.4))
    assert certain_span(audio[: round(0.55 * RATE)], RATE) == (0, 0)
    assert certain_span(audio, RATE)[1] == pytest.approx(0.9 * RATE, abs=RATE // 50)
    assert certain_span(audio, RATE, hold=0.6)[1] == pytest.approx(0.7 * RATE, abs=RATE // 50)
    assert certain_span(hush(2), RATE) == certain_span(audio[:0], RATE) == (0, 0)


def test_an_utterance_begins_with_its_speech_unless_that_is_very_soft():
    for audio in (joined(hush(0.3), tone(1), hush(0.5)), hush(0.5), tone(0.1)):
        assert utterance_span(audio, RATE) == speech_span(audio, RATE)
    breath = joined(hush(0.3), tone(0.1, 4e-3), tone(0.4, 0.03), tone(1, 0.9), hush(0.5))
    assert utterance_span(breath, RATE)[0] < speech_span(breath, RATE)[0]


def test_a_hum_before_speech_is_not_part_of_the_utterance():
    humming = joined(tone(3, 2e-3), tone(1), hush(0.5))
    assert utterance_span(humming, RATE)[0] == pytest.approx(3 * RATE, abs=RATE // 50)
    soft = joined(hush(0.5), tone(1, 3e-3), hush(0.5))
    assert utterance_span(soft, RATE) == speech_span(soft, RATE)
    assert certain_span(soft, RATE) == (0, 0)


def test_ends_that_are_cut_fade_again():
    audio = joined(hush(0.1) + 3e-4, tone(1), hush(0.1) + 3e-4)
    short = shortened(audio, RATE, 0.08, 0.0)
    assert len(short) == len(audio) - round(0.08 * RATE)
    assert short[0] == 0
    assert short[-1] == audio[-1] != 0
    np.testing.assert_array_equal(short[80:], audio[80 + round(0.08 * RATE) :])
