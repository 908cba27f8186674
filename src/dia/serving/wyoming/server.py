"""Wyoming over TCP: sockets, connections, their limits and their end. Independent of what events mean."""

import asyncio
import logging
import socket
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from wyoming.event import Event, async_write_event

from dia.serving.errors import Code, ServingError, logged
from dia.serving.limits import EVENT_BYTES
from dia.serving.service import Service
from dia.serving.wyoming.events import error_event, read_event
from dia.serving.wyoming.session import Session

logger = logging.getLogger(__name__)

_LAST_SECONDS = 1.0  # to send an error to a client that may not read
_CLIENT_LEFT = 499  # in the log and the metrics, as in HTTP


class WyomingServer:
    """Serves on sockets from `async with` on, in the event loop of the service.

    Args:
        service: generates; `close` it afterwards.
        sockets: that listen; they are closed at the end.
    """

    def __init__(self, service: Service, sockets: Sequence[socket.socket]) -> None:
        self._service, self._sockets = service, sockets
        self._servers: list[asyncio.Server] = []
        self._connections: set[asyncio.Task[Any]] = set()

    async def __aenter__(self) -> "WyomingServer":
        for one in self._sockets:
            self._servers.append(await asyncio.start_server(self._connect, sock=one, limit=EVENT_BYTES))
            logger.info("Wyoming on %s", ":".join(map(str, one.getsockname()[:2])))
        return self

    async def __aexit__(self, *_: object) -> None:
        for server in self._servers:
            server.close()
        for task in list(self._connections):
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            await _Connection(self._service, reader, writer).serve(len(self._connections))
        finally:
            self._connections.discard(task)


class _Connection:
    """One client."""

    def __init__(self, service: Service, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._limits, self._metrics, self._reader, self._writer = service.limits, service.metrics, reader, writer
        self._session = Session(service, self._send)

    async def serve(self, number: int) -> None:
        """Serve the client until it leaves or an error occurs.

        Args:
            number: of connections that are open, this one included.
        """
        began, status = time.monotonic(), 200
        try:
            if number > self._limits.open_requests:
                raise ServingError(Code.overloaded, f"{number - 1} clients are connected; try again later.")
            await self._both()
            status = _CLIENT_LEFT if self._session.busy else status
        except OSError as error:
            status = _CLIENT_LEFT
            if not isinstance(error, ConnectionError):
                status = await self._fail(error)
        except Exception as error:
            status = await self._fail(error)
        finally:
            await self._close()
            if status != 200:
                self._metrics.requests.labels("wyoming", str(status)).inc()
            logger.info("wyoming %d %.3f s", status, time.monotonic() - began)

    async def _both(self) -> None:
        """Read and speak at the same time, so that a client that leaves frees its slot at once."""
        reading, working = asyncio.create_task(self._read()), asyncio.create_task(self._session.work())
        try:
            await asyncio.wait({reading, working}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (reading, working):
                task.cancel()
            results = await asyncio.gather(reading, working, return_exceptions=True)
        for result in results:
            if isinstance(result, Exception):
                raise result

    async def _read(self) -> None:
        """Read events until the client leaves, or is silent for long without waiting for speech."""
        while True:
            reading = asyncio.create_task(read_event(self._reader, self._limits.body_seconds))
            try:
                while not (await asyncio.wait({reading}, timeout=self._limits.idle_seconds))[0]:
                    if not self._session.busy:
                        return
            finally:
                reading.cancel()
            event = reading.result()
            if event is None:
                return
            await self._session.handle(event)

    async def _send(self, event: Event) -> None:
        try:
            async with asyncio.timeout(self._limits.reader_seconds):
                await async_write_event(event, self._writer)
        except TimeoutError:
            message = f"nothing was read for {self._limits.reader_seconds:g} s."
            raise ServingError(Code.reader_too_slow, message) from None

    async def _fail(self, error: Exception) -> int:
        """Send an error; returns its status. The connection ends with it: clients do not expect audio after one."""
        known = logged(error)
        with suppress(Exception):
            async with asyncio.timeout(_LAST_SECONDS):
                await async_write_event(error_event(known), self._writer)
        return known.code.status

    async def _close(self) -> None:
        """Close the connection, also to a client that does not read or goes on sending.

        What it has sent is read first: the system discards the last events if a connection is closed with unread data.
        """
        try:
            async with asyncio.timeout(_LAST_SECONDS):
                self._writer.write_eof()
                while await self._reader.read(EVENT_BYTES):
                    pass
                self._writer.close()
                await self._writer.wait_closed()
        except (OSError, RuntimeError, TimeoutError):
            self._writer.transport.abort()


__all__ = ["WyomingServer"]
