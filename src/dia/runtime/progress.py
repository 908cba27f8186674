"""A progress bar for generation, in frames and seconds of speech."""

from typing import Any

from torch import Tensor
from tqdm import tqdm
from transformers.generation.streamers import BaseStreamer


class Progress(BaseStreamer):
    """A streamer that draws a progress bar, without a total, on standard error if that is a terminal.

    Args:
        frame_rate: frames per second.
    """

    def __init__(self, frame_rate: float) -> None:
        self._bar: Any = None
        self._frame_rate = frame_rate

    def put(self, value: Tensor) -> None:
        """Count one row. The first call is the prompt's grid and starts the bar."""
        if self._bar is None:
            self._bar = tqdm(unit=" frames", desc="speaking", leave=False, disable=None)
            return
        self._bar.update()
        if self._bar.n % 16 == 0:
            self._bar.set_postfix_str(f"{self._bar.n / self._frame_rate:.1f} s of speech")

    def end(self) -> None:
        """Remove the bar."""
        if self._bar is not None:
            self._bar.close()


__all__ = ["Progress"]
