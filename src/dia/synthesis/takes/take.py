"""The values of a single pass: its line, its options and the resulting take."""

from dataclasses import dataclass, replace
from threading import Lock

from torch import Tensor

from dia.audio.dsp.silence import EDGE_SECONDS
from dia.audio.waveform import Waveform
from dia.runtime.limits import BEST_OF, EDGE_RANGE, PARTS_AT_ONCE, RETRIES
from dia.runtime.ranges import check_fields
from dia.synthesis.takes.alignment import TurnTime
from dia.synthesis.takes.recognition import Recognizer
from dia.text.script import Script


@dataclass(frozen=True, eq=False)
class Line:
    """The input of a single pass.

    Attributes:
        text: the new text, with speaker tags.
        prompt: int64 codes [T, C] that precede it, or None.
        transcript: the transcript of the prompt, with speaker tags.
        script: the script that the text comes from, so that times refer to the words as written; None if unknown.
    """

    text: str
    prompt: Tensor | None = None
    transcript: str = ""
    script: Script | None = None


@dataclass(frozen=True)
class TakeOptions:
    """Options for a take.

    Attributes:
        retries: maximum number of new attempts while a take has faults, each with the next seeds.
        best_of: number of takes to generate in one batch, with consecutive seeds; the best one is kept.
        edge_seconds: length of the silence at each end, in seconds.
        recognizer: a function that takes a waveform [N] and its rate in Hz and returns a transcript; takes are ranked
            by word accuracy.
        parts_at_once: takes of a long script to generate side by side, if its parts do not depend on one another. Each
            holds its audio until those before it are finished. The takes are the same for every number.

    Raises:
        TypeError, ValueError: an option is invalid; the message names it.
    """

    retries: int = 0
    best_of: int = 1
    edge_seconds: float = EDGE_SECONDS
    recognizer: Recognizer | None = None
    parts_at_once: int = 8

    def __post_init__(self) -> None:
        ranges = {"retries": RETRIES, "best_of": BEST_OF, "edge_seconds": EDGE_RANGE, "parts_at_once": PARTS_AT_ONCE}
        check_fields(ranges, self)
        if self.recognizer is not None and not callable(self.recognizer):
            raise TypeError(
                f"recognizer is {self.recognizer!r}; expected a function that takes a waveform and its rate."
            )

    def in_threads(self) -> "TakeOptions":
        """The same options, whose recognizer is called by one thread at a time."""
        recognizer, lock = self.recognizer, Lock()
        if recognizer is None:
            return self

        def alone(waveform: Waveform, sampling_rate: int) -> str:
            with lock:
                return recognizer(waveform, sampling_rate)

        return replace(self, recognizer=alone)


@dataclass(frozen=True)
class Attempt:
    """A pass that was run: its seed, its faults, and its score, where higher is better."""

    seed: int
    faults: tuple[str, ...]
    score: float


@dataclass(frozen=True, eq=False)
class Take:
    """The selected pass.

    Attributes:
        audio: float32 [N] within ±1, with a fixed length of silence at both ends.
        sampling_rate: Hz.
        seed: the seed that reproduces this take, alone or in a batch.
        codes: int64 [T, C], all generated codes, including silence.
        ended: whether the model ended by itself.
        start: start of `audio` relative to the decoded `codes`, in seconds; negative if silence was added in front.
        turns: the times of each turn and word in `audio`.
        warnings: the faults; empty for a good take.
        remarks: problems with the script or the recording, independent of the take.
        attempts: all passes that were run, in order; this take is one of them.
    """

    audio: Waveform
    sampling_rate: int
    seed: int
    codes: Tensor
    ended: bool
    start: float
    turns: tuple[TurnTime, ...]
    warnings: tuple[str, ...]
    attempts: tuple[Attempt, ...]
    remarks: tuple[str, ...] = ()

    @property
    def seconds(self) -> float:
        """The duration of the audio."""
        return len(self.audio) / self.sampling_rate


__all__ = ["Attempt", "Line", "Take", "TakeOptions"]
