"""Pass an HTTP request on to another process, and to a second one if the first ends before it has answered.

Knows how requests and answers look (ASGI), but not how they travel.

    client ── Gate ── Relay ──ask──> process: answer_of(application)
                        │    <──messages──┘
                        └── asks again if the process is lost before its first message
"""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, MutableMapping
from contextlib import aclosing
from typing import Any, TypeAlias

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dia.serving.admission import arrived
from dia.serving.errors import Code, ServingError
from dia.serving.http.responses import event

logger = logging.getLogger(__name__)

Ask: TypeAlias = Callable[[dict[str, Any], bytes], AsyncIterator[Message]]

_TRIES = 4  # processes that are asked before a request fails
_QUEUED = 16  # messages of an answer that wait to be sent
# What of a scope another process can use; the rest are objects of this one.
_SENT = ("type", "asgi", "http_version", "method", "scheme", "path", "raw_path", "query_string", "headers", "client")
_ID = b"x-request-id"  # the gate in front adds it
_ARRIVED = "dia.arrived"  # when this process received the request, in a scope


class Relay:
    """An ASGI application that passes requests on. Put it behind a `Gate`, which receives bodies whole.

    Args:
        ask: sends a request (a scope and its body) to some process; gives the messages of the answer.
        is_lost: whether an error means that the process has ended.
    """

    def __init__(self, ask: Ask, is_lost: Callable[[Exception], bool]) -> None:
        self._ask, self._is_lost = ask, is_lost

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on. If the client leaves, the request to the other process is cancelled."""
        body = (await receive())["body"]
        work = asyncio.create_task(self._pass(scope, body, _Answer(send)))
        left = asyncio.create_task(_until_disconnect(receive))
        try:
            await asyncio.wait({work, left}, return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                work.result()
        finally:
            for task in (left, work):
                task.cancel()
            await asyncio.gather(left, work, return_exceptions=True)

    async def _pass(self, scope: Scope, body: bytes, answer: "_Answer") -> None:
        asked = {name: scope[name] for name in _SENT if name in scope} | {_ARRIVED: time.time()}
        for _ in range(_TRIES):
            try:
                messages = self._ask(asked, body)
                try:
                    async for message in messages:
                        await answer.send(message)
                finally:
                    await _close(messages)
                return
            except Exception as error:
                if not self._is_lost(error):
                    raise
                logger.warning("a replica has ended %s", "in mid-answer" if answer.begun else "before its answer")
                if answer.begun:
                    await answer.fail(_lost("the rest of the speech is lost"))
                    return
        raise _lost(f"{_TRIES} replicas in turn have ended")


class _Answer:
    """An answer on its way to the client.

    Attributes:
        begun: whether its status has been sent, so that it cannot be replaced any more.
    """

    def __init__(self, send: Send) -> None:
        self._send, self.begun, self._has_events = send, False, False

    async def send(self, message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.begun = True
            headers = [(name, value) for name, value in message["headers"] if name != _ID]
            self._has_events = any(
                name == b"content-type" and value.startswith(b"text/event-stream") for name, value in headers
            )
            message = {**message, "headers": headers}
        await self._send(message)

    async def fail(self, error: ServingError) -> None:
        """End with an event for an error. An answer without events is left without its end, which clients report."""
        if self._has_events:
            body = event({"type": "speech.audio.error", **error.body})
            await self._send({"type": "http.response.body", "body": body, "more_body": False})


async def answer_of(application: ASGIApp, scope: Scope, body: bytes) -> AsyncGenerator[Message, None]:
    """The messages with which an application answers. Closing the generator, or cancelling its task, cancels it."""
    queue: asyncio.Queue[Message] = asyncio.Queue(_QUEUED)
    work: asyncio.Future[None] = asyncio.ensure_future(_run(application, scope, body, queue.put))
    try:
        while not (work.done() and queue.empty()):
            message = asyncio.ensure_future(queue.get())
            either: set[asyncio.Future[Any]] = {message, work}
            try:
                await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
                if message.done():
                    yield message.result()
            finally:
                message.cancel()
        work.result()
    finally:
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)


async def _run(application: ASGIApp, scope: Scope, body: bytes, send: Callable[[Message], Awaitable[None]]) -> None:
    asked = False
    arrived.set(scope.get(_ARRIVED))

    async def receive() -> Message:
        nonlocal asked
        if asked:
            await asyncio.Event().wait()  # a client that leaves cancels the whole answer
        asked = True
        return {"type": "http.request", "body": body, "more_body": False}

    await application(dict(scope), receive, send)


async def _close(messages: AsyncIterator[Message]) -> None:
    """Close an iterator that can be closed."""
    if isinstance(messages, AsyncGenerator):
        async with aclosing(messages):
            pass


async def _until_disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _lost(what: str) -> ServingError:
    return ServingError(Code.replica_lost, f"the process that answers has ended, and {what}; try again.")


__all__ = ["Relay", "answer_of"]
