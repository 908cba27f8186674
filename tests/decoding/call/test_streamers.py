"""Streamers receive copies of rows, can stop generation, and are informed of errors."""

import pytest
import torch
from tiny import Rows

from dia.decoding.call.streamers import emit, finishing


class Listener(Rows):
    closed = False

    def fail(self, error):
        self.error = error


def test_streamers_receive_copies():
    streamer, row = Rows(), torch.zeros(1, 3)
    assert emit(streamer, row)
    row += 1
    assert streamer.taken[0].sum() == 0


def test_without_a_streamer_generation_continues():
    assert emit(None, torch.zeros(1, 3))


def test_a_closed_streamer_stops_generation():
    streamer = Listener()
    assert emit(streamer, torch.zeros(1, 3))
    streamer.closed = True
    assert not emit(streamer, torch.zeros(1, 3))


@pytest.mark.parametrize("streamer", [Listener(), Rows(), None])
def test_a_streamer_ends_after_an_error_and_receives_it_if_it_has_fail(streamer):
    with pytest.raises(RuntimeError, match="memory"), finishing(streamer):
        raise RuntimeError("memory")
    assert streamer is None or streamer.ended
    assert not isinstance(streamer, Listener) or str(streamer.error) == "memory"
