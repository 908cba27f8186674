"""Where speech begins and ends, and what stands between. Knows waveforms; knows nothing of words, codes or files.

Shapes: N samples, M moments of 10 ms.
"""

from collections.abc import Iterable
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Audio: TypeAlias = npt.NDArray[np.float32]

EDGE_SECONDS = 0.1

_MOMENT_SECONDS = 0.01
_QUIET_DECIBELS = -40.0  # below the loudest moment
_NOTHING = 1e-3  # of full scale; what nowhere passes it is silence everywhere
_FADE_SECONDS = 0.005


def loud(audio: Audio, sampling_rate: int) -> npt.NDArray[np.bool_]:
    """Which moments of 10 ms are within 40 dB of the loudest, [M]; none where there is nothing to hear."""
    step = max(1, round(_MOMENT_SECONDS * sampling_rate))
    padded = np.pad(np.asarray(audio, np.float32), (0, -len(audio) % step))
    levels = np.sqrt(np.mean(padded.reshape(-1, step) ** 2, axis=1))
    loudest = levels.max(initial=0.0)
    return np.asarray(levels > max(_NOTHING, loudest * 10 ** (_QUIET_DECIBELS / 20)))


def speech_span(audio: Audio, sampling_rate: int) -> tuple[int, int]:
    """The samples from the first loud moment to behind the last; (0, 0) where there is none."""
    heard = np.flatnonzero(loud(audio, sampling_rate))
    step = max(1, round(_MOMENT_SECONDS * sampling_rate))
    return (int(heard[0]) * step, min(len(audio), int(heard[-1] + 1) * step)) if len(heard) else (0, 0)


def trimmed(
    audio: Audio, sampling_rate: int, before: float = EDGE_SECONDS, after: float = EDGE_SECONDS
) -> tuple[Audio, float]:
    """Cut the silence at both ends to a set length, or fill it up to that.

    What is kept of it fades to nothing, so that whatever is put beside it joins without a click. Sound is never cut,
    nor faded: where it reaches the end of `audio`, zeros follow.

    Args:
        audio: [N].
        sampling_rate: Hz.
        before: seconds of silence at the beginning.
        after: seconds of silence at the end.

    Returns:
        The waveform, and how many seconds later everything is in it (earlier, if negative). Where nothing is heard
        it is silence of `before` and `after` together.
    """
    lead, tail = round(before * sampling_rate), round(after * sampling_rate)
    start, end = speech_span(audio, sampling_rate)
    if start == end:
        return np.zeros(lead + tail, np.float32), 0.0
    kept = np.array(audio[max(0, start - lead) : end + tail], np.float32)
    had_before, had_after = min(lead, start), min(tail, len(audio) - end)
    fade = round(_FADE_SECONDS * sampling_rate)
    _fade(kept, min(fade, had_before))
    _fade(kept[::-1], min(fade, had_after))
    return np.pad(kept, (lead - had_before, tail - had_after)), (lead - start) / sampling_rate


def narrowed(audio: Audio, sampling_rate: int, spans: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    """Spans of time, in seconds, without the silence at their ends; those in which nothing is loud stay."""
    step = max(1, round(_MOMENT_SECONDS * sampling_rate)) / sampling_rate
    heard = np.flatnonzero(loud(audio, sampling_rate)) * step
    found = []
    for start, end in spans:
        inside = heard[np.searchsorted(heard, start - step, "right") : np.searchsorted(heard, end)]
        span = (max(start, float(inside[0])), min(end, float(inside[-1]) + step)) if len(inside) else (start, end)
        found.append(span)
    return found


def cut_after(audio: Audio, sampling_rate: int, seconds: float, pause: float = 0.12) -> Audio:
    """Leave out what is heard after the first `pause` seconds of silence that follow the time `seconds`.

    Where there is no such silence, or nothing after it, all is kept: nobody's ending shall be cut.
    """
    step = max(1, round(_MOMENT_SECONDS * sampling_rate))
    heard = np.flatnonzero(loud(audio, sampling_rate)) * step
    last = np.searchsorted(heard, seconds * sampling_rate)
    gaps = np.flatnonzero(np.diff(heard[max(0, last - 1) :]) > pause * sampling_rate + step)
    if not len(gaps) or not len(heard):
        return audio
    return audio[: int(heard[max(0, last - 1) + gaps[0]]) + step + round(pause * sampling_rate)]


def _fade(audio: Audio, samples: int) -> None:
    """Let the first samples rise from nothing, in place."""
    audio[:samples] *= np.linspace(0, 1, samples, endpoint=False, dtype=np.float32)


__all__ = ["EDGE_SECONDS", "cut_after", "loud", "narrowed", "speech_span", "trimmed"]
