"""A server in a process of its own, and what it costs: CPU time by thread, memory, file descriptors. For Linux."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType

import httpx

ENGINE = ("dia.engine", "dia.prefill", "dia.codec")  # threads that would compute the same without a server
START_SECONDS = 180.0
STOP_SECONDS = 20.0
_LOOK_SECONDS = 0.1
_TICKS = os.sysconf("SC_CLK_TCK")


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


class Server:
    """A server process.

    Args:
        command: the arguments of the Python interpreter.
        port: that it listens on.
        ready: the address that answers 200 once it is ready.
        log: a file for its output.
    """

    def __init__(self, command: Sequence[str], port: int, ready: str, log: Path) -> None:
        self.address = f"http://127.0.0.1:{port}"
        began = time.perf_counter()
        with log.open("ab") as output:
            self._process = subprocess.Popen([sys.executable, *command], stdout=output, stderr=output)
        try:
            self._wait(ready)
        except BaseException:
            self.kill()
            raise
        self.start_seconds = time.perf_counter() - began

    @property
    def pid(self) -> int:
        """The number of the process."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._process.poll() is None

    def memory(self) -> float:
        """MB of memory that are resident."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6

    def files(self) -> int:
        """Open file descriptors."""
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def stop(self) -> None:
        """Ask it to end, and wait."""
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """End it at once, with SIGKILL."""
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def _wait(self, ready: str) -> None:
        end = time.perf_counter() + START_SECONDS
        while time.perf_counter() < end:
            with suppress(httpx.TransportError):
                if httpx.get(self.address + ready).status_code == 200:
                    return
            if not self.alive:
                raise RuntimeError("the server has ended; see its log.")
            time.sleep(0.2)
        raise TimeoutError(f"the server was not ready after {START_SECONDS:g} s; see its log.")


@contextmanager
def dia_serve(log: Path, options: Sequence[str] = ()) -> Iterator[Server]:
    """`dia serve` at a free port."""
    port = free_port()
    server = Server(("-m", "dia.cli", "serve", "--port", str(port), *options), port, "/ready", log)
    try:
        yield server
    finally:
        server.stop()


@contextmanager
def thread_pool_server(log: Path) -> Iterator[Server]:
    """The server of `baseline.py` at a free port."""
    port = free_port()
    server = Server((str(Path(__file__).with_name("baseline.py")), str(port)), port, "/ready", log)
    try:
        yield server
    finally:
        server.stop()


class Processor:
    """CPU seconds of each thread of a process while the context is open; `seconds` has them by name.

    Threads are read again and again, since those that end take their times with them.
    """

    def __init__(self, pid: int) -> None:
        self._folder, self.seconds = Path(f"/proc/{pid}/task"), Counter[str]()

    async def __aenter__(self) -> "Processor":
        self._first, self._last = self._read(), dict[str, tuple[str, float]]()
        self._task = asyncio.create_task(self._watch())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._task.cancel()
        self._last |= self._read()
        for thread, (name, seconds) in self._last.items():
            self.seconds[name] += seconds - self._first.get(thread, ("", 0.0))[1]

    async def _watch(self) -> None:
        while True:
            self._last |= self._read()
            await asyncio.sleep(_LOOK_SECONDS)

    def _read(self) -> dict[str, tuple[str, float]]:
        found = {}
        for thread in self._folder.iterdir():
            with suppress(OSError):  # it has ended
                name, _, rest = (thread / "stat").read_text().partition("(")[2].rpartition(")")
                values = rest.split()
                found[thread.name] = name, (int(values[11]) + int(values[12])) / _TICKS
        return found

    @property
    def server_share(self) -> float:
        """CPU seconds of the threads beside engine and codec, for each second of those."""
        engine = sum(self.seconds[name] for name in ENGINE)
        return (self.seconds.total() - engine) / engine if engine else float("nan")
