"""Takes one behind the other, each made ready to meet its neighbours, and all as one. Knows takes and silence."""

from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from dia.audio.silence import shortened
from dia.audio.waveform import Waveform
from dia.synthesis.takes.alignment import TurnTime
from dia.synthesis.takes.take import Take

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

    audio: Waveform
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
        audio = _between(take, before, pause, edge_seconds)
        turns = tuple(turn.shifted(start - _cut(before, edge_seconds)) for turn in take.turns)
        yield Piece(audio, rate, start, turns, take, number, len(pauses))
        samples, before = samples + len(audio), pause


def stream_joined(
    takes: Iterable[Generator[Waveform, None, Take]], pauses: Sequence[float], edge_seconds: float, sampling_rate: int
) -> Generator[Waveform, None, None]:
    """The audio of `pieces`, of takes that are heard while they are made, as `stream_take` makes them."""
    before = 0.0
    for take, pause in zip(takes, pauses, strict=True):
        audio, given = np.zeros(0, np.float32), 0
        while True:
            try:
                audio = np.concatenate([audio, next(take)])
            except StopIteration as ended:
                yield _between(ended.value, before, pause, edge_seconds, given)
                break
            known = shortened(audio, sampling_rate, _cut(before, edge_seconds), 0.0)
            if len(known) > given:
                yield known[given:]
                given = len(known)
        before = pause


def _between(take: Take, before: float, pause: float, edge_seconds: float, given: int = 0) -> Waveform:
    """A take's audio between pauses of so many seconds, without what was given already, and the pause behind it."""
    audio = shortened(take.audio, take.sampling_rate, _cut(before, edge_seconds), _cut(pause, edge_seconds))
    return np.concatenate([audio[given:], np.zeros(round(pause * take.sampling_rate), np.float32)])


def _cut(pause: float, edge_seconds: float) -> float:
    """How much of a take's own silence is left out beside a pause, in seconds."""
    return max(0.0, edge_seconds - _AT_PAUSE) if pause else 0.0


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
            f"part {part.number + 1} of {part.parts} {fault}" for part in parts for fault in part.take.warnings
        ),
        attempts=tuple(attempt for take in takes for attempt in take.attempts),
        remarks=takes[0].remarks,
    )


__all__ = ["Piece", "as_one", "pieces", "stream_joined"]
