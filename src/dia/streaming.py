"""Streams audio during generation: `DiaAudioStreamer`.

    streamer = DiaAudioStreamer(processor)
    Thread(target=model.generate, kwargs={**inputs, "streamer": streamer}).start()
    for samples in streamer:
        play(samples)

A frame is complete once its last channel has been generated, max(delay_pattern) rows after its first channel. Its
audio is final once the codec has received all later frames in its receptive field:

    rows       |---- first window ----|-- context --|-- delay --|
    audio      |---- first chunk -----|---- second chunk, longer ---|-- …
"""

import math
from collections.abc import Callable, Iterator
from queue import Empty, Queue

import torch
from torch import Tensor
from transformers.generation.streamers import BaseStreamer

from dia.codec import dac as codec
from dia.decoding.delay import undelay
from dia.processing_dia import DiaProcessor
from dia.runtime.events import Flag
from dia.runtime.forks import after_fork, lost_work
from dia.runtime.limits import WAIT_SECONDS, WINDOW_FRAMES

_FIRST, _MOST = 0.1, 1.0  # seconds of audio in the first and in the largest window
_GROWTH = 1.5  # from one window to the next; playback never stalls if generation takes at most 2/3 of real time


class DiaAudioStreamer(BaseStreamer):
    """Collects the rows of one clip and decodes them in windows. Iterate over it to get audio, usually in a thread.

    The concatenated chunks, float32 tensors [N], equal the output of `DiaProcessor.decode` for the whole grid sample
    by sample. Errors of the generating thread are raised by the iteration. Leaving a `for` loop over the streamer
    early, in any way, closes it. `next(streamer)` returns a single chunk and does not close it.

    Args:
        processor: provides the codec and the delay pattern.
        first_frames: frames of the first window, by default 0.1 s; fewer frames lower the latency.
        most_frames: maximum frames of later windows, by default 1 s; more frames reduce the total work.
        timeout: seconds to wait for the next chunk; None waits indefinitely.
        decode_in: runs a task, in order with earlier ones, usually in another thread; by default rows are decoded
            where they are received.

    Attributes:
        cancel: an optional event or `Flag`; once it is set, `generate` stops at the next row.

    Raises:
        TypeError: a number has the wrong type.
        ValueError: the processor has no codec, or a number is out of range; from `put`, several clips are generated,
            or the streamer is used for a second call.
    """

    def __init__(
        self,
        processor: DiaProcessor,
        first_frames: int | None = None,
        most_frames: int | None = None,
        timeout: float | None = None,
        decode_in: Callable[[Callable[[], None]], None] | None = None,
    ) -> None:
        if processor.audio_tokenizer is None:
            raise ValueError("streaming needs a codec, but the processor has none; load it with its audio_tokenizer.")
        first = _frames(first_frames, _FIRST * processor.frame_rate, "first_frames")
        most = _frames(most_frames, max(_MOST * processor.frame_rate, first), "most_frames")
        if most < first:
            raise ValueError(f"most_frames={most} must be at least first_frames={first}.")
        self.timeout = checked_timeout(timeout)
        self.cancel: Flag | None = None
        self._samples = codec.ClipStream(processor.audio_tokenizer, processor.codec_dtype)
        self._pattern, self._eos = processor.delay_pattern, processor.eos_token_id
        self._window, self._most = float(first), float(most)
        self._decode_in = decode_in
        self._error: BaseException | None = None  # of the thread that decodes
        self._ahead = codec.decode_context(processor.audio_tokenizer)[1]  # frames of context after each frame
        self._rows: list[Tensor] = []  # rows [1, C] from frame `_read` on
        self._read = 0
        self._stop: int | None = None  # index of the first frame after the speech
        self._begun = self._over = self._closed = self._drained = False
        self._chunks: Queue[Tensor | BaseException | None] = Queue()

    @property
    def closed(self) -> bool:
        """Whether the streamer is closed or cancelled; `generate` then stops at the next row."""
        return self._closed or (self.cancel is not None and self.cancel.is_set())

    def put(self, value: Tensor) -> None:
        """Receive the prompt's grid [1, R, C], which is skipped, and then one row [1, C] per call."""
        if self._over:
            raise ValueError("this DiaAudioStreamer has finished; create a new one for every call.")
        if self._error is not None:
            raise self._error
        if value.shape[0] != 1:
            raise ValueError(f"DiaAudioStreamer supports one clip, but the batch has {value.shape[0]}.")
        if self._begun and not self._closed:
            self._take(value)
        if not self._begun:
            after_fork(self, DiaAudioStreamer.abandon)
        self._begun = True

    def fail(self, error: BaseException) -> None:
        """Make the iteration raise `error` after the chunks decoded so far."""
        if not self._over:
            self._over = True
            self._queue(None if self._closed else error)

    def abandon(self) -> None:
        """End with an error in a forked process: the threads for it are missing, and may have held the queue."""
        if self._over and self._decode_in is None:
            return  # all audio is in the queue
        self._over, self._chunks = True, Queue()
        self._chunks.put(lost_work())

    def end(self) -> None:
        """Decode the remaining rows and end the iteration, even after an error, so that no consumer waits forever."""
        if self._over:
            return
        try:
            if not self._closed and self._complete() > 0:
                self._decode(self._complete() - self._read, last=True)
        except BaseException as error:
            self.fail(error)
            raise
        self._over = True
        self._queue(None)

    def _queue(self, last: BaseException | None) -> None:
        """Queue the end of the iteration, behind what is still being decoded."""
        if self._decode_in is None:
            self._chunks.put(last)
        else:
            self._decode_in(lambda: self._chunks.put(last))

    def close(self) -> None:
        """Close the streamer from any thread. The iteration ends at once, the generation at its next row."""
        self._closed = True
        self._chunks.put(None)

    def __iter__(self) -> Iterator[Tensor]:
        try:
            while (chunk := next(self, None)) is not None:
                yield chunk
        finally:
            self.close()

    def __next__(self) -> Tensor:
        """The next chunk [N].

        Raises:
            TimeoutError: no chunk arrived within `timeout`.
            StopIteration: there are no more chunks.
        """
        if self._closed or self._drained:
            raise StopIteration
        try:
            chunk = self._chunks.get(timeout=self.timeout)
        except Empty:
            raise TimeoutError(f"no audio for {self.timeout} s; increase timeout, or check the generation.") from None
        if isinstance(chunk, Tensor):
            return chunk
        self._drained = True
        try:
            raise chunk or StopIteration
        finally:
            del chunk  # break the reference cycle between an error and its traceback

    def _take(self, row: Tensor) -> None:
        self._rows.append(row)
        # A list, because most other operations let another thread run, which costs more than they do.
        if self._stop is None and row.tolist()[0][0] == self._eos:
            self._stop = self._read + len(self._rows) - 1
        waiting = self._complete() - self._read
        if waiting >= int(self._window) + (0 if self._read else self._ahead):
            self._decode(waiting)
            self._window = min(self._window * _GROWTH, self._most)

    def _complete(self) -> int:
        """Number of frames whose channels are all available."""
        complete = self._read + len(self._rows) - max(self._pattern)
        return complete if self._stop is None else min(complete, self._stop)

    def _decode(self, frames: int, last: bool = False) -> None:
        """Pass the next frames to the codec, and queue the audio that is final."""
        grid = torch.cat(self._rows[: frames + max(self._pattern)])[None]
        codes = undelay(grid, self._pattern)[0]
        del self._rows[:frames]
        self._read += frames
        if self._decode_in is None:
            self._push(codes, last)
        else:
            self._decode_in(lambda: self._push_or_fail(codes, last))

    def _push(self, codes: Tensor, last: bool) -> None:
        chunk = self._samples.push(codes, last).cpu()
        if len(chunk):
            self._chunks.put(chunk)

    def _push_or_fail(self, codes: Tensor, last: bool) -> None:
        """Decode in another thread. An error goes to the consumer, and to the generating thread at its next row."""
        if self._closed or self._error is not None:
            return
        try:
            self._push(codes, last)
        except BaseException as error:
            self._error = error
            self._chunks.put(error)


def _frames(given: int | None, default: float, name: str) -> int:
    if given is None:
        return math.ceil(default)
    return int(WINDOW_FRAMES.check(name, given))


def checked_timeout(timeout: float | None) -> float | None:
    """Validate and return a timeout.

    Raises:
        TypeError, ValueError: it is not a valid number of seconds.
    """
    return None if timeout is None else WAIT_SECONDS.check("timeout", timeout)


__all__ = ["DiaAudioStreamer", "checked_timeout"]
