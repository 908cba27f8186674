"""Where speech begins and ends, and what stands between. Knows waveforms; knows nothing of words, codes or files.

Shapes: N samples, M moments of 10 ms.
"""

import math
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from dia.audio.waveform import Waveform

EDGE_SECONDS = 0.1

_MOMENT_SECONDS = 0.01
_QUIET = 0.01  # of the loudest moment, 40 dB below it; what is above this of full scale is loud beside any
_NOTHING = 1e-3  # of full scale; what nowhere passes it is silence everywhere
_FADE_SECONDS = 0.005
_SETTLED = 30  # moments from the first sure sound until it is settled where an utterance begins


def loud(audio: Waveform, sampling_rate: int) -> npt.NDArray[np.bool_]:
    """Which moments of 10 ms are within 40 dB of the loudest, [M]; none where there is nothing to hear."""
    levels = _levels(audio, sampling_rate)
    return levels > _threshold(levels)


def speech_span(audio: Waveform, sampling_rate: int) -> tuple[int, int]:
    """The samples from the first loud moment to behind the last; (0, 0) where there is none."""
    heard, step = np.flatnonzero(loud(audio, sampling_rate)), _moment(sampling_rate)
    return (int(heard[0]) * step, min(len(audio), int(heard[-1] + 1) * step)) if len(heard) else (0, 0)


def utterance_span(audio: Waveform, sampling_rate: int) -> tuple[int, int]:
    """As `speech_span`, but where it begins is known as soon as 0.3 s of sound are there: nothing later changes it."""
    levels, step = _levels(audio, sampling_rate), _moment(sampling_rate)
    first = _onset(levels)
    return (first * step, speech_span(audio, sampling_rate)[1]) if first < len(levels) else (0, 0)


def certain_span(audio: Waveform, sampling_rate: int, hold: float = 0.0) -> tuple[int, int]:
    """Of a waveform that goes on, the beginning of its `utterance_span` that stays whatever follows; (0, 0) for none.

    Args:
        audio: [N], what there is until now.
        sampling_rate: Hz.
        hold: seconds at the end that are not certain yet for other reasons.
    """
    step = _moment(sampling_rate)
    levels = _levels(audio[: len(audio) // step * step], sampling_rate)
    heard = np.flatnonzero(levels > _QUIET)
    if not len(heard) or heard[0] + _SETTLED > len(levels):
        return 0, 0
    last = heard[heard < len(levels) - round(hold / _MOMENT_SECONDS)]
    return (_onset(levels) * step, int(last[-1] + 1) * step) if len(last) else (0, 0)


def trimmed(
    audio: Waveform,
    sampling_rate: int,
    before: float = EDGE_SECONDS,
    after: float = EDGE_SECONDS,
    span: tuple[int, int] | None = None,
) -> tuple[Waveform, float]:
    """Cut the silence at both ends to a set length, or fill it up to that.

    What is kept of it fades to nothing, so that whatever is put beside it joins without a click. Sound is never cut,
    nor faded: where it reaches the end of `audio`, zeros follow.

    Args:
        audio: [N].
        sampling_rate: Hz.
        before: seconds of silence at the beginning.
        after: seconds of silence at the end.
        span: the samples from the first to behind the last that are heard; by default those of `speech_span`.

    Returns:
        The waveform, and how many seconds later everything is in it (earlier, if negative). Where nothing is heard
        it is silence of `before` and `after` together.
    """
    lead, tail = round(before * sampling_rate), round(after * sampling_rate)
    start, end = speech_span(audio, sampling_rate) if span is None else span
    if start == end:
        return np.zeros(lead + tail, np.float32), 0.0
    kept = np.array(audio[max(0, start - lead) : end + tail], np.float32)
    had_before, had_after = min(lead, start), min(tail, len(audio) - end)
    _fade(kept, sampling_rate, had_before)
    _fade(kept[::-1], sampling_rate, had_after)
    return np.pad(kept, (lead - had_before, tail - had_after)), (lead - start) / sampling_rate


def shortened(audio: Waveform, sampling_rate: int, before: float, after: float) -> Waveform:
    """Cut seconds of silence off either end; what is left of it fades to nothing."""
    first, last = round(before * sampling_rate), len(audio) - round(after * sampling_rate)
    kept = np.array(audio[first:last], np.float32)
    for end, cut in ((kept, before), (kept[::-1], after)):
        if cut:
            _fade(end, sampling_rate)
    return kept


def narrowed(audio: Waveform, sampling_rate: int, spans: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    """Spans of time, in seconds, without the silence at their ends; those in which nothing is loud stay."""
    step = _moment(sampling_rate) / sampling_rate
    heard = np.flatnonzero(loud(audio, sampling_rate)) * step
    found = []
    for start, end in spans:
        inside = heard[np.searchsorted(heard, start - step, "right") : np.searchsorted(heard, end)]
        span = (max(start, float(inside[0])), min(end, float(inside[-1]) + step)) if len(inside) else (start, end)
        found.append(span)
    return found


def cut_after(audio: Waveform, sampling_rate: int, seconds: float, pause: float = 0.12) -> Waveform:
    """Leave out what is heard after the first `pause` seconds of silence that follow the time `seconds`.

    Where there is no such silence, or nothing after it, all is kept: nobody's ending shall be cut.
    """
    step = _moment(sampling_rate)
    heard = np.flatnonzero(loud(audio, sampling_rate)) * step
    last = np.searchsorted(heard, seconds * sampling_rate)
    gaps = np.flatnonzero(np.diff(heard[max(0, last - 1) :]) > pause * sampling_rate + step)
    if not len(gaps) or not len(heard):
        return audio
    return audio[: int(heard[max(0, last - 1) + gaps[0]]) + step + round(pause * sampling_rate)]


def _moment(sampling_rate: int) -> int:
    """Samples in a moment."""
    return max(1, round(_MOMENT_SECONDS * sampling_rate))


def _levels(audio: Waveform, sampling_rate: int) -> Waveform:
    """The root mean square of each moment, [M]; the last is filled up with zeros."""
    step = _moment(sampling_rate)
    padded = np.pad(np.asarray(audio, np.float32), (0, -len(audio) % step))
    return np.asarray(np.sqrt(np.mean(padded.reshape(-1, step) ** 2, axis=1)), np.float32)


def _threshold(levels: Waveform) -> float:
    return max(_NOTHING, float(levels.max(initial=0.0)) * _QUIET)


def _onset(levels: Waveform) -> int:
    """The first moment that is loud beside the 0.3 s from the first sure sound on, and at most as long before that.

    Where no sound is sure the first that is loud beside all; their number if none is.
    """
    sure = np.flatnonzero(levels > _QUIET)
    first = int(sure[0]) if len(sure) else 0
    beside = levels[first : first + _SETTLED] if len(sure) else levels
    near = max(0, first - _SETTLED)
    heard = np.flatnonzero(levels[near:] > _threshold(beside))
    return near + int(heard[0]) if len(heard) else len(levels)


def _fade(audio: Waveform, sampling_rate: int, most: float = math.inf) -> None:
    """Let 5 ms, but no more than `most` samples, rise from nothing, in place."""
    samples = int(min(round(_FADE_SECONDS * sampling_rate), most, len(audio)))
    audio[:samples] *= np.linspace(0, 1, samples, endpoint=False, dtype=np.float32)


__all__ = [
    "EDGE_SECONDS",
    "certain_span",
    "cut_after",
    "loud",
    "narrowed",
    "shortened",
    "speech_span",
    "trimmed",
    "utterance_span",
]
