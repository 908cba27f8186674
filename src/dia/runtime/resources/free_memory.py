"""Check that weights fit into memory before they are loaded. Independent of models and files."""

from collections.abc import Mapping
from pathlib import Path

_GROUP = Path("/sys/fs/cgroup")
_MEMINFO = Path("/proc/meminfo")


def check_free_memory(needed: float, smaller: Mapping[str, float]) -> None:
    """Raise if there is too little free memory. Does nothing if the system does not report its free memory.

    Args:
        needed: bytes.
        smaller: alternatives that need less memory, with their bytes.

    Raises:
        MemoryError: memory is too small; the message gives both sizes and the alternatives.
    """
    free = free_memory()
    if free is None or needed <= free:
        return
    options = [f"{name} ({size / 1e9:.2f} GB)" for name, size in smaller.items()]
    remedy = f"Free some memory, or use {' or '.join(options) or 'a smaller model'}"
    raise MemoryError(
        f"the model's weights take {needed / 1e9:.2f} GB of memory, but only {free / 1e9:.2f} GB are free. {remedy}."
    )


def free_memory() -> int | None:
    """Bytes that this process can still allocate, including swap; None if the system does not report them."""
    try:
        lines = dict(line.split(":") for line in _MEMINFO.read_text(encoding="ascii").splitlines())
        free = sum(1024 * int(lines[name].split()[0]) for name in ("MemAvailable", "SwapFree"))
    except (OSError, KeyError, ValueError):
        return None
    remaining = _remaining_in_cgroup()
    return free if remaining is None else min(free, remaining)


def _remaining_in_cgroup() -> int | None:
    """Bytes below the container's memory limit, if it has one. The page cache counts as free: it can be dropped."""
    try:
        limit, used = (int((_GROUP / f"memory.{name}").read_text(encoding="ascii")) for name in ("max", "current"))
        lines = (_GROUP / "memory.stat").read_text(encoding="ascii").splitlines()
        counted = dict(line.split() for line in lines)
        return max(limit - used + int(counted["inactive_file"]) + int(counted["active_file"]), 0)
    except (OSError, KeyError, ValueError):  # "max" means no limit; int() rejects it
        return None


__all__ = ["check_free_memory", "free_memory"]
