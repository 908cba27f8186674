"""uvicorn's HTTP protocol with a limit on the time to the first request, against clients that connect and stall."""

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

from dia.serving.limits import Limits


class Protocol(H11Protocol):
    """Closes a connection whose first request has not come in time."""

    header_seconds = Limits.header_seconds

    def connection_made(self, transport: Any) -> None:
        """Start to wait for the first request."""
        super().connection_made(transport)
        asyncio.get_running_loop().call_later(self.header_seconds, self._close_if_silent)

    def _close_if_silent(self) -> None:
        if self.cycle is None and not self.transport.is_closing():
            self.transport.close()


__all__ = ["Protocol"]
