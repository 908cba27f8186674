"""How fast a job is expected to be: an assumed speed, or a short measurement with the model."""

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dia.model import Dia

_SAMPLE = "[S1] The rain had stopped, and the street was quiet again. [S2] We should go home before it gets dark."


@dataclass(frozen=True)
class Speed:
    """Seconds of speech per second of work.

    Attributes:
        rate: times real time, over all clips that are spoken side by side.
        origin: where the number comes from.
    """

    rate: float
    origin: str

    def hours(self, seconds: float) -> float:
        """The hours of work for so many seconds of speech."""
        return seconds / self.rate / 3600

    def line(self, seconds: float) -> str:
        """The estimate as a line of text."""
        return (
            f"about {self.hours(seconds):.2f} hours of work (estimate: {self.rate:.2f} times real time, {self.origin})"
        )


ASSUMED = Speed(1.0, "assumed, not measured")


def measured_speed(dia: "Dia") -> Speed:
    """Measure with short clips, one in each slot of the engine, after one that prepares the model.

    Args:
        dia: the model, with its codec.
    """
    from dia.decoding.engine import engine_of

    clips = engine_of(dia.model).load().slots
    dia.speak(_SAMPLE, seed=0)
    with ThreadPoolExecutor(clips, "dia.speed") as callers:
        started = time.perf_counter()
        takes = list(callers.map(lambda seed: dia.speak(_SAMPLE, seed=seed), range(clips)))
        taken = time.perf_counter() - started
    seconds = sum(take.seconds for take in takes)
    return Speed(max(seconds / taken, 1e-6), f"measured with {clips} clips at once, {seconds:.1f} s of speech")


__all__ = ["ASSUMED", "Speed", "measured_speed"]
