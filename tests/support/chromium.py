"""Visits of the page in a browser, and a proxy whose connections break when a test says so."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"),
)
LONGEST = 60.0  # seconds


class Visit:
    """The page, opened by somebody new.

    Args:
        browser: Playwright's browser.
        address: of the server.
        **context: options of the visit, such as `color_scheme`.

    Attributes:
        page: Playwright's page.
        faults: errors of scripts and violations of the page's policy.
    """

    def __init__(self, browser: Any, address: str, **context: Any) -> None:
        self.context, self.faults = browser.new_context(**{"viewport": {"width": 1280, "height": 900}} | context), []
        self.context.set_default_timeout(1000 * LONGEST)
        self.page = self.context.new_page()
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("console", self._listen)
        self.page.goto(address)
        self.until("!document.querySelector('#speak').disabled")

    def _listen(self, message: Any) -> None:
        if message.type == "error" and not message.text.startswith("Failed to load resource"):
            self.faults.append(message.text)

    def close(self) -> None:
        self.context.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.page, name)

    def until(self, expression: str) -> Any:
        """Wait for a true value. Playwright's own waiting evaluates strings, which the page's policy forbids."""
        end = time.monotonic() + LONGEST
        while not (value := self.page.evaluate(expression)):
            assert time.monotonic() < end, expression
            time.sleep(0.02)
        return value

    def take(self, expression: str) -> Any:
        """A value of the newest take, such as `player.position`."""
        return self.page.evaluate(f"document.querySelector('dia-take').{expression}")

    def until_take(self, expression: str) -> Any:
        """Wait for a true value of the newest take."""
        return self.until(f"document.querySelector('dia-take')?.{expression}")


class Proxy:
    """Passes bytes between a port of its own and a server.

    Attributes:
        address: of the proxy.
    """

    def __init__(self, server: tuple[str, int]) -> None:
        self._server, self._open = server, list[socket.socket]()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._server)
                self._open += [client, server]
                for source, target in ((client, server), (server, client)):
                    threading.Thread(target=_pass_on, args=(source, target), daemon=True).start()

    def drop(self) -> None:
        """Break all connections and refuse new ones."""
        for one in [self._listener, *self._open]:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_RDWR)


@contextmanager
def dropping_proxy(address: str) -> Iterator[Proxy]:
    """A proxy of a server, such as "http://127.0.0.1:8000"."""
    parts = urlsplit(address)
    assert parts.hostname is not None
    assert parts.port is not None
    proxy = Proxy((parts.hostname, parts.port))
    try:
        yield proxy
    finally:
        proxy.drop()
