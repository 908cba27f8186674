"""Answers over HTTP: errors, audio as it comes, events, and JSON that takes long. They stop when the client leaves."""

import asyncio
import base64
import json
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from starlette.responses import JSONResponse, Response
from starlette.types import Message, Receive, Scope, Send

from dia.serving.errors import Code, ServingError, logged
from dia.serving.generation import Generation
from dia.serving.limits import SLICE_BYTES, Limits
from dia.synthesis.parts.joining import Piece

_LAST_SECONDS = 1.0  # to send the last event to a reader that may not read
_UNBUFFERED = {"x-accel-buffering": "no", "cache-control": "no-store"}  # proxies must pass chunks on at once


def error_response(error: ServingError) -> JSONResponse:
    """An error as an answer."""
    return JSONResponse(error.body, error.code.status, error.headers)


class LongResponse(Response, ABC):
    """An answer that takes long. If the client leaves, or when the time is up, it is cancelled.

    Args:
        limits: on the time of the answer and of its reader.
    """

    def __init__(self, limits: Limits) -> None:
        super().__init__()
        self._seconds, self._reader_seconds, self._begun = limits.stream_seconds, limits.reader_seconds, False

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
            await self._fail(logged(error), scope, receive, send)

    async def _fail(self, known: ServingError, scope: Scope, receive: Receive, send: Send) -> None:
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

    async def send_in_time(self, send: Send, data: bytes) -> None:
        """Send a part of the answer; a reader that has stopped reading is an error."""
        try:
            async with asyncio.timeout(self._reader_seconds):
                await send(_part(data))
        except TimeoutError:
            message = f"nothing was read for {self._reader_seconds:g} s."
            raise ServingError(Code.reader_too_slow, message) from None

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
        super().__init__(limits)
        self._start, self._own = start, {**_UNBUFFERED, **headers}
        self._generation: Generation | None = None

    async def produce(self, send: Send) -> None:
        """Send the audio, beginning with the first piece; an error before it has a status of its own."""
        self._generation = await self._start()
        data = await self._generation.buffer.read()
        await self.begin(send, self._own)
        while data:
            await self.send_in_time(send, self.encoded(data))
            if report := self.progress(self._generation):
                await self.send_in_time(send, report)
            data = await self._generation.buffer.read()
        await send(_part(self.ending(self._generation), more=False))

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
        limits: as in `LongResponse`.
    """

    def __init__(self, make: Callable[[], Awaitable[Any]], limits: Limits) -> None:
        super().__init__(limits)
        self._make = make

    async def produce(self, send: Send) -> None:
        """Make the JSON and send it."""
        content = await asyncio.to_thread(_as_json, await self._make())
        await self.begin(send, {"content-type": "application/json", "content-length": str(len(content))})
        for at in range(0, len(content), SLICE_BYTES):
            await self.send_in_time(send, content[at : at + SLICE_BYTES])
        await send(_part(b"", more=False))


def event(content: Mapping[str, Any]) -> bytes:
    """A server-sent event."""
    return f"data: {json.dumps(content)}\n\n".encode()


def _as_json(content: Any) -> bytes:
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()


def _part(data: bytes, more: bool = True) -> Message:
    return {"type": "http.response.body", "body": data, "more_body": more}


async def _until_disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


__all__ = ["EventResponse", "LongJSONResponse", "LongResponse", "SpeechResponse", "error_response", "event"]
