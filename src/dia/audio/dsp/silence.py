"""Find, trim and shorten the silence in generated speech. Independent of words, codes and files.

Shapes: N samples, M blocks of 10 ms.
"""

import math
from collections.abc import Iterable
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from dia.audio.waveform import Waveform

EDGE_SECONDS = 0.1

_BLOCK_SECONDS = 0.01
_QUIET = 0.01  # of the loudest block, 40 dB below it; a level above this share of full scale is loud in any case
_NOTHING = 1e-3  # of full scale; audio that never exceeds it is silent
_FADE_SECONDS = 0.005
_SETTLED = 30  # blocks after the first certain sound that determine where an utterance begins


def loud(audio: Waveform, sampling_rate: int) -> npt.NDArray[np.bool_]:
    """Which blocks of 10 ms are within 40 dB of the loudest, [M]; none if the audio is silent."""
    levels = _levels(audio, sampling_rate)
    return levels > _threshold(levels)


def speech_span(audio: Waveform, sampling_rate: int) -> tuple[int, int]:
    """The start and end sample of the loud blocks; (0, 0) if there are none."""
    sound, step = np.flatnonzero(loud(audio, sampling_rate)), _block(sampling_rate)
    return (int(sound[0]) * step, min(len(audio), int(sound[-1] + 1) * step)) if len(sound) else (0, 0)


def utterance_span(audio: Waveform, sampling_rate: int) -> tuple[int, int]:
    """Like `speech_span`, but the start depends only on the first 0.3 s of sound and not on anything later."""
    levels, step = _levels(audio, sampling_rate), _block(sampling_rate)
    first = _onset(levels)
    return (first * step, speech_span(audio, sampling_rate)[1]) if first < len(levels) else (0, 0)


def certain_span(audio: Waveform, sampling_rate: int, hold: float = 0.0) -> tuple[int, int]:
    """The part of a growing waveform that belongs to its `utterance_span` whatever follows; (0, 0) if none.

    Args:
        audio: [N], the waveform so far.
        sampling_rate: Hz.
        hold: seconds at the end that may still change for other reasons.
    """
    step = _block(sampling_rate)
    levels = _levels(audio[: len(audio) // step * step], sampling_rate)
    sound = np.flatnonzero(levels > _QUIET)
    if not len(sound) or sound[0] + _SETTLED > len(levels):
        return 0, 0
    last = sound[sound < len(levels) - round(hold / _BLOCK_SECONDS)]
    return (_onset(levels) * step, int(last[-1] + 1) * step) if len(last) else (0, 0)


def trimmed(
    audio: Waveform,
    sampling_rate: int,
    before: float = EDGE_SECONDS,
    after: float = EDGE_SECONDS,
    span: tuple[int, int] | None = None,
) -> tuple[Waveform, float]:
    """Cut or extend the silence at both ends to a given length.

    The remaining silence fades out, so that other audio can be joined without a click. Sound is neither cut nor faded;
    if it reaches the end of `audio`, zeros are appended.

    Args:
        audio: [N].
        sampling_rate: Hz.
        before: seconds of silence at the beginning.
        after: seconds of silence at the end.
        span: the start and end sample of the sound; by default, those of `speech_span`.

    Returns:
        The waveform, and the time shift of its content in seconds, negative if it moves earlier. Silent audio results
        in silence of `before` plus `after` seconds.
    """
    lead, tail = round(before * sampling_rate), round(after * sampling_rate)
    start, end = speech_span(audio, sampling_rate) if span is None else span
    if start == end:
        return np.zeros(lead + tail, np.float32), 0.0
    kept = np.array(audio[max(0, start - lead) : end + tail], np.float32)
    had_before, had_after = min(lead, start), min(tail, len(audio) - end)
    _fade(kept, sampling_rate, had_before)
    _fade(kept[::-1], sampling_rate, had_after)
    return _padded(kept, lead - had_before, tail - had_after), (lead - start) / sampling_rate


def shortened(audio: Waveform, sampling_rate: int, before: float, after: float) -> Waveform:
    """Cut seconds of silence off both ends, and fade the ends that are cut."""
    first, last = round(before * sampling_rate), len(audio) - round(after * sampling_rate)
    kept = np.array(audio[first:last], np.float32)
    for end, cut in ((kept, before), (kept[::-1], after)):
        if cut:
            _fade(end, sampling_rate)
    return kept


def narrowed(audio: Waveform, sampling_rate: int, spans: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    """Remove the silence at the ends of time spans, in seconds. Spans without loud blocks are unchanged."""
    step = _block(sampling_rate) / sampling_rate
    sound = np.flatnonzero(loud(audio, sampling_rate)) * step
    found = []
    for start, end in spans:
        inside = sound[np.searchsorted(sound, start - step, "right") : np.searchsorted(sound, end)]
        span = (max(start, float(inside[0])), min(end, float(inside[-1]) + step)) if len(inside) else (start, end)
        found.append(span)
    return found


def cut_after(audio: Waveform, sampling_rate: int, seconds: float, pause: float = 0.12) -> Waveform:
    """Cut off all sound after the first silence of `pause` seconds that follows the time `seconds`.

    Without such a silence, or without sound after it, nothing is cut, so that no ending is lost.
    """
    step = _block(sampling_rate)
    sound = np.flatnonzero(loud(audio, sampling_rate)) * step
    last = np.searchsorted(sound, seconds * sampling_rate)
    gaps = np.flatnonzero(np.diff(sound[max(0, last - 1) :]) > pause * sampling_rate + step)
    if not len(gaps) or not len(sound):
        return audio
    return audio[: int(sound[max(0, last - 1) + gaps[0]]) + step + round(pause * sampling_rate)]


def _block(sampling_rate: int) -> int:
    """Samples per block."""
    return max(1, round(_BLOCK_SECONDS * sampling_rate))


def _padded(audio: Waveform, before: int, after: int) -> Waveform:
    """The audio with zeros at its ends. `np.pad` takes several times as long for a short piece."""
    if not before and not after:
        return audio
    return np.concatenate([np.zeros(before, np.float32), audio, np.zeros(after, np.float32)])


def _levels(audio: Waveform, sampling_rate: int) -> Waveform:
    """The root mean square of each block, [M]; the last block is padded with zeros."""
    step = _block(sampling_rate)
    blocks = _padded(np.asarray(audio, np.float32), 0, -len(audio) % step).reshape(-1, step)
    energies = np.einsum("ij,ij->i", blocks, blocks)  # two to three times as fast as the mean of the squares
    return np.asarray(np.sqrt(energies / step), np.float32)


def _threshold(levels: Waveform) -> float:
    return max(_NOTHING, float(levels.max(initial=0.0)) * _QUIET)


def _onset(levels: Waveform) -> int:
    """The first block that is loud relative to the 0.3 s after the first certain sound, at most 0.3 s before it.

    Without a certain sound, the first block that is loud relative to all; without any, the number of blocks.
    """
    certain = np.flatnonzero(levels > _QUIET)
    first = int(certain[0]) if len(certain) else 0
    reference = levels[first : first + _SETTLED] if len(certain) else levels
    near = max(0, first - _SETTLED)
    sound = np.flatnonzero(levels[near:] > _threshold(reference))
    return near + int(sound[0]) if len(sound) else len(levels)


def _fade(audio: Waveform, sampling_rate: int, most: float = math.inf) -> None:
    """Fade in the first 5 ms, but at most `most` samples, in place."""
    samples = int(min(round(_FADE_SECONDS * sampling_rate), most, len(audio)))
    audio[:samples] *= _rising(samples)


@lru_cache(maxsize=8)
def _rising(samples: int) -> Waveform:
    return np.linspace(0, 1, samples, endpoint=False, dtype=np.float32)


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
