"""Whether weights fit into memory, checked before they are loaded. Knows sizes, nothing of models or files."""

from collections.abc import Mapping
from pathlib import Path

_GROUP = Path("/sys/fs/cgroup")
_MEMINFO = Path("/proc/meminfo")


def check_free_memory(needed: float, smaller: Mapping[str, float]) -> None:
    """Refuse what this machine's memory cannot hold; where the system does not say what is free, nothing is refused.

    Args:
        needed: bytes.
        smaller: what to ask for instead, and its bytes.

    Raises:
        MemoryError: there is too little; the message says by how much, and what is smaller.
    """
    free = free_memory()
    if free is None or needed <= free:
        return
    options = [f"{name} takes {size / 1e9:.2f} GB" for name, size in smaller.items()]
    remedy = f"{', '.join(options)}; or free some" if options else "free some, or take a smaller model"
    raise MemoryError(
        f"the model's weights take {needed / 1e9:.2f} GB of memory and {free / 1e9:.2f} GB are free: {remedy}."
    )


def free_memory() -> int | None:
    """Bytes that this process may still take, swap included; None where the system does not say."""
    try:
        lines = dict(line.split(":") for line in _MEMINFO.read_text(encoding="ascii").splitlines())
        free = sum(1024 * int(lines[name].split()[0]) for name in ("MemAvailable", "SwapFree"))
    except (OSError, KeyError, ValueError):
        return None
    left = _left_to_group()
    return free if left is None else min(free, left)


def _left_to_group() -> int | None:
    """What a container leaves, if it has a limit. What it has read of files does not count: that can be dropped."""
    try:
        limit, used = (int((_GROUP / f"memory.{name}").read_text(encoding="ascii")) for name in ("max", "current"))
        lines = (_GROUP / "memory.stat").read_text(encoding="ascii").splitlines()
        counted = dict(line.split() for line in lines)
        return max(limit - used + int(counted["inactive_file"]) + int(counted["active_file"]), 0)
    except (OSError, KeyError, ValueError):  # no limit is written "max"
        return None


__all__ = ["check_free_memory", "free_memory"]
