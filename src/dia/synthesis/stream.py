"""One pass, heard while it is generated in a thread. Knows the pass and the streamer, no longer scripts."""

from collections.abc import Callable, Generator, Mapping
from functools import partial
from threading import Thread
from typing import Any
from weakref import finalize

from torch import Tensor

from dia.audio.waveform import Waveform
from dia.runtime.threads import join, start
from dia.streaming import DiaAudioStreamer
from dia.synthesis.synthesizer import Spoken, Synthesizer

_NOTHING: Mapping[str, Any] = {}


def stream(
    synthesizer: Synthesizer,
    text: str,
    prompt: Tensor | None = None,
    seed: int | None = None,
    settings: Mapping[str, Any] = _NOTHING,
    timeout: float | None = None,
) -> Generator[Waveform, None, Spoken]:
    """Speak one script, heard while it is generated in a thread of its own.

    The work begins with the first `next`. Closing the generator, dropping it, or an exception of whoever iterates
    ends the work at the next row, and waits for that.

    Args:
        synthesizer: what speaks.
        text: the script; where there is a prompt, what is said in it stands before what is new.
        prompt: int64 codes [T, C] to go on with.
        seed: makes the result repeatable.
        settings: keywords of transformers' `generate`.
        timeout: seconds to wait for the next chunk; None waits for ever.

    Yields:
        Samples [N], float32; joined they are `synthesizer.sound` of what is returned.

    Returns:
        What was spoken, for who iterates by `yield from`.

    Raises:
        ValueError: at once, where there is no codec or `timeout` is out of range.
        TimeoutError: from the generator, when a chunk did not come in time.
        Exception: from the generator, whatever is raised while generating.
    """
    streamer = DiaAudioStreamer(synthesizer.processor, timeout=timeout)
    streamer.cancel = synthesizer.cancel
    return _streamed(partial(synthesizer, [text], [prompt], [seed], settings, streamer), streamer)


def _streamed(work: Callable[[], list[Spoken]], streamer: DiaAudioStreamer) -> Generator[Waveform, None, Spoken]:
    spoken: list[Spoken] = []

    def speak() -> None:
        try:
            spoken.extend(work())
        except BaseException as error:  # it is raised where somebody listens
            streamer.fail(error)
        streamer.end()

    thread = start(speak, "dia.stream")
    # At exit, too: a thread that computes while the interpreter shuts down can crash it.
    stop = finalize(streamer, _stop, streamer, thread)
    try:
        for chunk in streamer:
            yield chunk.numpy()
        thread.join()
    finally:
        stop()
    return spoken[0]


def _stop(streamer: DiaAudioStreamer, thread: Thread) -> None:
    streamer.close()
    join(thread, streamer.timeout)


__all__ = ["stream"]
