"""Answers over HTTP: errors, audio as it comes, events, and JSON that takes long. They stop when the client leaves."""

import asyncio
import base64
import json
import logging
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from starlette.responses import JSONResponse, Response
from starlette.types import Message, Receive, Scope, Send

from dia.serving.errors import Code, ServingError, as_serving_error
from dia.serving.generation import Generation
from dia.serving.limits import Limits
from dia.synthesis.parts.joining import Piece

logger = logging.getLogger(__name__)

_SLICE = 64 * 1024  # bytes sent at once: 1.4 s of pcm at 24 kHz
_LAST_SECONDS = 1.0  # to send the last event to a reader that may not read
_UNBUFFERED = {"x-accel-buffering": "no", "cache-control": "no-store"}  # proxies must pass chunks on at once


def error_response(error: ServingError) -> JSONResponse:
    """An error as an answer."""
    return JSONResponse(error.body, error.code.status, error.headers)


class LongResponse(Response, ABC):
    """An answer that takes long. If the client leaves, or after `seconds`, it is cancelled.

    Args:
        seconds: that the whole answer may take.
    """

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._seconds, self._begun = seconds, False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the answer."""
        work = asyncio.create_task(self._answer(scope, receive, send))
        left = asyncio.create_task(_until_disconnect(receive))
        try:
            await asyncio.wait({work, left}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (left, work):
                task.cancel()
            await asyncio.gather(left, work, return_exceptions=True)
            self.stop()

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            async with asyncio.timeout(self._seconds):
                await self.produce(send)
        except Exception as error:
            await self._fail(as_serving_error(error), error, scope, receive, send)

    async def _fail(self, known: ServingError, error: Exception, scope: Scope, receive: Receive, send: Send) -> None:
        if known.code is Code.internal_error:
            logger.error("a request failed while generating: %s", type(error).__name__, exc_info=_debug(error))
        if not self._begun:
            await error_response(known)(scope, receive, send)
            return
        with suppress(Exception):
            async with asyncio.timeout(_LAST_SECONDS):
                await self.fail(known, send)

    async def begin(self, send: Send, headers: Mapping[str, str]) -> None:
        """Send the status and the headers."""
        self._begun = True
        raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": 200, "headers": raw})

    @abstractmethod
    async def produce(self, send: Send) -> None:
        """Send the answer."""

    async def fail(self, error: ServingError, send: Send) -> None:
        """Report an error after the beginning. By default the connection is closed before its end, as an error."""

    def stop(self) -> None:
        """Free what the answer uses; called at its end and when the client leaves."""


class SpeechResponse(LongResponse):
    """Audio as it is generated.

    Args:
        start: starts the generation.
        limits: on the time of the answer and of its reader.
        headers: of the answer, with the type of the content.
    """

    def __init__(self, start: Callable[[], Awaitable[Generation]], limits: Limits, headers: Mapping[str, str]) -> None:
        super().__init__(limits.stream_seconds)
        self._start, self._own, self._reader_seconds = start, {**_UNBUFFERED, **headers}, limits.reader_seconds
        self._generation: Generation | None = None

    async def produce(self, send: Send) -> None:
        """Send the audio, beginning with the first piece; an error before it has a status of its own."""
        self._generation = await self._start()
        data = await self._generation.buffer.read()
        await self.begin(send, self._own)
        while data:
            for at in range(0, len(data), _SLICE):
                await self._send_in_time(send, self.encoded(data[at : at + _SLICE]))
            if report := self.progress(self._generation):
                await self._send_in_time(send, report)
            data = await self._generation.buffer.read()
        await send(_part(self.ending(self._generation), more=False))

    async def _send_in_time(self, send: Send, data: bytes) -> None:
        """Send data; a reader that has stopped reading is an error."""
        try:
            async with asyncio.timeout(self._reader_seconds):
                await send(_part(data))
        except TimeoutError:
            message = f"nothing was read for {self._reader_seconds:g} s."
            raise ServingError(Code.reader_too_slow, message) from None

    def stop(self) -> None:
        """Free the slot."""
        if self._generation is not None:
            self._generation.cancel()

    def encoded(self, data: bytes) -> bytes:
        """What is sent for a piece of audio."""
        return data

    def progress(self, generation: Generation) -> bytes:
        """What is sent after audio that more may follow."""
        return b""

    def ending(self, generation: Generation) -> bytes:
        """What is sent after all audio."""
        return b""


class EventResponse(SpeechResponse):
    """Audio in server-sent events.

    Args:
        start: as in `SpeechResponse`.
        limits: as in `SpeechResponse`.
        headers: as in `SpeechResponse`.
        summary: what the last event says beside its type.
        finished: the times of the turns in parts of the speech, for an event after each part; None for no events.
    """

    def __init__(
        self,
        start: Callable[[], Awaitable[Generation]],
        limits: Limits,
        headers: Mapping[str, str],
        summary: Callable[[Generation], dict[str, Any]],
        finished: Callable[[Sequence[Piece]], list[dict[str, Any]]] | None = None,
    ) -> None:
        super().__init__(start, limits, {**headers, "content-type": "text/event-stream; charset=utf-8"})
        self._summary, self._finished, self._reported = summary, finished, 0

    def encoded(self, data: bytes) -> bytes:
        """An event for a piece of audio."""
        return event({"type": "speech.audio.delta", "audio": base64.b64encode(data).decode("ascii")})

    def progress(self, generation: Generation) -> bytes:
        """An event with the times of the parts that have been finished since the last one."""
        new = generation.pieces[self._reported :]
        self._reported += len(new)
        if not new or self._finished is None:
            return b""
        return event({"type": "speech.audio.turns", "turns": self._finished(new)})

    def ending(self, generation: Generation) -> bytes:
        """The last event."""
        return event({"type": "speech.audio.done", **self._summary(generation)})

    async def fail(self, error: ServingError, send: Send) -> None:
        """Send an event for the error."""
        await send(_part(event({"type": "speech.audio.error", **error.body}), more=False))


class LongJSONResponse(LongResponse):
    """JSON that takes long to make.

    Args:
        make: makes it; it is cancelled if the client leaves.
        seconds: as in `LongResponse`.
    """

    def __init__(self, make: Callable[[], Awaitable[Any]], seconds: float) -> None:
        super().__init__(seconds)
        self._make = make

    async def produce(self, send: Send) -> None:
        """Make the JSON and send it."""
        content = json.dumps(await self._make(), ensure_ascii=False, separators=(",", ":")).encode()
        await self.begin(send, {"content-type": "application/json", "content-length": str(len(content))})
        await send(_part(content, more=False))


def event(content: Mapping[str, Any]) -> bytes:
    """A server-sent event."""
    return f"data: {json.dumps(content)}\n\n".encode()


def _part(data: bytes, more: bool = True) -> Message:
    return {"type": "http.response.body", "body": data, "more_body": more}


async def _until_disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _debug(error: Exception) -> Exception | None:
    """The error for the log, if that is for debugging: its message may contain the words of the client."""
    return error if logger.isEnabledFor(logging.DEBUG) else None


__all__ = ["EventResponse", "LongJSONResponse", "LongResponse", "SpeechResponse", "error_response", "event"]
