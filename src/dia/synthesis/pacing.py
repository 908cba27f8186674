"""Apply the timbre of a voice and the speaking rate to finished pieces, takes and their times."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np

from dia.audio.dsp.time_stretch import stretched
from dia.synthesis.parts.joining import Piece
from dia.synthesis.takes.alignment import TurnTime
from dia.synthesis.takes.take import Take
from dia.voices.timbre import Timbre


def matched_pieces(pieces: Iterable[Piece], timbre: Timbre) -> Iterator[Piece]:
    """Pieces and their takes with the timbre of a voice's recording."""
    for piece in pieces:
        audio, whole = timbre(piece.audio), piece.take.audio
        whole = audio if np.array_equal(piece.audio, whole) else timbre(whole)
        yield replace(piece, audio=audio, take=replace(piece.take, audio=whole))


def paced_pieces(pieces: Iterable[Piece], rate: float) -> Iterator[Piece]:
    """Pieces at `rate` times their speed; the times in the pieces and their takes are scaled to match.

    Raises:
        ValueError: the rate is out of range.
    """
    start = 0.0
    for piece in pieces:
        audio, turns = (
            stretched(piece.audio, rate, piece.sampling_rate),
            tuple(scaled(turn, rate) for turn in piece.turns),
        )
        yield replace(piece, audio=audio, start=start, turns=turns, take=paced_take(piece.take, rate))
        start += len(audio) / piece.sampling_rate


def paced_take(take: Take, rate: float) -> Take:
    """A take at `rate` times its speed."""
    return replace(
        take,
        audio=stretched(take.audio, rate, take.sampling_rate),
        start=take.start / rate,
        turns=tuple(scaled(turn, rate) for turn in take.turns),
    )


def scaled(turn: TurnTime, rate: float) -> TurnTime:
    """The times of a turn at `rate` times its speed."""
    words = tuple(replace(word, start=word.start / rate, end=word.end / rate) for word in turn.words)
    return replace(turn, start=turn.start / rate, end=turn.end / rate, words=words)


__all__ = ["matched_pieces", "paced_pieces", "paced_take", "scaled"]
