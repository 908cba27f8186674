"""Runs calls in forked child processes with limits on memory and time."""

import json
import linecache
import os
import resource
import select
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

REFUSALS = (ValueError, TypeError, OSError, MemoryError)


def deliberate(error: BaseException) -> bool:
    """Whether an error comes from a `raise` statement and not from an operation on an invalid value."""
    if isinstance(error, OSError):
        return True  # errors of the system name their cause
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return True
    return linecache.getline(trace.tb_frame.f_code.co_filename, trace.tb_lineno).strip().startswith("raise")


class Unnamed(Exception):
    """An input was refused, and the message does not name the invalid part."""


@dataclass(frozen=True)
class Outcome:
    """The outcome of a call.

    Attributes:
        kind: "loaded", "refused", "unnamed", "uncaught", "hung" (stopped at the time limit) or "killed" (by a
            signal).
        detail: the result, or the error.
        seconds: duration.
        megabytes: memory in addition to the parent's.
        trace: traceback of an uncaught error.
    """

    kind: str
    detail: str
    seconds: float = 0.0
    megabytes: int = 0
    trace: str = ""


def judged(call: Callable[[], str], refusals: tuple[type[Exception], ...] = REFUSALS) -> Outcome:
    """Run a call in this process; the kind is loaded, refused, unnamed or uncaught."""
    try:
        return Outcome("loaded", call())
    except Unnamed as error:
        return Outcome("unnamed", str(error)[:1000])
    except BaseException as error:
        if isinstance(error, refusals):
            return Outcome("refused", f"{type(error).__name__}: {str(error)[:1000]}")
        where = "".join(traceback.format_exception(error)[-12:])
        return Outcome("uncaught", f"{type(error).__name__}: {str(error)[:1000]}", trace=where)


def run_all(
    calls: Iterable[tuple[str, Callable[[], str]]],
    refusals: tuple[type[Exception], ...] = REFUSALS,
    *,
    jobs: int = 2,
    seconds: float = 60.0,
    gigabytes: float = 4.0,
) -> Iterator[tuple[str, Outcome]]:
    """Run every named call in its own child process, `jobs` at a time. Yields outcomes in order of completion."""
    waiting, running = iter(calls), dict[int, "_Child"]()
    more = True
    while more or running:
        while more and len(running) < jobs:
            if (named := next(waiting, None)) is None:
                more = False
            else:
                child = _Child.start(*named, refusals, gigabytes)
                running[child.pipe] = child
        for pipe in select.select(list(running), [], [], 0.2)[0] if running else []:
            if not running[pipe].read():
                child = running.pop(pipe)
                yield child.name, child.outcome()
        for pipe, child in list(running.items()):
            if time.monotonic() - child.begun > seconds:
                os.kill(child.pid, signal.SIGKILL)
                running.pop(pipe).outcome()
                yield child.name, Outcome("hung", f"no answer within {seconds:g} s", seconds)


@dataclass
class _Child:
    name: str
    pid: int
    pipe: int
    begun: float
    output: bytes = b""

    @classmethod
    def start(
        cls, name: str, call: Callable[[], str], refusals: tuple[type[Exception], ...], gigabytes: float
    ) -> "_Child":
        reading, writing = os.pipe()
        sys.stdout.flush()
        sys.stderr.flush()
        pid = os.fork()
        if pid == 0:
            os.close(reading)
            _run_child(call, refusals, writing, gigabytes)
        os.close(writing)
        return cls(name, pid, reading, time.monotonic())

    def read(self) -> bool:
        """Read available output. Returns False at its end."""
        more = os.read(self.pipe, 65536)
        self.output += more
        return bool(more)

    def outcome(self) -> Outcome:
        os.close(self.pipe)
        _, status, usage = os.wait4(self.pid, 0)
        if not self.output:
            return Outcome("killed", f"ended by signal {-os.waitstatus_to_exitcode(status)}")
        own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return Outcome(**json.loads(self.output) | {"megabytes": max(usage.ru_maxrss - own, 0) >> 10})


def _run_child(call: Callable[[], str], refusals: tuple[type[Exception], ...], writing: int, gigabytes: float) -> None:
    """Run a call in the child process, write the outcome to a pipe, and exit."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)
    limit = _address_space() + int(gigabytes * 2**30)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    _renew_thread_pool()
    begun = time.monotonic()
    outcome = judged(call, refusals)
    report = vars(outcome) | {"seconds": round(time.monotonic() - begun, 2)}
    with os.fdopen(writing, "wb") as pipe:
        pipe.write(json.dumps(report).encode())
    os._exit(0)


def _renew_thread_pool() -> None:
    """Make torch replace the parent's pool of threads now: it fails if several threads are the first to need it."""
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(torch.get_num_threads())


def _address_space() -> int:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    return pages * resource.getpagesize()


__all__ = ["REFUSALS", "Outcome", "Unnamed", "deliberate", "judged", "run_all"]
