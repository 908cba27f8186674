"""What can be wrong with a take. Knows waveforms, codes, and texts; knows nothing of the model.

Every check answers with a sentence that says what is wrong and by how much, or with nothing.
"""

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from dia.audio.silence import loud
from dia.audio.waveform import Waveform
from dia.runtime.warnings import DiaWarning
from dia.text.script import estimated_seconds

# People take 0.5 to 2 times as long as is expected of a text: between an auctioneer and a dictation. A second is left
# to either side, for a short text is said at any speed, and a sigh may take its time.
SHORTEST, LONGEST, LEEWAY = 0.45, 2.2, 1.0
STUCK_SECONDS = 1.0  # no sound of speech, and hardly a pause within it, goes on for so long without any change
CLIPPED_SHARE = 1e-3  # a thousandth of all samples at full scale is heard as crackling
FULL_SCALE = 0.999
HEARD_SHARE = 0.2  # of the moments of 10 ms: pauses take less than half of even a hesitant speaker's time
PAUSE_SECONDS = 2.5
_CALLER = 4  # frames up from `warn_of` to who uses the facade, in most ways to speak


@dataclass(frozen=True)
class Performance:
    """Everything that the checks look at.

    Attributes:
        text: what was to be said, without what a prompt says.
        audio: [N], silence at the ends included; None where there is no codec.
        sampling_rate: Hz.
        codes: int64 [T, C].
        frame_rate: frames per second.
        ended: the model ended by itself.
        unread: the words at the end of the text that no frame came to.
    """

    text: str
    audio: Waveform | None
    sampling_rate: int
    codes: Tensor
    frame_rate: float
    ended: bool
    unread: str = ""


def faults(performance: Performance) -> tuple[str, ...]:
    """Everything that is wrong with a take; empty for a good one."""
    if not len(performance.codes):
        return ("says nothing",)
    return tuple(_found(performance))


def _found(performance: Performance) -> Iterator[str]:
    seconds = len(performance.codes) / performance.frame_rate
    if not performance.ended:
        yield f"did not end by itself within {seconds:.1f} s"
    expected = estimated_seconds(performance.text)
    if seconds > longest_plausible(performance.text):
        yield f"lasts {seconds:.1f} s, too long for a text of about {expected:.1f} s"
    if seconds < shortest_plausible(performance.text):
        yield f"lasts {seconds:.1f} s, too short for a text of about {expected:.1f} s"
    if performance.audio is not None:
        yield from _heard(performance.audio, performance.sampling_rate)
    if (stuck := stuck_seconds(performance.codes, performance.frame_rate)) > STUCK_SECONDS:
        yield f"is stuck on one sound for {stuck:.1f} s"
    if performance.unread:
        yield f"ends before the words {performance.unread!r}"


def _heard(audio: Waveform, sampling_rate: int) -> Iterator[str]:
    heard = loud(audio, sampling_rate)
    if not heard.any():
        yield "is silent"
    elif heard.mean() < HEARD_SHARE:
        yield f"is silent for {1 - heard.mean():.0%} of its time"
    elif (pause := longest_run(~heard[heard.argmax() : len(heard) - heard[::-1].argmax()]) / 100) > PAUSE_SECONDS:
        yield f"pauses for {pause:.1f} s"
    if (clipped := float(np.mean(np.abs(audio) >= FULL_SCALE))) > CLIPPED_SHARE:
        yield f"is clipped in {clipped:.1%} of its samples"


def warn_of(faults: Sequence[str], seed: int, number: int = 0, parts: int = 1) -> None:
    """Warn of what is wrong with a take, if anything is, and say what can be done about it."""
    if faults:
        part = f"part {number + 1} of {parts}" if parts > 1 else "the speech"
        found = "; ".join(faults)
        warnings.warn(f"{part} (seed {seed}) {found}. Try another seed, or retries=2.", DiaWarning, stacklevel=_CALLER)


def longest_plausible(text: str) -> float:
    """More seconds than a speaker takes for a text."""
    return LONGEST * estimated_seconds(text) + LEEWAY


def shortest_plausible(text: str) -> float:
    """Fewer seconds than a speaker takes for a text; below 0 for a short one, which may be said at any speed."""
    return SHORTEST * estimated_seconds(text) - LEEWAY


def stuck_seconds(codes: Tensor, frame_rate: float) -> float:
    """How long the first codebook, which says most, stays on one code, in seconds; codes: [T, C]."""
    same = (codes[1:, 0] == codes[:-1, 0]).numpy()
    return (1 + longest_run(same)) / frame_rate


def longest_run(flags: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> int:
    """The longest run of true values."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    return int((edges[1::2] - edges[::2]).max(initial=0))


__all__ = [
    "Performance",
    "faults",
    "longest_plausible",
    "longest_run",
    "shortest_plausible",
    "stuck_seconds",
    "warn_of",
]
