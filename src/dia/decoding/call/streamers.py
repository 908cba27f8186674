"""Sends rows to streamers. Independent of what a streamer does with them.

In addition to transformers' `put` and `end`, a streamer may have an attribute `closed`, which stops generation when it
is true, and a method `fail(error)`, which is called before `end` if generation fails.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor
from transformers.generation.streamers import BaseStreamer


@contextmanager
def finishing(streamer: BaseStreamer | None) -> Iterator[None]:
    """Call the streamer's `end` on exit, also after an error, because another thread may be waiting for it."""
    try:
        yield
    except BaseException as error:
        if streamer is not None and hasattr(streamer, "fail"):
            streamer.fail(error)
        raise
    finally:
        if streamer is not None:
            streamer.end()


def emit(streamer: BaseStreamer | None, rows: Tensor) -> bool:
    """Send the prompt's rows [B, R, C] or the next row [B, C] to the streamer, if there is one.

    The streamer gets a copy on the CPU. Without a streamer, nothing is copied.

    Returns:
        False if the streamer is closed.
    """
    if streamer is None:
        return True
    streamer.put(rows.to("cpu", copy=True))
    return not getattr(streamer, "closed", False)


__all__ = ["emit", "finishing"]
