"""Clips on their way into a step: the ticket that its owner holds, and its prompt, which any thread may compute.

Also the errors of the engine that owners of tickets get.
"""

import threading
from collections.abc import Callable
from concurrent.futures import Future, wait

from torch import Tensor
from transformers.generation.streamers import BaseStreamer

from dia.decoding.step.prefill import SlotRequest, Start
from dia.runtime.forks import after_fork, lost_work


class EngineFull(RuntimeError):
    """More clips wait than the engine allows."""


class EngineClosed(RuntimeError):
    """The engine was closed before the clip was finished."""


class Ticket:
    """A clip that was submitted. Get its grid with `result`, or stop it with `cancel`; from any thread.

    Attributes:
        attention: once the clip has ended, what its rows attended to in the text, float32 [R - 1, layers · heads, S].
            None unless it was asked for, for a clip with a prompt, and where the step does not compute it.
    """

    def __init__(self, request: SlotRequest, streamer: BaseStreamer | None, with_attention: bool = False) -> None:
        self.request, self.streamer, self.with_attention = request, streamer, with_attention
        self.attention: Tensor | None = None
        self.future: Future[Tensor] = Future()
        self._cancelled = self._over = False
        after_fork(self, Ticket.abandon)
        self._withdraw: Callable[[Ticket], bool] | None = None  # takes a clip that waits out of the queue

    def cancel(self) -> None:
        """Stop the clip before its next row, or its wait for a slot. `result` returns the rows so far."""
        self._cancelled = True
        if self._withdraw is not None and self._withdraw(self):
            self.finish(self.request.prompt[0])

    @property
    def cancelled(self) -> bool:
        """Whether the clip should stop: `cancel` was called, or its streamer is closed."""
        return self._cancelled or bool(getattr(self.streamer, "closed", False))

    def result(self, timeout: float | None = None) -> Tensor:
        """Wait for the clip, and return its grid [R, C] on the CPU.

        Raises:
            TimeoutError: it is not finished within `timeout` seconds.
            Exception: the error that ended it.
        """
        return self.future.result(timeout)

    def wait(self, timeout: float | None = None) -> None:
        """Wait until the clip is finished, has failed or has stopped, for at most `timeout` seconds."""
        wait([self.future], timeout)

    def put(self, rows: Tensor) -> None:
        """Hand rows to the streamer."""
        if self.streamer is not None:
            self.streamer.put(rows)

    def finish(self, grid: Tensor) -> None:
        """End the clip with its grid."""
        try:
            if self.streamer is not None:
                self.streamer.end()
        except BaseException as error:  # the streamer's; its consumer gets it from `result`
            self.future.set_exception(error)
        else:
            self.future.set_result(grid)
        self._over = True

    def fail(self, error: BaseException) -> None:
        """End the clip with an error."""
        if self.streamer is not None:
            if hasattr(self.streamer, "fail"):
                self.streamer.fail(error)
            self.streamer.end()
        self.future.set_exception(error)
        self._over = True

    def abandon(self) -> None:
        """End the clip with an error in a forked process: the engine's thread is missing, and may have held locks."""
        if self._over:
            return
        self.future = Future()
        self.future.set_exception(lost_work())
        if self.streamer is not None and hasattr(self.streamer, "abandon"):
            self.streamer.abandon()


class Prefill:
    """The prompt of a clip, computed once, by the thread that asks first."""

    def __init__(self, ticket: Ticket) -> None:
        self.ticket = ticket
        self.done = threading.Event()
        self._taken = threading.Lock()  # never released
        self._begun: Start | None = None
        self._error: BaseException | None = None

    def compute(self) -> bool:
        """Compute the prompt, unless a thread has begun to, or the clip is cancelled.

        Returns:
            Whether it was left to this call.
        """
        if not self._taken.acquire(blocking=False):
            return False
        try:
            if not self.ticket.cancelled:
                self._begun = self.ticket.request.prefill()
        except BaseException as error:
            self._error = error
        self.done.set()
        return True

    def result(self) -> Start:
        """What was computed, or computes it after all. Raises the error of the computation."""
        if self._error is not None:
            raise self._error
        return self._begun or self.ticket.request.prefill()


__all__ = ["EngineClosed", "EngineFull", "Prefill", "Ticket"]
