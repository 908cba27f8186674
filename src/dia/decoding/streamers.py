"""How rows leave the loop. Knows streamers, transformers' and those that say more, and nothing of what they make.

Beside transformers' `put` and `end` a streamer may have `closed`, true once nobody listens any more, and
`fail(error)`, which gets the error before `end`.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor
from transformers.generation.streamers import BaseStreamer


@contextmanager
def ended(streamer: BaseStreamer | None) -> Iterator[None]:
    """Ends the streamer also when generation fails: somebody may wait for it in another thread."""
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
    """Give the prompt's rows [B, R, C] or the next row [B, C] to the streamer, if there is one.

    The streamer may keep what it is given. Without one nothing is read from the device.

    Returns:
        Whether anybody wants more.
    """
    if streamer is None:
        return True
    streamer.put(rows.to("cpu", copy=True))
    return not getattr(streamer, "closed", False)


__all__ = ["emit", "ended"]
