"""The processes that torchrun or `accelerate launch` has started: which one this is, and what all agree on.

They exchange messages before the work begins and never after it, so that none waits for a slower one.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

from dia.runtime.resources.cores import usable_cores

Answer = TypeVar("Answer")

_NEEDED = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
_PATIENCE = timedelta(days=1)  # the first process checks all rows while the others wait


@dataclass(frozen=True)
class Processes:
    """This process among those that were started together.

    Attributes:
        number: its number, from 0.
        count: how many there are, on all machines.
        local_number: its number on this machine.
        local_count: how many there are on this machine.
    """

    number: int = 0
    count: int = 1
    local_number: int = 0
    local_count: int = 1

    @classmethod
    def of_environment(cls) -> "Processes":
        """As the launcher describes them in environment variables; one process without a launcher.

        Raises:
            ValueError: a variable is not a number.
        """
        if not all(os.environ.get(name) for name in _NEEDED):
            return cls()
        number, count = _number("RANK"), _number("WORLD_SIZE")
        return cls(number, count, _number("LOCAL_RANK", number), _number("LOCAL_WORLD_SIZE", count))

    @property
    def threads(self) -> int:
        """The number of cores of this machine for each process, at least 1."""
        return max(1, usable_cores() // self.local_count)

    def device(self, wanted: str | None) -> str | None:
        """The device of this process: the GPU with its number if CUDA is wanted or no device is named."""
        import torch

        if wanted not in (None, "cuda") or not torch.cuda.is_available():
            return wanted
        return f"cuda:{self.local_number % torch.cuda.device_count()}"


class Meeting:
    """What the processes exchange before the work begins."""

    def __init__(self, processes: Processes, group: Any = None) -> None:
        self.processes, self._group = processes, group

    @classmethod
    def of_connected(cls, processes: Processes) -> "Meeting":
        """A meeting of processes that are connected already, whose waits may last longer than their timeout."""
        import torch.distributed as dist

        if processes.count == 1:
            return cls(processes)
        return cls(processes, dist.new_group(backend="gloo", timeout=_PATIENCE))

    def agree(self, work: Callable[[], Answer]) -> list[Answer]:
        """Call a function in each process, wait for all, and return what they returned, in the order of processes.

        The answers are pickled.

        Raises:
            ValueError: it has raised in another process.
            Exception: what it has raised in this one.
        """
        if self.processes.count == 1:
            return [work()]
        import torch.distributed as dist

        answer, error = None, None
        try:
            answer = work()
        except Exception as raised:
            error = raised
        answers: list[Any] = [None] * self.processes.count
        fault = "" if error is None else f"{type(error).__name__}: {error}"
        dist.all_gather_object(answers, (answer, fault), self._group)
        if error is not None:
            raise error
        for number, (_, fault) in enumerate(answers):
            if fault:
                raise ValueError(f"process {number} cannot begin, so no process does. {fault}")
        return [answer for answer, _ in answers]


@contextmanager
def meeting(processes: Processes) -> Iterator[Meeting]:
    """Connect the processes while the block runs.

    Raises:
        OSError: they cannot be connected.
    """
    import torch.distributed as dist

    try:
        dist.init_process_group("gloo", timeout=_PATIENCE)
    except RuntimeError as error:
        address = f"{os.environ.get('MASTER_ADDR')}:{os.environ.get('MASTER_PORT')}"
        raise ConnectionError(f"the processes cannot be connected through {address}: {error}") from error
    try:
        yield Meeting(processes)
    finally:
        dist.destroy_process_group()


def _number(name: str, default: int = 0) -> int:
    text = os.environ.get(name, str(default))
    if not text.isdecimal():
        raise ValueError(f"the environment variable {name} is {text!r}; expected a number. The launcher sets it.")
    return int(text)


__all__ = ["Meeting", "Processes", "meeting"]
