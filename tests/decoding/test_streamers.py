"""Rows leave the loop as copies; a streamer that nobody listens to wants no more, and is told what went wrong."""

import pytest
import torch
from tiny import Rows

from dia.decoding.streamers import emit, ended


class Listener(Rows):
    closed = False

    def fail(self, error):
        self.error = error


def test_what_is_handed_over_is_a_copy():
    streamer, row = Rows(), torch.zeros(1, 3)
    assert emit(streamer, row)
    row += 1
    assert streamer.taken[0].sum() == 0


def test_without_a_streamer_more_is_wanted():
    assert emit(None, torch.zeros(1, 3))


def test_who_is_closed_wants_no_more():
    streamer = Listener()
    assert emit(streamer, torch.zeros(1, 3))
    streamer.closed = True
    assert not emit(streamer, torch.zeros(1, 3))


@pytest.mark.parametrize("streamer", [Listener(), Rows(), None])
def test_a_streamer_is_ended_and_told_of_an_error_if_it_can_be(streamer):
    with pytest.raises(RuntimeError, match="memory"), ended(streamer):
        raise RuntimeError("memory")
    assert streamer is None or streamer.ended
    assert not isinstance(streamer, Listener) or str(streamer.error) == "memory"
