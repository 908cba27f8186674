"""A recording as a voice is made of it: one channel, at one rate, without silence around it, at one loudness.

Knows what can be wrong with a recording, and refuses what nothing can be made of. Knows nothing of what is said in it,
of codes or of files beyond reading them.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import soxr

from dia.audio.files import Waveform, full_scale
from dia.audio.pitch import pitches
from dia.audio.silence import speech_span, trimmed
from dia.feature_extraction_dia import read_clip

SHORTEST, LONGEST = 1.0, 20.0  # seconds of speech, beyond which a recording is refused
ADVISED = 5.0, 10.0
RATES = 8_000, 192_000
LOUDNESS = -20.0  # LUFS, as the voices are that the embedded model learned from

_CHANNELS = 8
_BASS = {6: 3, 8: 3}  # the channel for deep effects, of 5.1 and 7.1 sound
_FAINT = -45.0  # LUFS
_LOUDEST = 0.99
_CLIPPED = 1e-4  # share of samples
_NARROW = 0.6  # of the rate that is wanted
_OCTAVES_APART, _WIDTHS_APART, _RARER = 0.35, 4.0, 0.15


@dataclass(frozen=True)
class Recording:
    """Speech ready to be encoded.

    Attributes:
        waveform: float32 [N] at the rate that was wanted, 0.1 s of quiet at both ends.
        seconds: of speech, without those ends.
        remarks: what is not as it should be, a sentence each.
    """

    waveform: Waveform
    seconds: float
    remarks: tuple[str, ...]


def prepare(audio: Any, sampling_rate: int | None, wanted_rate: int, name: str = "audio") -> Recording:
    """Read a recording and make of it what a codec shall encode.

    Args:
        audio: a path, an array or whatever else `DiaFeatureExtractor` reads, but of up to 8 channels.
        sampling_rate: Hz, where `audio` does not bring its own; by default `wanted_rate`.
        wanted_rate: Hz of the result.
        name: what the caller calls it, for error messages.

    Raises:
        TypeError: it is no sound.
        ValueError: it is silent, too short, too long, at an unusable rate, of too many channels, not finite or far
            beyond full scale.
        FileNotFoundError: a path leads to no file.
    """
    array, own_rate = read_clip(audio, name)
    rate = _checked_rate(next(one for one in (own_rate, sampling_rate, wanted_rate) if one is not None), name)
    mono, remarks = _mixed(full_scale(array, name), name)
    remarks += _band(rate, wanted_rate) + _clipping(mono)
    if rate != wanted_rate:
        mono = soxr.resample(mono, rate, wanted_rate, quality="HQ")
    first, last = speech_span(mono, wanted_rate)
    seconds = (last - first) / wanted_rate
    remarks += _length(seconds, name)
    waveform, quiet = _levelled(trimmed(mono, wanted_rate)[0], wanted_rate, name)
    return Recording(waveform, seconds, (*remarks, *quiet))


def two_voices(waveform: Waveform, sampling_rate: int) -> bool:
    """Whether a waveform is of two speakers, as far as their pitch tells: two groups, far apart and each dense.

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


def _checked_rate(rate: Any, name: str) -> int:
    lowest, highest = RATES
    if not isinstance(rate, int | float | np.number) or isinstance(rate, bool) or not lowest <= rate <= highest:
        raise ValueError(f"{name}: the sampling rate is {rate!r}; a voice is made of {lowest} to {highest} Hz.")
    return int(rate)


def _mixed(array: Waveform, name: str) -> tuple[Waveform, list[str]]:
    """One channel [N] of [N], [N, C] or [C, N]."""
    if array.size == 0:
        raise ValueError(f"{name} is empty; give a recording with samples.")
    if array.ndim == 1:
        return array, []
    if array.ndim != 2 or min(array.shape) > _CHANNELS:
        raise ValueError(f"{name} has shape {array.shape}; a recording is [samples] or up to {_CHANNELS} channels.")
    channels = array if array.shape[0] > array.shape[1] else array.T  # [N, C]
    heard = np.delete(channels, _BASS.get(channels.shape[1], []), axis=1)
    mono, levels = heard.mean(axis=1), np.sqrt((heard**2).mean(axis=0))
    if np.sqrt((mono**2).mean()) < 0.5 * levels.max() / len(levels):
        return heard[:, int(levels.argmax())], ["its channels cancel each other out; the loudest one is taken."]
    return mono, []


def _band(rate: int, wanted_rate: int) -> list[str]:
    if rate > _NARROW * wanted_rate:
        return []
    return [f"it has {rate} Hz where the model speaks at {wanted_rate}: the voice will sound dull, as on a telephone."]


def _clipping(mono: Waveform) -> list[str]:
    """Flat tops: three samples or more at the very same height, near the peak."""
    level = np.abs(mono)
    flat = (np.abs(np.diff(mono)) < 1e-6) & (level[1:] > 0.98 * level.max())
    share = float((flat[1:] & flat[:-1]).sum()) / len(mono)
    if not level.max() or share < _CLIPPED:
        return []
    return [f"{100 * share:.1f} % of it is clipped: the voice will be harsh. Record again with less gain."]


def _length(seconds: float, name: str) -> list[str]:
    least, most = ADVISED
    if seconds == 0:
        raise ValueError(f"{name} is silent; check the microphone, or which channel was recorded.")
    if not SHORTEST <= seconds <= LONGEST:
        raise ValueError(
            f"{name} holds {seconds:.1f} s of speech; a voice is made of {SHORTEST:g} to {LONGEST:g} s, best of "
            f"{least:g} to {most:g}. {'Record more.' if seconds < SHORTEST else 'Cut out a part and its transcript.'}"
        )
    if seconds < least:
        return [f"it holds {seconds:.1f} s of speech; with {least:g} to {most:g} s the voice is met more surely."]
    if seconds > most:
        return [f"it holds {seconds:.1f} s of speech; more than {most:g} s only take room from what is to be said."]
    return []


def _levelled(waveform: Waveform, rate: int, name: str) -> tuple[Waveform, list[str]]:
    """At `LOUDNESS` by ITU-R BS.1770, or as near to it as the peak allows."""
    import pyloudnorm  # brings scipy, which takes a while, and only makers of voices need it

    loudness = float(pyloudnorm.Meter(rate).integrated_loudness(waveform.astype(np.float64)))
    if not np.isfinite(loudness):
        raise ValueError(f"{name} is nearly silent; record again, closer to the microphone.")
    gain = min(10 ** ((LOUDNESS - loudness) / 20), _LOUDEST / float(np.abs(waveform).max()))
    remarks = [f"it is very quiet ({loudness:.0f} LUFS): what noise there is becomes loud with it."]
    return (gain * waveform).astype(np.float32), remarks if loudness < _FAINT else []


__all__ = ["ADVISED", "LONGEST", "LOUDNESS", "RATES", "SHORTEST", "Recording", "prepare", "two_voices"]
