"""The watermark: found and read after changes to the sound, absent elsewhere, the same for all chunks."""

import numpy as np
import pytest
import soxr

from dia.audio.dsp.time_stretch import stretched
from dia.audio.watermark import Payload, Watermarker, detect, watermarked
from dia.audio.watermark.embedding import watermarked_stream
from dia.audio.watermark.payload import PAYLOAD_BITS, decoded, encoded

RATE = 16_000
PAYLOAD = Payload.of("mini", 4_000_000_001)


def voice(seconds: float, rate: int = RATE, seed: int = 0) -> np.ndarray:
    """Syllables of a gliding tone with overtones, over a little noise."""
    rng, time = np.random.default_rng(seed), np.arange(round(seconds * rate)) / rate
    pitch = 130 + 30 * np.sin(2 * np.pi * 0.7 * time + seed)
    phase = 2 * np.pi * np.cumsum(pitch) / rate
    sound = sum(np.sin(number * phase) / number**0.7 for number in range(1, 45))
    sound *= np.interp(time, np.arange(0, seconds + 1, 0.15), rng.random(len(np.arange(0, seconds + 1, 0.15))))
    return (0.05 * sound + 0.001 * rng.normal(size=len(time))).astype(np.float32)


@pytest.fixture(scope="module")
def marked():
    return watermarked(voice(8.0), RATE, PAYLOAD)


def test_a_watermark_is_found_and_read(marked):
    found = detect(marked, RATE)
    assert found.found
    assert found.false_alarm < 1e-6
    assert found.payload == PAYLOAD


@pytest.mark.parametrize("seed", range(3))
def test_nothing_is_found_without_a_watermark(seed):
    found = detect(voice(4.0, seed=seed), RATE)
    assert not found.found
    assert found.payload is None


def test_another_key_finds_nothing(marked):
    assert not detect(marked[: 3 * RATE], RATE, key=b"another").found


@pytest.mark.parametrize("start", [0.0, 1.3, 4.7])
def test_three_seconds_from_anywhere_are_enough(marked, start):
    first = int(start * RATE)
    assert detect(marked[first : first + 3 * RATE], RATE).found


@pytest.mark.parametrize("factor", [0.9, 1.1])
def test_playing_it_faster_or_slower_keeps_it(marked, factor):
    found = detect(soxr.resample(marked, RATE * factor, RATE), RATE)
    assert found.payload == PAYLOAD
    assert found.speed.tempo == pytest.approx(factor, abs=0.01)
    assert found.speed.pitch == found.speed.tempo


def test_stretching_it_keeps_it(marked):
    found = detect(stretched(marked, 1.1, RATE), RATE)
    assert found.found
    assert found.speed.pitch == 1.0


@pytest.mark.parametrize("rate", [8_000, 24_000, 44_100])
def test_other_rates_are_watermarked_and_searched(rate):
    sound = voice(6.0, rate)
    assert detect(watermarked(sound, rate, PAYLOAD), rate).found


def test_chunks_do_not_change_the_samples():
    sound, marker, at = voice(1.0), Watermarker(RATE, PAYLOAD), 0
    made = []
    for size in (0, 1, 255, 256, 257, 1000, 5000, 20_000):
        made.append(marker.process(sound[at : at + size]))
        at += size
    assert np.array_equal(np.concatenate([*made, marker.finish()]), watermarked(sound, RATE, PAYLOAD))


@pytest.mark.parametrize("length", [0, 1, 255, 256, 257, 511, 512, 513])
def test_the_length_stays_the_same(length):
    assert len(watermarked(voice(1.0)[:length], RATE, PAYLOAD)) == length


def test_other_precisions_are_read_as_single():
    sound, marker = voice(1.0), Watermarker(RATE, PAYLOAD)
    made = np.concatenate([marker.process(sound.astype(np.float64)), marker.finish()])
    assert made.dtype == np.float32
    assert np.array_equal(made, watermarked(sound, RATE, PAYLOAD))


def test_the_change_is_a_small_part_of_the_sound(marked):
    sound = voice(8.0)
    assert np.mean((marked - sound) ** 2) < np.mean(sound**2) * 10**-1.6


def test_silence_remains_silence():
    assert not watermarked(np.zeros(RATE, np.float32), RATE, PAYLOAD).any()


def test_both_channels_are_watermarked():
    sound = np.stack([voice(4.0), np.zeros(4 * RATE, np.float32)], axis=1)
    marked = watermarked(sound, RATE, PAYLOAD)
    assert np.array_equal(marked[:, 0], watermarked(sound[:, 0], RATE, PAYLOAD))
    assert not marked[:, 1].any()


def test_a_column_is_watermarked_like_a_clip(marked):
    clip = marked[: 2 * RATE]
    assert np.array_equal(watermarked(clip[:, None], RATE, PAYLOAD)[:, 0], watermarked(clip, RATE, PAYLOAD))


@pytest.mark.parametrize(
    ("samples", "said"),
    [
        (np.full(RATE, np.nan, np.float32), "NaN"),
        (np.zeros((2, 3, 4), np.float32), r"\[2, 3, 4\]"),
        (np.zeros((4, 0), np.float32), r"\[4, 0\]"),
        (np.full(RATE, 300.0), "±1"),
    ],
)
def test_other_samples_are_refused(samples, said):
    with pytest.raises(ValueError, match=said):
        watermarked(samples, RATE, PAYLOAD)


def test_a_stream_closes_its_source():
    closed = []

    def chunks():
        try:
            yield voice(0.5)
            yield voice(0.5)
        finally:
            closed.append(True)

    stream = watermarked_stream(chunks(), Watermarker(RATE, PAYLOAD))
    next(stream)
    stream.close()
    assert closed == [True]


def test_short_and_silent_sound_has_no_watermark():
    for sound in (np.zeros(0, np.float32), voice(0.9), np.zeros(2 * RATE, np.float32)):
        assert not detect(sound, RATE).found


@pytest.mark.parametrize("seed", [None, 0, 2**32 - 1])
def test_a_payload_is_what_its_bits_say(seed):
    payload = Payload.of("mini", seed)
    assert Payload.from_bits(payload.bits()) == payload


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_seeds_of_more_than_32_bits_are_left_out(seed):
    assert Payload.of("mini", seed).seed is None


def test_a_wrong_checksum_is_no_payload():
    bits = PAYLOAD.bits()
    bits[5] ^= 1
    assert Payload.from_bits(bits) is None


def test_the_code_corrects_one_in_ten_signs():
    signs = encoded(PAYLOAD.bits())
    signs[::10] *= -1
    assert np.array_equal(decoded(signs), PAYLOAD.bits())
    assert len(PAYLOAD.bits()) == PAYLOAD_BITS
