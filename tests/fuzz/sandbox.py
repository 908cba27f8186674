"""A call in a child process that has a limit of memory and of time, forked from a parent that has all imported."""

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
    """Whether somebody wrote `raise` where an error comes from; else an operation stumbled over what it was given."""
    if isinstance(error, OSError):
        return True  # the system's own refusals say what they are about
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return True
    return linecache.getline(trace.tb_frame.f_code.co_filename, trace.tb_lineno).strip().startswith("raise")


class Unnamed(Exception):
    """An input was refused, and the message does not say which part of it."""


@dataclass(frozen=True)
class Outcome:
    """What became of a call.

    Attributes:
        kind: "loaded", "refused", "unnamed", "uncaught", "hung" (ended at the limit of time) or "killed" (by a
            signal).
        detail: the answer, or the error.
        seconds: how long it took.
        megabytes: how much memory it took beyond the parent's.
        trace: where an uncaught error was raised.
    """

    kind: str
    detail: str
    seconds: float = 0.0
    megabytes: int = 0
    trace: str = ""


def judged(call: Callable[[], str], refusals: tuple[type[Exception], ...] = REFUSALS) -> Outcome:
    """Call it here: loaded, refused, unnamed, or uncaught."""
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
    """The outcome of every named call, each in its own child; `jobs` of them at once, in the order they end."""
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
    said: bytes = b""

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
            _live(call, refusals, writing, gigabytes)
        os.close(writing)
        return cls(name, pid, reading, time.monotonic())

    def read(self) -> bool:
        """Take what there is; False at its end."""
        more = os.read(self.pipe, 65536)
        self.said += more
        return bool(more)

    def outcome(self) -> Outcome:
        os.close(self.pipe)
        _, status, usage = os.wait4(self.pid, 0)
        if not self.said:
            return Outcome("killed", f"ended by signal {-os.waitstatus_to_exitcode(status)}")
        own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return Outcome(**json.loads(self.said) | {"megabytes": max(usage.ru_maxrss - own, 0) >> 10})


def _live(call: Callable[[], str], refusals: tuple[type[Exception], ...], writing: int, gigabytes: float) -> None:
    """The child's whole life."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)
    room = _address_space() + int(gigabytes * 2**30)
    resource.setrlimit(resource.RLIMIT_AS, (room, room))
    begun = time.monotonic()
    outcome = judged(call, refusals)
    told = vars(outcome) | {"seconds": round(time.monotonic() - begun, 2)}
    with os.fdopen(writing, "wb") as pipe:
        pipe.write(json.dumps(told).encode())
    os._exit(0)


def _address_space() -> int:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    return pages * resource.getpagesize()


__all__ = ["REFUSALS", "Outcome", "Unnamed", "deliberate", "judged", "run_all"]
