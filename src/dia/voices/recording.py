"""A recording made ready to be encoded: one channel, at one rate, without silence around it, at one loudness.

Every recording takes this way, whether it is an `audio_prompt` or becomes a saved voice. Refuses what no voice can be
taken from, and says what makes the voice worse. Knows nothing of what is said in a recording, nor of codes.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import soxr

from dia.audio.channels import as_channels, sounding
from dia.audio.files import check_seconds, checked_rate, full_scale
from dia.audio.filters import without_bass, without_hum
from dia.audio.noise import SILENT, Heard, heard, without_pauses
from dia.audio.pitch import pitches
from dia.audio.silence import trimmed
from dia.audio.waveform import Waveform
from dia.feature_extraction_dia import read_clip

SHORTEST, LONGEST = 1.0, 20.0  # seconds of speech, beyond which a recording is refused
ADVISED = 5.0, 10.0
LONGEST_FILE = 120.0  # seconds with all silence around the speech; more is some other recording, and takes memory
LOUDNESS = -20.0  # LUFS, as the voices are that the embedded model learned from
LONGEST_PAUSE, PAUSE = 1.0, 0.5  # seconds; longer pauses are shortened to the second

_RUMBLE = 40.0  # Hz; below are a constant offset and the rumble of a desk, and no voice
_FAINT = -45.0  # LUFS
_LOUDEST = 0.99
_CLIPPED = 1e-4  # share of samples
_NARROW = 0.6  # of the rate that is wanted
_TELEPHONE, _ABOVE_IT = 4_200.0, 1e-6  # Hz, and the share of energy above it that other recordings have
_NOISY, _CLEAN = 20.0, 30.0  # dB between speech and noise
_DROPOUT_SECONDS = 0.005, 0.3  # of digital silence, amid speech
_NEAR_SECONDS = 0.001  # before and behind a dropout, where speech breaks off
_BREAKS_OFF, _STEPS = 0.03, 4.0  # of the peak, about -30 dB; steps of the sample format
_OCTAVES_APART, _WIDTHS_APART, _RARER = 0.35, 4.0, 0.15


@dataclass(frozen=True)
class Recording:
    """Speech ready to be encoded.

    Attributes:
        waveform: float32 [N] at the rate that was wanted, 0.1 s of quiet at both ends.
        seconds: of speech, without those ends.
        clean: whether noise is far enough below the speech for its pitch to be measured.
        remarks: what makes the voice worse, each as a fact and, where there is one, its remedy.
    """

    waveform: Waveform
    seconds: float
    clean: bool
    remarks: tuple[str, ...]


def prepare(audio: Any, sampling_rate: int | None, wanted_rate: int, name: str = "audio") -> Recording:
    """Read a recording and prepare it for a codec.

    Args:
        audio: a path, an array or whatever else `DiaFeatureExtractor` reads, of up to 8 channels.
        sampling_rate: Hz, where `audio` does not bring its own; by default `wanted_rate`.
        wanted_rate: Hz of the result.
        name: what the caller calls it, for error messages.

    Raises:
        TypeError: it is no sound.
        ValueError: it is silent, nothing but noise, too short, too long, at an unusable rate, of too many channels,
            not finite or far beyond full scale.
        FileNotFoundError: a path leads to no file.
    """
    array, own_rate = read_clip(audio, name, LONGEST_FILE)
    rate = checked_rate(next(one for one in (own_rate, sampling_rate, wanted_rate) if one is not None), name)
    channels = as_channels(array, name)
    check_seconds(len(channels) / rate, LONGEST_FILE, name)
    channels = full_scale(channels, name)
    _check_length(len(channels) / rate, name, whole=True)
    mono, remarks = _one_channel(channels, rate, wanted_rate)
    found = heard(mono, wanted_rate)
    _check_heard(found, name)
    spoken, spans = without_pauses(mono, wanted_rate, found.spans, LONGEST_PAUSE, PAUSE)
    seconds = (spans[-1][1] - spans[0][0]) / wanted_rate
    _check_length(seconds, name)
    waveform, loudness = _levelled(trimmed(spoken, wanted_rate, span=(spans[0][0], spans[-1][1]))[0], wanted_rate)
    shortened = (len(mono) - len(spoken)) / wanted_rate
    remarks += [*_band(mono, rate, wanted_rate), *_beside_speech(found, shortened, loudness), *_length(seconds)]
    return Recording(waveform, seconds, found.speech - _CLEAN > (found.noise or -math.inf), tuple(remarks))


def two_voices(waveform: Waveform, sampling_rate: int) -> bool:
    """Whether a waveform is of two speakers, as far as their pitch shows: two groups, far apart and each dense.

    Two speakers of like pitch are heard as one.
    """
    octaves = np.sort(np.log2(pitches(waveform, sampling_rate)))
    fewest = max(2, round(_RARER * len(octaves)))
    if len(octaves) < 2 * fewest:
        return False
    counts = np.arange(fewest, len(octaves) - fewest + 1)
    # Splitting where the groups' means differ most, weighed by their sizes, leaves the least variance within.
    sums = np.append(0.0, np.cumsum(octaves))
    low, high = sums[counts] / counts, (sums[-1] - sums[counts]) / (len(octaves) - counts)
    cut = counts[np.argmax(counts * (len(octaves) - counts) * (high - low) ** 2)]
    lower, upper = octaves[:cut], octaves[cut:]
    apart = float(upper.mean() - lower.mean())
    width = float(lower.std() + upper.std()) / 2
    return apart > _OCTAVES_APART and apart > _WIDTHS_APART * width


def _one_channel(channels: Waveform, rate: int, wanted_rate: int) -> tuple[Waveform, list[str]]:
    """The channels [N, C] that have sound as one, at the wanted rate, and what is wrong with them as they came."""
    resampled = channels if rate == wanted_rate else soxr.resample(channels, rate, wanted_rate, quality="HQ")
    clean = without_bass(resampled, wanted_rate, _RUMBLE)
    kept, cancel = sounding(clean, wanted_rate)
    remarks = ["its channels cancel each other out; the loudest one is taken."] if cancel else []
    remarks += _clipping(channels[:, kept]) + _dropouts(channels[:, kept[0]], rate)
    return without_hum(clean[:, kept].mean(axis=1), wanted_rate).astype(np.float32), remarks


def _check_heard(found: Heard, name: str) -> None:
    if found.spans:
        return
    if found.speech < SILENT:
        raise ValueError(f"{name} is silent; check the microphone, or which channel was recorded.")
    raise ValueError(
        f"{name} holds no speech that stands out: its loudest part is less than 6 dB above its steady noise. Record "
        f"closer to the microphone, or in a quieter room."
    )


def _check_length(seconds: float, name: str, whole: bool = False) -> None:
    """Refuse too little or too much speech; `whole`: of a recording with everything around the speech."""
    if seconds >= SHORTEST and (whole or seconds <= LONGEST):
        return
    raise ValueError(
        f"{name} holds {seconds:.1f} s of {'sound' if whole else 'speech'}; a voice is taken from {SHORTEST:g} to "
        f"{LONGEST:g} s, best from {ADVISED[0]:g} to {ADVISED[1]:g}. "
        f"{'Record more.' if seconds < SHORTEST else 'Cut out a part and its transcript.'}"
    )


def _length(seconds: float) -> Iterable[str]:
    least, most = ADVISED
    if seconds < least:
        yield f"it holds {seconds:.1f} s of speech; {least:g} to {most:g} s give the voice more surely."
    if seconds > most:
        yield f"it holds {seconds:.1f} s of speech; more than {most:g} s only take room from what is to be said."


def _beside_speech(found: Heard, shortened: float, loudness: float) -> Iterable[str]:
    if shortened:
        yield f"its pauses of more than {LONGEST_PAUSE:g} s are shortened, by {shortened:.1f} s together."
    if found.noise is not None and found.speech - found.noise < _NOISY:
        yield (
            f"its noise is only {found.speech - found.noise:.0f} dB below the speech, and the voice will be noisy. "
            f"Record closer to the microphone, or in a quieter room."
        )
    if loudness < _FAINT:
        yield f"it is very quiet ({loudness:.0f} LUFS): what noise there is becomes loud with it."


def _band(mono: Waveform, rate: int, wanted_rate: int) -> Iterable[str]:
    """Whether the recording is of a telephone, whatever its rate says."""
    if rate <= _NARROW * wanted_rate:
        yield f"it has {rate} Hz where the model speaks at {wanted_rate}: the voice will sound dull, as by telephone."
    elif wanted_rate > 2 * _TELEPHONE / _NARROW:
        power = np.abs(np.fft.rfft(mono)) ** 2
        above = power[round(_TELEPHONE * len(mono) / wanted_rate) :].sum()
        if above < _ABOVE_IT * power.sum():
            yield f"it has no sound above {_TELEPHONE / 1000:.1f} kHz: the voice will sound dull, as by telephone."


def _clipping(channels: Waveform) -> list[str]:
    """Flat tops: three samples or more of a channel at the very same height, near the peak."""
    level = np.abs(channels)
    flat = (np.abs(np.diff(channels, axis=0)) < 1e-6) & (level[1:] > 0.98 * level.max(axis=0))
    share = float((flat[1:] & flat[:-1]).mean(axis=0).max())
    if not level.max() or share < _CLIPPED:
        return []
    return [f"{100 * share:.1f} % of it is clipped: the voice will be harsh. Record again with less gain."]


def _dropouts(channel: Waveform, rate: int) -> list[str]:
    """Where speech breaks off into digital silence, and goes on a moment later."""
    level, near = np.abs(channel), max(1, round(_NEAR_SECONDS * rate))
    edges = np.flatnonzero(np.diff(np.concatenate([[False], channel == 0, [False]]).astype(np.int8)))
    least, most = (round(seconds * rate) for seconds in _DROPOUT_SECONDS)
    step = float(level.min(where=level > 0, initial=1.0))  # soft sounds in coarse steps are zero for a while, too
    loud = max(_BREAKS_OFF * float(level.max(initial=0.0)), _STEPS * step)
    gaps = [
        end - start
        for start, end in edges.reshape(-1, 2)
        if least <= end - start <= most
        and level[max(0, start - near) : start].max(initial=0.0) > loud
        and level[end : end + near].max(initial=0.0) > loud
    ]
    if not gaps:
        return []
    return [
        f"it drops out {len(gaps)} times, for {sum(gaps) / rate:.2f} s together, and so will the voice. Record again, "
        f"over a better connection."
    ]


def _levelled(waveform: Waveform, rate: int) -> tuple[Waveform, float]:
    """At `LOUDNESS` by ITU-R BS.1770, or as near to it as the peak allows; and the loudness it had, in LUFS."""
    import pyloudnorm  # brings scipy, which takes a while, and only recordings need it

    loudness = float(pyloudnorm.Meter(rate).integrated_loudness(waveform.astype(np.float64)))
    loudness = max(loudness, SILENT)  # minus infinity below its gate of -70 LUFS
    gain = min(10 ** ((LOUDNESS - loudness) / 20), _LOUDEST / float(np.abs(waveform).max()))
    return (gain * waveform).astype(np.float32), loudness


__all__ = ["ADVISED", "LONGEST", "LONGEST_FILE", "LOUDNESS", "SHORTEST", "Recording", "prepare", "two_voices"]
