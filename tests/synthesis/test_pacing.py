"""The speaking rate: a paced stream equals the stretched whole, and times of pieces are scaled with their audio."""

import numpy as np
import pytest
import torch
from talking import RATE, streamed, talking

from dia.audio.dsp.time_stretch import stretched, stretched_stream
from dia.synthesis.pacing import paced_pieces
from dia.synthesis.parts.joining import Piece
from dia.synthesis.takes.alignment import TurnTime, WordTime
from dia.synthesis.takes.take import Take


def piece(number: int, start: float) -> Piece:
    spoken = talking(1.0)
    word = WordTime("yes", 0.2, 0.6)
    turns = (TurnTime("S1", "yes", 0.2, 0.8, (word,)),)
    take = Take(spoken, RATE, 1, torch.zeros(4, 3, dtype=torch.long), True, 0.1, turns, (), ())
    later = tuple(turn.shifted(start) for turn in turns)
    return Piece(np.concatenate([spoken, np.zeros(RATE // 2, np.float32)]), RATE, start, later, take, number, 2)


@pytest.mark.parametrize("rate", [0.5, 1.0, 1.6])
def test_a_paced_stream_equals_the_stretched_whole(rate):
    spoken = talking(1.5)
    joined = np.concatenate(list(stretched_stream(streamed(spoken, 1000, []), rate, RATE)))
    np.testing.assert_allclose(joined, stretched(spoken, rate, RATE), atol=1e-6)


def test_closing_a_paced_stream_closes_its_source():
    closed: list[str] = []
    stream = stretched_stream(streamed(talking(1.5), 4000, closed), 1.5, RATE)
    next(stream)
    stream.close()
    assert closed == ["closed"]


@pytest.mark.parametrize("rate", [0.5, 1.0, 2.0])
def test_times_are_scaled_with_the_audio(rate):
    first, second = paced_pieces([piece(0, 0.0), piece(1, 1.5)], rate)
    for given, paced in ((piece(0, 0.0), first), (piece(1, 1.5), second)):
        assert len(paced.audio) == round(len(given.audio) / rate)
        assert paced.start == pytest.approx(given.start / rate)
        (turn,) = paced.turns
        assert (turn.start, turn.end) == pytest.approx((given.turns[0].start / rate, given.turns[0].end / rate))
        assert turn.words[0].end == pytest.approx(given.turns[0].words[0].end / rate)
        assert len(paced.take.audio) == round(RATE / rate)
        assert paced.take.turns[0].end == pytest.approx(0.8 / rate)


def test_rates_out_of_range_are_rejected():
    with pytest.raises(ValueError, match=r"use a number from 0\.5 to 2"):
        next(stretched_stream(streamed(talking(1.5), 1000, []), 3.0, RATE))
    with pytest.raises(ValueError, match=r"use a number from 0\.5 to 2"):
        next(paced_pieces([piece(0, 0.0)], 0.1))
