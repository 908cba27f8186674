"""Join takes with pauses between them, as pieces or as a single take."""

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from dia.audio.dsp.silence import shortened
from dia.audio.dsp.time_stretch import stretched_stream
from dia.audio.waveform import Waveform
from dia.synthesis.takes.alignment import TurnTime
from dia.synthesis.takes.take import Take
from dia.text.turns import CueTime
from dia.voices.timbre import Timbre

PAUSE_EDGE_SECONDS = 0.02  # of a take's own silence that remain next to a pause of digital silence


@dataclass(frozen=True, eq=False)
class Piece:
    """The audio of a part. Concatenated, the pieces are the whole speech.

    Attributes:
        audio: float32 [N], including the pause after it, or with `keep_timing` the silence before it.
        sampling_rate: Hz.
        start: start of the piece within the whole speech, in seconds.
        turns: the times of each turn and word within the whole speech, in seconds.
        take: the take, with its faults.
        number: number of the part, from 0.
        parts: number of parts.
        cue: when the part is to be spoken, if that is given.
        ends_cue: whether it is the last part of its cue.
    """

    audio: Waveform
    sampling_rate: int
    start: float
    turns: tuple[TurnTime, ...]
    take: Take
    number: int
    parts: int
    cue: CueTime | None = None
    ends_cue: bool = True


def pieces(takes: Iterable[Take], pauses: Sequence[float], edge_seconds: float) -> Iterator[Piece]:
    """Takes as pieces: their edges are trimmed, and each pause is digital silence of exactly its length."""
    joiner = _Joiner(len(pauses), edge_seconds)
    for take, pause in zip(takes, pauses, strict=True):
        yield joiner.piece(take, pause)


class _Joiner:
    """Makes pieces of consecutive takes. Knows the length of the speech so far and the pause before the next take."""

    def __init__(self, parts: int, edge_seconds: float) -> None:
        self._parts, self._edge_seconds = parts, edge_seconds
        self._samples, self._before, self._number = 0, 0.0, 0

    def piece(self, take: Take, pause: float) -> Piece:
        """The piece of the next take and of the pause after it."""
        start, edge = self._samples / take.sampling_rate, self._edge_seconds
        audio = _trimmed_take(take, self._before, pause, edge)
        turns = tuple(turn.shifted(start - _excess_silence(self._before, edge)) for turn in take.turns)
        made = Piece(audio, take.sampling_rate, start, turns, take, self._number, self._parts)
        self._samples, self._before, self._number = self._samples + len(audio), pause, self._number + 1
        return made

    def stream(
        self,
        take: Generator[Waveform, None, Take],
        pause: float,
        sampling_rate: int,
        on_piece: Callable[[Piece], object] | None,
    ) -> Generator[Waveform, None, None]:
        """The audio of the piece of the next take while it is generated, and of the pause after it."""
        audio, yielded = np.zeros(0, np.float32), 0
        while True:
            try:
                audio = np.concatenate([audio, next(take)])
            except StopIteration as ended:
                piece = self.piece(ended.value, pause)
                break
            known = shortened(audio, sampling_rate, _excess_silence(self._before, self._edge_seconds), 0.0)
            if len(known) > yielded:
                yield known[yielded:]
                yielded = len(known)
        if on_piece is not None:
            on_piece(piece)
        speech = len(piece.audio) - round(pause * sampling_rate)
        yield piece.audio[min(yielded, speech) :]  # the pause is complete even if too much was yielded before


def stream_joined(
    takes: Iterable[Generator[Waveform, None, Take]],
    pauses: Sequence[float],
    edge_seconds: float,
    sampling_rate: int,
    on_piece: Callable[[Piece], object] | None = None,
    rate: float | None = None,
    timbre: Timbre | None = None,
) -> Generator[Waveform, None, None]:
    """The audio of `pieces`, from takes that are streamed as by `stream_take`, each piece at `rate` times its speed.

    Each piece has its timbre changed by `timbre`. `on_piece` receives it as the model speaks it, with its times at the
    natural pace, before the last of its audio is yielded.
    """
    joiner = _Joiner(len(pauses), edge_seconds)
    for take, pause in zip(takes, pauses, strict=True):
        audio = joiner.stream(take, pause, sampling_rate, on_piece)
        audio = audio if timbre is None else timbre.stream(audio)
        yield from stretched_stream(audio, rate or 1.0, sampling_rate)


def _trimmed_take(take: Take, before: float, pause: float, edge_seconds: float) -> Waveform:
    """A take's audio, trimmed next to the pauses around it, and the pause after it."""
    excess = _excess_silence(before, edge_seconds), _excess_silence(pause, edge_seconds)
    audio = shortened(take.audio, take.sampling_rate, *excess)
    return np.concatenate([audio, np.zeros(round(pause * take.sampling_rate), np.float32)])


def _excess_silence(pause: float, edge_seconds: float) -> float:
    """Seconds of a take's own silence to remove next to a pause."""
    return max(0.0, edge_seconds - PAUSE_EDGE_SECONDS) if pause else 0.0


def join_pieces(spoken: Iterable[Piece]) -> Take:
    """All pieces as one take, with their audio, codes, turns and faults concatenated.

    The seed is that of the first piece; the codes include the silence between parts.
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


__all__ = ["PAUSE_EDGE_SECONDS", "Piece", "join_pieces", "pieces", "stream_joined"]
