"""uvicorn's HTTP protocol with limits on silent connections, against clients that connect and stall."""

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

from dia.serving.limits import Limits


class Protocol(H11Protocol):
    """Closes a connection whose first request has not come in time, and ends one that cannot be closed.

    asyncio closes a connection only after all bytes are sent, which never happens if the client does not read.
    """

    header_seconds = Limits.header_seconds

    def connection_made(self, transport: Any) -> None:
        """Begin to watch the connection."""
        super().connection_made(transport)
        self._watch(was_closing=False)

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


__all__ = ["Protocol"]
