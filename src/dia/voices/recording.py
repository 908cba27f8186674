"""Prepare a recording for encoding: mix to mono, resample, trim silence and normalize loudness.

All recordings are prepared here, both an `audio_prompt` and a saved voice. Unusable recordings raise an error; smaller
problems become remarks. Independent of words and codes.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import soxr

from dia.audio.clips import read_clip
from dia.audio.dsp.channels import as_channels, channels_to_mix
from dia.audio.dsp.filters import high_pass, remove_hum
from dia.audio.dsp.noise import SILENT, DetectedSpeech, detect_speech, shorten_pauses
from dia.audio.dsp.pitch import pitches
from dia.audio.dsp.silence import trimmed
from dia.audio.waveform import Waveform, check_seconds, checked_rate, full_scale

SHORTEST, LONGEST = 1.0, 20.0  # limits in seconds of speech
ADVISED = 5.0, 10.0
LONGEST_FILE = 120.0  # seconds including silence; a longer file is probably the wrong one, and takes memory
LOUDNESS = -22.0  # LUFS, the loudness of the training data of the embedded model
LONGEST_PAUSE, PAUSE = 1.0, 0.5  # seconds; pauses longer than the first are shortened to the second

_RUMBLE = 40.0  # Hz; voices have no lower frequencies, only DC offset and rumble of a desk
_FAINT = -45.0  # LUFS
_LOUDEST = 0.99
_CLIPPED = 1e-4  # share of samples
_NARROW = 0.6  # of the target rate
_TELEPHONE, _ABOVE_IT = 4_200.0, 1e-6  # Hz, and the minimum share of energy above it in other recordings
_NOISY, _CLEAN = 20.0, 30.0  # dB between speech and noise
_DROPOUT_SECONDS = 0.005, 0.3  # of digital silence, amid speech
_NEAR_SECONDS = 0.001  # before and after a dropout, in which the level must be high
_BREAKS_OFF, _STEPS = 0.03, 4.0  # that level: share of the peak, about -30 dB, and quantization steps
_OCTAVES_APART, _WIDTHS_APART, _RARER = 0.35, 4.0, 0.15


@dataclass(frozen=True)
class Recording:
    """Speech that is ready to be encoded.

    Attributes:
        waveform: float32 [N] at the target rate, with 0.1 s of silence at both ends.
        seconds: the length of the speech, without those ends.
        clean: whether the noise is low enough to measure the pitch of the speech.
        remarks: problems that make the voice worse, each a fact and its remedy if there is one.
    """

    waveform: Waveform
    seconds: float
    clean: bool
    remarks: tuple[str, ...]


def prepare(audio: Any, sampling_rate: int | None, wanted_rate: int, name: str = "audio") -> Recording:
    """Read a recording and prepare it for a codec.

    Args:
        audio: a path, an array or another input of `DiaFeatureExtractor`, with up to 8 channels.
        sampling_rate: Hz, if `audio` does not state its own; by default `wanted_rate`.
        wanted_rate: Hz of the result.
        name: the name of the argument, for error messages.

    Raises:
        TypeError: `audio` is not audio.
        ValueError: the recording is silent, only noise, too short or too long, has an unsupported rate or too many
            channels, is not finite or far beyond full scale.
        FileNotFoundError: the file does not exist.
    """
    clip = read_clip(audio, name, LONGEST_FILE)
    rate = checked_rate(next(one for one in (clip.rate, sampling_rate, wanted_rate) if one is not None), name)
    channels = as_channels(clip.samples, name)
    check_seconds(len(channels) / rate, LONGEST_FILE, name)
    channels = full_scale(channels, name)
    _check_length(len(channels) / rate, name, whole=True)
    mono, remarks = _one_channel(channels, rate, wanted_rate)
    found = detect_speech(mono, wanted_rate)
    _check_audible(found, name)
    spoken, spans = shorten_pauses(mono, wanted_rate, found.spans, LONGEST_PAUSE, PAUSE)
    seconds = (spans[-1][1] - spans[0][0]) / wanted_rate
    _check_length(seconds, name)
    waveform, loudness = normalized(trimmed(spoken, wanted_rate, span=(spans[0][0], spans[-1][1]))[0], wanted_rate)
    shortened = (len(mono) - len(spoken)) / wanted_rate
    remarks += [
        *clip.remarks,
        *_band(mono, rate, wanted_rate),
        *_background(found, shortened, loudness),
        *_length(seconds),
    ]
    return Recording(waveform, seconds, found.speech - _CLEAN > (found.noise or -math.inf), tuple(remarks))


def two_voices(waveform: Waveform, sampling_rate: int) -> bool:
    """Whether the pitch of a waveform suggests two speakers: it forms two dense groups that are far apart.

    Two speakers with similar pitch count as one.
    """
    octaves = np.sort(np.log2(pitches(waveform, sampling_rate)))
    fewest = max(2, round(_RARER * len(octaves)))
    if len(octaves) < 2 * fewest:
        return False
    counts = np.arange(fewest, len(octaves) - fewest + 1)
    # The split with the largest difference of means, weighted by the sizes, minimizes the variance within the groups.
    sums = np.append(0.0, np.cumsum(octaves))
    low, high = sums[counts] / counts, (sums[-1] - sums[counts]) / (len(octaves) - counts)
    cut = counts[np.argmax(counts * (len(octaves) - counts) * (high - low) ** 2)]
    lower, upper = octaves[:cut], octaves[cut:]
    apart = float(upper.mean() - lower.mean())
    width = float(lower.std() + upper.std()) / 2
    return apart > _OCTAVES_APART and apart > _WIDTHS_APART * width


def _one_channel(channels: Waveform, rate: int, wanted_rate: int) -> tuple[Waveform, list[str]]:
    """Mix channels [N, C] with speech to mono at the target rate, and collect remarks on the original channels."""
    resampled = channels if rate == wanted_rate else soxr.resample(channels, rate, wanted_rate, quality="HQ")
    clean = high_pass(resampled, wanted_rate, _RUMBLE)
    kept, cancel = channels_to_mix(clean, wanted_rate)
    remarks = ["its channels cancel each other out, so only the loudest one is used."] if cancel else []
    remarks += _clipping(channels[:, kept]) + _dropouts(channels[:, kept[0]], rate)
    return remove_hum(clean[:, kept].mean(axis=1), wanted_rate).astype(np.float32), remarks


def _check_audible(found: DetectedSpeech, name: str) -> None:
    if found.spans:
        return
    if found.speech < SILENT:
        raise ValueError(f"{name} is silent. Check the microphone and which channel was recorded.")
    raise ValueError(
        f"{name} contains no speech above the noise: its loudest part is less than 6 dB above its steady noise. "
        f"Record closer to the microphone, or in a quieter room."
    )


def _check_length(seconds: float, name: str, whole: bool = False) -> None:
    """Raise ValueError for too little or too much speech. `whole` means the whole recording, not only its speech."""
    if seconds >= SHORTEST and (whole or seconds <= LONGEST):
        return
    raise ValueError(
        f"{name} contains {seconds:.1f} s of {'audio' if whole else 'speech'}, but a voice needs {SHORTEST:g} to "
        f"{LONGEST:g} s, ideally {ADVISED[0]:g} to {ADVISED[1]:g} s. "
        f"{'Record more.' if seconds < SHORTEST else 'Use a part of it and the transcript of that part.'}"
    )


def _length(seconds: float) -> Iterable[str]:
    least, most = ADVISED
    if seconds < least:
        yield f"it contains {seconds:.1f} s of speech; cloning is more reliable with {least:g} to {most:g} s."
    if seconds > most:
        yield (
            f"it contains {seconds:.1f} s of speech; more than {most:g} s does not improve the voice and leaves less "
            f"time for the generated speech."
        )


def _background(found: DetectedSpeech, shortened: float, loudness: float) -> Iterable[str]:
    if shortened:
        yield f"its pauses of more than {LONGEST_PAUSE:g} s are shortened, by {shortened:.1f} s in total."
    if found.noise is not None and found.speech - found.noise < _NOISY:
        yield (
            f"its noise is only {found.speech - found.noise:.0f} dB below the speech, so the voice will be noisy. "
            f"Record closer to the microphone, or in a quieter room."
        )
    if loudness < _FAINT:
        yield f"it is very quiet ({loudness:.0f} LUFS), so normalization amplifies its noise, too. Record it louder."


def _band(mono: Waveform, rate: int, wanted_rate: int) -> Iterable[str]:
    """A warning about a narrow frequency band, as of a telephone, whatever the sampling rate."""
    if rate <= _NARROW * wanted_rate:
        yield (
            f"its sampling rate is {rate} Hz, but the model uses {wanted_rate} Hz, so the voice will sound dull, as "
            f"on a telephone."
        )
    elif wanted_rate > 2 * _TELEPHONE / _NARROW:
        power = np.abs(np.fft.rfft(mono)) ** 2
        above = power[round(_TELEPHONE * len(mono) / wanted_rate) :].sum()
        if above < _ABOVE_IT * power.sum():
            yield (
                f"it has no frequencies above {_TELEPHONE / 1000:.1f} kHz, so the voice will sound dull, as on a "
                f"telephone."
            )


def _clipping(channels: Waveform) -> list[str]:
    """A warning about clipping: three or more consecutive samples of equal value near the peak of a channel."""
    level = np.abs(channels)
    flat = (np.abs(np.diff(channels, axis=0)) < 1e-6) & (level[1:] > 0.98 * level.max(axis=0))
    share = float((flat[1:] & flat[:-1]).mean(axis=0).max())
    if not level.max() or share < _CLIPPED:
        return []
    return [f"{100 * share:.1f} % of it is clipped, so the voice will sound harsh. Record again with less gain."]


def _dropouts(channel: Waveform, rate: int) -> list[str]:
    """A warning about dropouts: short digital silence inside speech."""
    level, near = np.abs(channel), max(1, round(_NEAR_SECONDS * rate))
    edges = np.flatnonzero(np.diff(np.concatenate([[False], channel == 0, [False]]).astype(np.int8)))
    least, most = (round(seconds * rate) for seconds in _DROPOUT_SECONDS)
    step = float(level.min(where=level > 0, initial=1.0))  # coarsely quantized soft sounds are zero for a while, too
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
    often = "once" if len(gaps) == 1 else f"{len(gaps)} times"
    return [
        f"it drops out {often}, for {sum(gaps) / rate:.2f} s in total, and so will the voice. Record again over a "
        f"better connection."
    ]


def normalized(waveform: Waveform, rate: int) -> tuple[Waveform, float]:
    """Normalize to `LOUDNESS` (ITU-R BS.1770) as far as the peak allows. Also return the old loudness in LUFS."""
    import pyloudnorm  # imported here because it loads scipy, which is slow

    meter = pyloudnorm.Meter(rate)
    shortest = math.ceil(meter.block_size * rate)  # that the meter measures
    measured = np.pad(waveform.astype(np.float64), (0, max(0, shortest - len(waveform))))
    loudness = max(float(meter.integrated_loudness(measured)), SILENT)  # below -70 LUFS it is minus infinity
    peak = float(np.abs(waveform).max(initial=0.0)) or 1.0
    gain = min(10 ** ((LOUDNESS - loudness) / 20), _LOUDEST / peak)
    return (gain * waveform).astype(np.float32), loudness


__all__ = [
    "ADVISED",
    "LONGEST",
    "LONGEST_FILE",
    "LOUDNESS",
    "SHORTEST",
    "Recording",
    "normalized",
    "prepare",
    "two_voices",
]
