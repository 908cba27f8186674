"""Plain values: what one pass is to say, how much care is taken, and what came of it."""

from dataclasses import dataclass

from torch import Tensor

from dia.audio.silence import EDGE_SECONDS
from dia.audio.waveform import Waveform
from dia.runtime.limits import BEST_OF, EDGE_RANGE, RETRIES
from dia.runtime.ranges import check_numbers
from dia.synthesis.takes.alignment import TurnTime
from dia.synthesis.takes.recognition import Recogniser
from dia.text.script import Script


@dataclass(frozen=True, eq=False)
class Line:
    """What one pass is to say.

    Attributes:
        text: the new text, with its speakers' tags.
        prompt: int64 codes [T, C] of what was said before it, or None.
        transcript: what is said in the prompt, with its tags.
        script: what the text is of, so that times are of what its author wrote; None where that is not known.
    """

    text: str
    prompt: Tensor | None = None
    transcript: str = ""
    script: Script | None = None


@dataclass(frozen=True)
class TakeOptions:
    """How much trouble is taken over a take.

    Attributes:
        retries: how often a take is made again while something is wrong with it, each time with the next seeds.
        best_of: how many takes are made at once, with one seed after another; the best is kept.
        edge_seconds: the silence that is left at either end.
        recogniser: given a waveform [N] and its rate in Hz it answers what it hears; the take in which it hears most
            of the text is the best.

    Raises:
        TypeError, ValueError: one of them is unusable; the message names it.
    """

    retries: int = 0
    best_of: int = 1
    edge_seconds: float = EDGE_SECONDS
    recogniser: Recogniser | None = None

    def __post_init__(self) -> None:
        check_numbers({"retries": RETRIES, "best_of": BEST_OF, "edge_seconds": EDGE_RANGE}, vars(self))
        if self.recogniser is not None and not callable(self.recogniser):
            raise TypeError(f"recogniser is {self.recogniser!r}; expected a function of a waveform and its rate.")


@dataclass(frozen=True)
class Attempt:
    """A pass that was made: its seed, what is wrong with it, and its score, of which more is better."""

    seed: int
    faults: tuple[str, ...]
    score: float


@dataclass(frozen=True, eq=False)
class Take:
    """A pass that was chosen.

    Attributes:
        audio: float32 [N], ±1, with a set length of silence at both ends.
        sampling_rate: Hz.
        seed: gives this take again, alone or among others.
        codes: int64 [T, C], everything that the model spoke, silence included.
        ended: the model ended by itself.
        start: where in the sound of `codes` the audio begins, in seconds; negative where silence was put before it.
        turns: when each turn and word is heard in `audio`.
        warnings: what is wrong with it; empty for a good take.
        remarks: what is doubtful about the script or the recording, whatever the take.
        attempts: every pass that was made, in order; this take is one of them.
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
        """How long the audio is."""
        return len(self.audio) / self.sampling_rate


__all__ = ["Attempt", "Line", "Take", "TakeOptions"]
