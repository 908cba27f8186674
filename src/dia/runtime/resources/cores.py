"""Count the CPU cores that this process may use and those that are free. Other systems than Linux report less."""

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
_IDLE = slice(3, 5)  # the fields idle and iowait of a line of /proc/stat, after its name
_ALL = slice(0, 8)  # the guest fields that follow are already included in user and nice
_LEAST_SECONDS = 0.2  # shortest measurement: the kernel counts in hundredths of a second


@dataclass(frozen=True)
class CoreTimes:
    """CPU time counters at one moment: the first of two measurements, see `free_cores`.

    Attributes:
        counts: for each core that this process may use, its idle time and total time, in hundredths of a second.
        own: CPU time of this process, in seconds.
        seconds: monotonic time of the measurement.
    """

    counts: dict[int, tuple[int, int]]
    own: float
    seconds: float

    @classmethod
    def now(cls) -> "CoreTimes":
        """Read the counters. Takes a fraction of a millisecond."""
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
    """The number of physical cores in this process's affinity mask, limited by its cgroup quota; at least 1."""
    cores = len(_cores(_allowed()))
    quota = min(_quotas(), default=float("inf"))
    return max(1, int(min(cores, floor(quota))) if quota < cores else cores)


def free_cores(since: CoreTimes | None = None) -> float | None:
    """The average number of cores that other processes leave free, including those that this process uses itself.

    Args:
        since: a measurement from about a second ago; by default, measures for 0.2 s.

    Returns:
        At most the number of cores in this process's affinity mask; None if the system does not provide the counters.
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
    """The physical cores of hardware threads: threads of one core share its arithmetic units."""
    return {_siblings(number) for number in numbers}


def _siblings(number: int) -> str:
    try:
        return (_TOPOLOGY / f"cpu{number}" / "topology" / "thread_siblings_list").read_text(encoding="ascii").strip()
    except OSError:
        return str(number)


def _quotas() -> Iterator[float]:
    """The quotas of this process's cgroups, in cores, for cgroup versions 1 and 2."""
    for folder in _groups():
        with suppress(OSError, ValueError, ZeroDivisionError):
            quota, period = (folder / "cpu.max").read_text(encoding="ascii").split()
            yield int(quota) / int(period)  # "max" means no limit; int() rejects it
        with suppress(OSError, ValueError, ZeroDivisionError):
            quota, period = (
                (folder / f"cpu.cfs_{name}_us").read_text(encoding="ascii") for name in ("quota", "period")
            )
            if int(quota) > 0:
                yield int(quota) / int(period)


def _groups() -> Iterator[Path]:
    """The folders of this process's cgroups and their parents. In a container they may be at the root."""
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
