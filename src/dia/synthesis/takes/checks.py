"""Check a take for faults. Independent of the model.

Each check yields a phrase that states the fault and its extent, or nothing.
"""

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from dia.audio.dsp.silence import loud
from dia.audio.waveform import Waveform
from dia.runtime.warnings import DiaWarning
from dia.text.script import estimated_seconds

# Between an auctioneer and a dictation, people take 0.5 to 2 times the estimated duration of a text. A second of
# tolerance allows for short texts, which are spoken at any speed, and for slow sounds such as sighs.
MIN_RATIO, MAX_RATIO, TOLERANCE_SECONDS = 0.45, 2.2, 1.0
STUCK_SECONDS = 1.0  # no speech sound, and hardly any pause, lasts this long unchanged
CLIPPED_SHARE = 1e-3  # one sample in a thousand at full scale is audible as crackling
FULL_SCALE = 0.999
MIN_SOUND_SHARE = 0.2  # of the 10 ms blocks; even a hesitant speaker pauses for less than half of the time
PAUSE_SECONDS = 2.5
_CALLER = 4  # stack frames from `warn_about` up to the user's call, for most entry points


@dataclass(frozen=True)
class CheckInput:
    """The data that the checks use.

    Attributes:
        text: the text to be spoken, without the prompt's transcript.
        audio: [N], including silence at the ends; None if there is no codec.
        sampling_rate: Hz.
        codes: int64 [T, C].
        frame_rate: frames per second.
        ended: whether the model ended by itself.
        missing_words: the words at the end of the text that no frame reaches.
    """

    text: str
    audio: Waveform | None
    sampling_rate: int
    codes: Tensor
    frame_rate: float
    ended: bool
    missing_words: str = ""


def faults(take: CheckInput) -> tuple[str, ...]:
    """All faults of a take; empty for a good one."""
    if not len(take.codes):
        return ("is empty",)
    return tuple(_find_faults(take))


def _find_faults(take: CheckInput) -> Iterator[str]:
    seconds = len(take.codes) / take.frame_rate
    if not take.ended:
        yield f"did not end by itself within {seconds:.1f} s"
    expected = estimated_seconds(take.text)
    if seconds > max_plausible_seconds(take.text):
        yield f"lasts {seconds:.1f} s, too long for a text of about {expected:.1f} s"
    if seconds < min_plausible_seconds(take.text):
        yield f"lasts {seconds:.1f} s, too short for a text of about {expected:.1f} s"
    if take.audio is not None:
        yield from _audio_faults(take.audio, take.sampling_rate)
    if (stuck := stuck_seconds(take.codes, take.frame_rate)) > STUCK_SECONDS:
        yield f"is stuck on one sound for {stuck:.1f} s"
    if take.missing_words:
        yield f"ends before the words {take.missing_words!r}"


def _audio_faults(audio: Waveform, sampling_rate: int) -> Iterator[str]:
    sound = loud(audio, sampling_rate)
    if not sound.any():
        yield "is silent"
    elif sound.mean() < MIN_SOUND_SHARE:
        yield f"is silent for {1 - sound.mean():.0%} of its duration"
    elif (pause := longest_run(~sound[sound.argmax() : len(sound) - sound[::-1].argmax()]) / 100) > PAUSE_SECONDS:
        yield f"has a pause of {pause:.1f} s"
    if (clipped := float(np.mean(np.abs(audio) >= FULL_SCALE))) > CLIPPED_SHARE:
        yield f"is clipped in {clipped:.1%} of its samples"


def warn_about(faults: Sequence[str], seed: int, number: int = 0, parts: int = 1) -> None:
    """Warn about the faults of a take, if it has any, with a remedy."""
    if faults:
        part = f"part {number + 1} of {parts}" if parts > 1 else "the speech"
        found = "; ".join(faults)
        warnings.warn(f"{part} (seed {seed}) {found}. Try another seed or retries=2.", DiaWarning, stacklevel=_CALLER)


def max_plausible_seconds(text: str) -> float:
    """An upper bound on the time a speaker takes for a text."""
    return MAX_RATIO * estimated_seconds(text) + TOLERANCE_SECONDS


def min_plausible_seconds(text: str) -> float:
    """A lower bound on the time a speaker takes for a text; negative for short texts, as these vary in speed."""
    return MIN_RATIO * estimated_seconds(text) - TOLERANCE_SECONDS


def stuck_seconds(codes: Tensor, frame_rate: float) -> float:
    """The longest time in seconds without change in the first, most important codebook; codes: [T, C]."""
    same = (codes[1:, 0] == codes[:-1, 0]).numpy()
    return (1 + longest_run(same)) / frame_rate


def longest_run(flags: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> int:
    """The longest run of true values."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    return int((edges[1::2] - edges[::2]).max(initial=0))


__all__ = [
    "CheckInput",
    "faults",
    "longest_run",
    "max_plausible_seconds",
    "min_plausible_seconds",
    "stuck_seconds",
    "warn_about",
]
