"""Takes one behind the other, each made ready to meet its neighbours, and all as one. Knows takes and silence."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from dia.passes import Audio
from dia.silence import trimmed
from dia.takes import Take
from dia.timing import TurnTime

_AT_PAUSE = 0.02  # seconds left of a take's own silence where digital silence is asked for


@dataclass(frozen=True, eq=False)
class Piece:
    """A part as it was spoken; the audio of all, one behind the other, is the whole.

    Attributes:
        audio: float32 [N], the pause behind it included.
        sampling_rate: Hz.
        start: seconds of audio before it.
        turns: when each turn and word is heard, in seconds of the whole.
        take: the take it was made of, with what is wrong with it.
        number: of the part, from 0.
        parts: how many there are.
    """

    audio: Audio
    sampling_rate: int
    start: float
    turns: tuple[TurnTime, ...]
    take: Take
    number: int
    parts: int


def pieces(takes: Iterable[Take], pauses: Sequence[float], edge_seconds: float) -> Iterator[Piece]:
    """Takes made ready to be joined: silence meets silence, and a pause is digital silence of exactly its length."""
    samples, before = 0, 0.0
    for number, (take, pause) in enumerate(zip(takes, pauses, strict=True)):
        rate, start = take.sampling_rate, samples / take.sampling_rate
        audio, later = take.audio, 0.0
        if before or pause:
            edges = (min(edge_seconds, _AT_PAUSE if beside else edge_seconds) for beside in (before, pause))
            audio, later = trimmed(audio, rate, *edges)
        audio = np.concatenate([audio, np.zeros(round(pause * rate), np.float32)])
        turns = tuple(turn.shifted(start + later) for turn in take.turns)
        yield Piece(audio, rate, start, turns, take, number, len(pauses))
        samples, before = samples + len(audio), pause


def as_one(spoken: Iterable[Piece]) -> Take:
    """All pieces as one take: what was heard and said of them, one after the other.

    Its seed is the first one's; its codes are those of every part, silence between them and all.
    """
    parts = list(spoken)
    takes = [part.take for part in parts]
    if len(parts) == 1 and np.array_equal(parts[0].audio, takes[0].audio):
        return takes[0]
    return Take(
        audio=np.concatenate([part.audio for part in parts]),
        sampling_rate=parts[0].sampling_rate,
        seed=takes[0].seed,
        codes=torch.cat([take.codes for take in takes]),
        ended=all(take.ended for take in takes),
        start=takes[0].start,
        turns=tuple(turn for part in parts for turn in part.turns),
        warnings=tuple(
            f"part {part.number + 1} of {part.parts} {told}" for part in parts for told in part.take.warnings
        ),
        attempts=tuple(attempt for take in takes for attempt in take.attempts),
    )


__all__ = ["Piece", "as_one", "pieces"]
