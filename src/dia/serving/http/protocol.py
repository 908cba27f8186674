"""uvicorn's HTTP protocol with limits on silent connections, against clients that connect and stall."""

import asyncio
from contextlib import suppress
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

from dia.serving.limits import Limits

try:
    import resource
except ImportError:  # not on Windows
    resource = None  # type: ignore[assignment]

_FILES = 2  # for each connection: its socket, and what its request may have open


class Protocol(H11Protocol):
    """Closes a connection whose first request has not come in time, and ends one that cannot be closed.

    asyncio closes a connection only after all bytes are sent, which never happens if the client does not read.

    With too many connections, the oldest of those that have no request is closed, so that new clients are served.
    """

    header_seconds = Limits.header_seconds
    most_connections = Limits.connections

    def connection_made(self, transport: Any) -> None:
        """Begin to watch the connection."""
        super().connection_made(transport)
        self._watch(was_closing=False)
        self._since = self.loop.time()
        if len(self.connections) > min(self.most_connections, _allowed_files() // _FILES):
            min((one for one in self.connections if _is_silent(one)), key=_age).transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop watching."""
        self._next.cancel()
        super().connection_lost(exc)

    def _watch(self, was_closing: bool) -> None:
        self._next = asyncio.get_running_loop().call_later(self.header_seconds, self._look, was_closing)

    def _look(self, was_closing: bool) -> None:
        if was_closing:
            self.transport.abort()
            return
        if self.cycle is None:
            self.transport.close()
        self._watch(self.transport.is_closing())


def _is_silent(connection: Any) -> bool:
    """Whether a connection has no request that is answered or comes in. One that has just been made has none."""
    return connection.cycle is None or connection.cycle.response_complete


def _age(connection: Any) -> float:
    return float(connection._since)


def _allowed_files() -> int:
    """How many files and sockets this process may have open."""
    if resource is None:
        return 2 * _FILES * Limits.connections
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return 2 * _FILES * Limits.connections if soft == resource.RLIM_INFINITY else int(soft)


def allow_connections(most: int = Limits.connections) -> None:
    """Let this process have as many connections open as the system allows it to, up to `most`. For commands."""
    if resource is None:
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _FILES * most if hard == resource.RLIM_INFINITY else min(_FILES * most, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


__all__ = ["Protocol", "allow_connections"]
