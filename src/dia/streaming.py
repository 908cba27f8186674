"""Sound while it is being generated: a streamer for `generate(streamer=…)`. Knows delays and the codec, not the model.

streamer = AudioStreamer(processor)
Thread(target=model.generate, kwargs={**inputs, "streamer": streamer}).start()
for samples in streamer:
    play(samples)
"""

from collections.abc import Iterator
from queue import Queue

import torch
from torch import Tensor
from transformers.generation.streamers import BaseStreamer

from dia import codec
from dia.delay import undelay
from dia.processing_dia import DiaProcessor


class AudioStreamer(BaseStreamer):
    """Collects the rows of one clip, decodes them chunk by chunk, and is iterated over, usually in another thread.

    The chunks joined are sample for sample what `DiaProcessor.decode` makes of the whole grid.

    Args:
        processor: has the codec and the delay pattern.
        chunk_frames: frames decoded at once; fewer mean less delay and more work.
        timeout: seconds to wait for the next chunk before `queue.Empty` is raised; None waits for ever.

    Raises:
        ValueError: the processor has no codec, `chunk_frames` is below 1, more than one clip is generated, or a second
            call is made with the same streamer.
    """

    def __init__(self, processor: DiaProcessor, chunk_frames: int = 24, timeout: float | None = None) -> None:
        if processor.audio_tokenizer is None:
            raise ValueError("the processor has no codec to make sound with; load it with its audio_tokenizer.")
        if chunk_frames < 1:
            raise ValueError(f"chunk_frames={chunk_frames} must be 1 or more.")
        self._samples = codec.ClipStream(processor.audio_tokenizer, processor.codec_dtype)
        self._pattern = processor.delay_pattern
        self._eos = processor.eos_token_id
        self._chunk = chunk_frames
        self._timeout = timeout
        self._after = codec.decode_context(processor.audio_tokenizer)[1]
        self._rows: list[Tensor] = []
        self._start = self._read = 0
        self._stop: int | None = None
        self._over = False
        self._chunks: Queue[Tensor | None] = Queue()

    def put(self, value: Tensor) -> None:
        """Take the prompt's grid [1, R, C] first, then one row [1, C] after another."""
        if self._over:
            raise ValueError("this AudioStreamer has played its clip; make one for every call.")
        if value.shape[0] != 1:
            raise ValueError(f"an AudioStreamer plays one clip; {value.shape[0]} are being generated.")
        if not self._rows:
            self._rows = list(value[0])
            self._start = self._read = len(self._rows)
            return
        self._rows.append(value[0])
        if self._stop is None and int(value[0, 0]) == self._eos:
            self._stop = len(self._rows) - 1
        waiting = self._ready() - self._read
        if waiting >= self._chunk + (self._after if self._read == self._start else 0):
            self._decode(waiting)

    def end(self) -> None:
        """Decode what is left and end the iteration, in any case: somebody waits for it."""
        try:
            if self._ready() > self._start:
                self._decode(self._ready() - self._read, last=True)
        finally:
            self._over = True
            self._chunks.put(None)

    def __iter__(self) -> Iterator[Tensor]:
        while (chunk := self._chunks.get(timeout=self._timeout)) is not None:
            yield chunk

    def _ready(self) -> int:
        """One past the last frame whose every channel is there."""
        complete = len(self._rows) - max(self._pattern)
        return complete if self._stop is None else min(complete, self._stop)

    def _decode(self, frames: int, last: bool = False) -> None:
        """Read the next frames; what they make certain is a chunk."""
        grid = torch.stack(self._rows[self._read : self._read + frames + max(self._pattern)])[None]
        chunk = self._samples.push(undelay(grid, self._pattern)[0], last).cpu()
        self._read += frames
        if len(chunk):
            self._chunks.put(chunk)


__all__ = ["AudioStreamer"]
