"""How many CPU cores this process may use, and how many of them are free. Knows Linux; elsewhere what Python knows."""

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from math import floor
from pathlib import Path

_GROUPS = Path("/sys/fs/cgroup")
_OWN_GROUPS = Path("/proc/self/cgroup")
_STAT = Path("/proc/stat")
_TOPOLOGY = Path("/sys/devices/system/cpu")
_IDLE = slice(3, 5)  # of a line of /proc/stat after its name: idle, and waiting for a disk
_ALL = slice(0, 8)  # what comes after counts a second time what guests of this machine do
_LEAST_SECONDS = 0.2  # of a measurement: the system counts in hundredths


@dataclass(frozen=True)
class CoreTimes:
    """What the cores have done until now: the first of two measurements, see `free_cores`.

    Attributes:
        counts: for each core that this process may use, what was idle and all of it, in hundredths of a second.
        own: seconds of CPU time that this process has taken.
        seconds: when that was.
    """

    counts: dict[int, tuple[int, int]]
    own: float
    seconds: float

    @classmethod
    def now(cls) -> "CoreTimes":
        """Measure; takes a fraction of a millisecond."""
        counts: dict[int, tuple[int, int]] = {}
        with suppress(OSError, ValueError):
            allowed = _allowed()
            for line in _STAT.read_text(encoding="ascii").splitlines():
                name, *numbers = line.split()
                if name.startswith("cpu") and name[3:].isdigit() and int(name[3:]) in allowed:
                    spent = [int(number) for number in numbers]
                    counts[int(name[3:])] = sum(spent[_IDLE]), sum(spent[_ALL])
        return cls(counts, time.process_time(), time.monotonic())


def usable_cores() -> int:
    """Cores that this process may keep busy: those it is bound to, each counted once, within its group's quota."""
    cores = len(_cores(_allowed()))
    quota = min(_quotas(), default=float("inf"))
    return max(1, int(min(cores, floor(quota))) if quota < cores else cores)


def free_cores(since: CoreTimes | None = None) -> float | None:
    """Cores that others have left to this process on average, those that it has used itself among them.

    Args:
        since: an earlier measurement, a second or so ago; by default it is measured for 0.2 s.

    Returns:
        At most the number of cores that this process is bound to; None where the system does not say.
    """
    since = since or CoreTimes.now()
    time.sleep(max(0.0, since.seconds + _LEAST_SECONDS - time.monotonic()))
    now, idle = CoreTimes.now(), 0.0
    for core, (idle_then, all_then) in since.counts.items():
        idle_now, all_now = now.counts.get(core, (0, 0))
        if all_now <= all_then:
            return None
        idle += (idle_now - idle_then) / (all_now - all_then)
    if not since.counts:
        return None
    threads = min(idle + (now.own - since.own) / (now.seconds - since.seconds), float(len(since.counts)))
    return threads * len(_cores(set(since.counts))) / len(since.counts)


def _allowed() -> set[int]:
    if hasattr(os, "sched_getaffinity"):
        return set(os.sched_getaffinity(0))
    return set(range(os.cpu_count() or 1))


def _cores(numbers: set[int]) -> set[str]:
    """The cores of hardware threads: those that share one share its arithmetic, too."""
    return {_siblings(number) for number in numbers}


def _siblings(number: int) -> str:
    try:
        return (_TOPOLOGY / f"cpu{number}" / "topology" / "thread_siblings_list").read_text(encoding="ascii").strip()
    except OSError:
        return str(number)


def _quotas() -> Iterator[float]:
    """How many cores' time the groups that this process is in may take, both kinds of groups."""
    for folder in _groups():
        with suppress(OSError, ValueError, ZeroDivisionError):
            quota, period = (folder / "cpu.max").read_text(encoding="ascii").split()
            yield int(quota) / int(period)  # "max" is no number, and no limit
        with suppress(OSError, ValueError, ZeroDivisionError):
            quota, period = (
                (folder / f"cpu.cfs_{name}_us").read_text(encoding="ascii") for name in ("quota", "period")
            )
            if int(quota) > 0:
                yield int(quota) / int(period)


def _groups() -> Iterator[Path]:
    """Folders of the groups that this process is in; those of a container may be at the root."""
    try:
        lines = _OWN_GROUPS.read_text(encoding="utf-8").splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        parts = [part for part in path.split("/") if part not in ("", "..")]
        for root in (_GROUPS / controllers, _GROUPS / "cpu", _GROUPS / "unified"):
            for depth in range(len(parts) + 1):
                yield root.joinpath(*parts[:depth])


__all__ = ["CoreTimes", "free_cores", "usable_cores"]
