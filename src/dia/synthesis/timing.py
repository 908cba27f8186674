"""Place the pieces of subtitles at the times of their cues, and speed up those that would not fit."""

import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from dia.audio.dsp.silence import shortened
from dia.audio.dsp.time_stretch import FASTEST, stretched
from dia.audio.waveform import Waveform
from dia.runtime.warnings import DiaWarning
from dia.synthesis.pacing import paced_take, scaled
from dia.synthesis.parts.joining import PAUSE_EDGE_SECONDS, Piece
from dia.text.turns import CueTime

_TOLERANCE_SECONDS = 0.05  # a cue that ends later than this after its time is reported
_CALLER = 6  # stack frames up to the user's call, for most entry points


def timed_pieces(spoken: Iterable[Piece], rate: float, edge_seconds: float) -> Iterator[Piece]:
    """Pieces at the times of their cues, each with the silence before it.

    A cue is spoken at `rate`, or as much faster as it needs to end in time, up to `FASTEST`. If it does not end in
    time even so, the next one starts when it ends, and a warning names it.

        cue       |··········|    1    |·····|  2  |·|   3   |
        pieces    |    silence    1  |··silence··  2  2 |·  3  |      2 runs over, 3 starts late and is faster

    Args:
        spoken: the pieces, with their cues, at the natural pace and without pauses between cues.
        rate: the usual speed, 0.5 to 2.
        edge_seconds: the silence at both ends of each take.
    """
    placed, parts = 0, list[Piece]()  # samples so far, and the pieces of the current cue
    for piece in spoken:
        parts.append(piece)
        if piece.ends_cue:
            for timed in _timed_cue(parts, placed, rate, edge_seconds):
                placed += len(timed.audio)
                yield timed
            parts = []


def _timed_cue(parts: Sequence[Piece], placed: int, rate: float, edge_seconds: float) -> list[Piece]:
    """The pieces of one cue, of which the first follows `placed` samples."""
    cue, hertz = parts[0].cue, parts[0].sampling_rate
    assert cue is not None
    excess = max(0.0, edge_seconds - PAUSE_EDGE_SECONDS)
    sounds = _without_edges(parts, excess)
    natural = sum(map(len, sounds)) / hertz
    rate = _fitting_rate(cue, placed / hertz, natural, rate)
    start = max(placed, round((cue.start - PAUSE_EDGE_SECONDS / rate) * hertz))
    timed: list[Piece] = []
    for number, (piece, sound) in enumerate(zip(parts, sounds, strict=True)):
        audio = stretched(sound, rate, hertz)
        cut = piece.start + (0.0 if number else excess)  # where `sound` starts at the natural pace
        turns = tuple(scaled(turn.shifted(-cut), rate).shifted(start / hertz) for turn in piece.turns)
        silence = np.zeros(start - placed, np.float32)
        take = piece.take if rate == 1 else paced_take(piece.take, rate)
        timed.append(
            replace(piece, audio=np.concatenate([silence, audio]), start=placed / hertz, turns=turns, take=take)
        )
        placed = start = start + len(audio)
    _report(cue, placed / hertz - PAUSE_EDGE_SECONDS / rate, natural, rate)
    return timed


def _without_edges(parts: Sequence[Piece], excess: float) -> list[Waveform]:
    """The audio of the pieces of a cue, with little silence before the first and after the last one."""
    last = len(parts) - 1
    return [
        shortened(piece.audio, piece.sampling_rate, 0.0 if number else excess, excess if number == last else 0.0)
        for number, piece in enumerate(parts)
    ]


def _fitting_rate(cue: CueTime, position: float, natural: float, rate: float) -> float:
    """The speed at which speech of `natural` seconds ends in time if it starts at `position` or later."""
    if cue.end <= cue.start:
        return rate
    available = cue.end - max(cue.start, position)
    return min(FASTEST, max(rate, natural / available)) if available > 0 else FASTEST


def _report(cue: CueTime, end: float, natural: float, rate: float) -> None:
    """Warn about a cue that ends after its time, with a remedy."""
    late = end - cue.end
    if cue.end > cue.start and late > _TOLERANCE_SECONDS:
        warnings.warn(
            f"{cue}: its words take {natural / rate:.1f} s at {rate:g} times the speed, but its time is "
            f"{cue.end - cue.start:.1f} s, so it ends {late:.1f} s late. Shorten the words, or give it more time.",
            DiaWarning,
            stacklevel=_CALLER,
        )


__all__ = ["timed_pieces"]
