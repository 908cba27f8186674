"""Filter DC offset, rumble and mains hum out of a recording. Independent of speech.

The filters work on the Fourier transform of the whole recording, so they cause no delay.

Shapes: N samples, C channels.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from dia.audio.waveform import Waveform

_MAINS = 50.0, 60.0  # Hz
_HARMONICS = 20  # up to 1 or 1.2 kHz
_DRIFT = 0.002  # relative deviation of the mains frequency
_LINE, _AROUND = 0.5, 8.0  # Hz around a harmonic: the range of its peak, and the range it is compared with
_BLOCK = 0.05  # seconds over which power is averaged
_MUTED = 1e-4  # of the median power; below, samples were muted and contain no hum
_FINEST = 0.02  # Hz between the frequencies at which tones are looked for, or less in a long waveform
_SWEEPS = 2  # fits of each tone; the first ones are inexact by what the others leave
_STANDS_OUT = 10.0  # amplitude ratio, 20 dB; the pitch of speech varies and makes no such peak


def high_pass(audio: Waveform, sampling_rate: int, lowest: float) -> NDArray[np.float64]:
    """Attenuate frequencies below `lowest` Hz: by half at that frequency, completely at 0.

    Args:
        audio: [N] or [N, C].
        sampling_rate: Hz.
        lowest: Hz.
    """
    edge = min(len(audio), sampling_rate // 2)
    mirrored = np.concatenate([audio[:edge][::-1], audio, audio[len(audio) - edge :][::-1]]).astype(np.float64)
    spectrum = np.fft.rfft(mirrored, axis=0)
    hertz = np.fft.rfftfreq(len(mirrored), 1 / sampling_rate)
    kept = hertz**4 / (hertz**4 + lowest**4)
    spectrum *= kept if audio.ndim == 1 else kept[:, None]
    return np.asarray(np.fft.irfft(spectrum, len(mirrored), axis=0)[edge : edge + len(audio)])


def remove_hum(audio: Waveform, sampling_rate: int) -> NDArray[np.float64]:
    """Subtract mains hum, which is steady tones near multiples of 50 and 60 Hz, from a waveform [N].

    Tones are measured above all in the quiet parts, where speech does not mask them. A waveform without hum is
    unchanged.
    """
    clean = audio.astype(np.float64)
    weights = _quietness(clean, sampling_rate)
    times = np.arange(len(audio)) / sampling_rate
    tones = list(_tones(clean * weights * np.hanning(len(audio)), sampling_rate))
    for hertz in tones * _SWEEPS:
        clean -= _fitted(clean, hertz, times, weights)
    return clean


def _tones(audio: NDArray[np.float64], sampling_rate: int) -> Iterator[float]:
    """The frequencies of mains hum, in Hz."""
    bins = max(len(audio), round(sampling_rate / _FINEST))
    step, level = sampling_rate / bins, np.abs(np.fft.rfft(audio, bins))
    for line in sorted({mains * number for mains in _MAINS for number in range(1, _HARMONICS + 1)}):
        near = _bins(line, _LINE + _DRIFT * line, step, len(level))
        peak = near.start + int(level[near].argmax())
        if level[peak] > _STANDS_OUT * np.median(level[_bins(line, _AROUND, step, len(level))]):
            yield step * (peak + _peak_offset(level, peak))


def _fitted(
    audio: NDArray[np.float64], hertz: float, times: NDArray[np.float64], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The tone of about this frequency that fits a waveform best.

    Its amplitude is linear in time, which to first order is a small difference of the frequency.
    """
    tone = np.exp(2j * np.pi * hertz * times)
    drift = (times / times[-1] - 0.5) if len(times) > 1 else 0 * times
    basis = np.stack([tone.real, tone.imag, drift * tone.real, drift * tone.imag])
    weighted = basis * weights
    return np.asarray(np.linalg.lstsq(weighted @ basis.T, weighted @ audio, rcond=None)[0] @ basis)


def _quietness(audio: NDArray[np.float64], sampling_rate: int) -> NDArray[np.float64]:
    """The inverse of the power around each sample [N], at most 1: the loudest parts have the least weight."""
    starts = np.arange(0, len(audio), max(1, round(_BLOCK * sampling_rate)))
    lengths = np.diff(starts, append=len(audio))
    power = np.repeat(np.add.reduceat(audio**2, starts) / lengths, lengths)
    least = max(float(np.median(power)) * _MUTED, 1e-12)
    return np.asarray(least / np.maximum(power, least))


def _peak_offset(level: NDArray[np.float64], peak: int) -> float:
    """The offset of the peak from the highest bin, -0.5 to 0.5 bins, by parabolic interpolation."""
    if not 0 < peak < len(level) - 1:
        return 0.0
    before, at, after = np.log(np.maximum(level[peak - 1 : peak + 2], 1e-12))
    bend = before - 2 * at + after
    return float(np.clip((before - after) / (2 * bend), -0.5, 0.5)) if bend < 0 else 0.0


def _bins(line: float, width: float, step: float, most: int) -> slice:
    """The bins within `width` Hz of a frequency, at least one."""
    first = min(most - 1, max(0, round((line - width) / step)))
    return slice(first, max(first, round((line + width) / step)) + 1)


__all__ = ["high_pass", "remove_hum"]
