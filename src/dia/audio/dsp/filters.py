"""Filter DC offset, rumble and mains hum out of a recording. Independent of speech.

The filters work on the Fourier transform of the whole recording, so they cause no delay.

Shapes: N samples, C channels.
"""

import numpy as np
from numpy.typing import NDArray

from dia.audio.waveform import Waveform

_MAINS = 50.0, 60.0  # Hz
_HARMONICS = 20  # up to 1 or 1.2 kHz
_DRIFT = 0.002  # relative deviation of the mains frequency
_LINE, _AROUND = 0.5, 8.0  # Hz around a harmonic: the range of its peak, and the range it is compared with
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

    A waveform without hum is unchanged.
    """
    clean, window = audio.astype(np.float64), np.hanning(len(audio))
    times, step = np.arange(len(audio)) / sampling_rate, sampling_rate / max(1, len(audio))
    level = np.abs(np.fft.rfft(clean * window))
    for line in sorted({mains * number for mains in _MAINS for number in range(1, _HARMONICS + 1)}):
        near = _bins(line, _LINE + _DRIFT * line, step, len(level))
        peak = near.start + int(level[near].argmax())
        if level[peak] > _STANDS_OUT * np.median(level[_bins(line, _AROUND, step, len(level))]):
            tone = np.exp(-2j * np.pi * step * (peak + _peak_offset(level, peak)) * times)
            clean -= 2 * np.real(np.conj(tone) * (clean * window * tone).sum() / window.sum())
    return clean


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
