"""Train one model in several processes on one machine. On CPUs one process per core is faster than one thread."""

import multiprocessing
import os
import tempfile
import threading
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from dia.runtime.limits import PROCESSES
from dia.runtime.resources.cores import usable_cores


def run(work: Callable[..., None], processes: int, *arguments: Any) -> None:
    """Call `work(*arguments)` in `processes` processes that share the cores; a single one is the current process.

    `work` and its arguments must be picklable. If one process fails, the others are stopped.

    Raises:
        TypeError, ValueError: processes is no whole number, or out of range.
        torch.multiprocessing.ProcessException: `work` raised an error, whose traceback is in the message, or a process
            was killed.
    """
    PROCESSES.check("processes", processes)
    if processes == 1:
        work(*arguments)
        return
    with tempfile.TemporaryDirectory() as folder:
        meeting = Path(folder) / "meeting"
        torch.multiprocessing.spawn(_joined, (meeting, processes, work, arguments), nprocs=processes)  # type: ignore[attr-defined]


def _joined(rank: int, meeting: Path, processes: int, work: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    torch.set_num_threads(max(1, usable_cores() // processes))
    dist.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=processes)
    work(*arguments)
    dist.destroy_process_group()  # not after an error: the others would report a lost connection


def _end_with_parent() -> None:
    """Wait for the parent process, and end this one. A shell lets background jobs ignore torch's SIGINT for that."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def rank() -> int:
    """The index of this process; 0 if it is the only one."""
    return dist.get_rank() if dist.is_initialized() else 0


def processes() -> int:
    """The number of processes; 1 if this is the only one."""
    return dist.get_world_size() if dist.is_initialized() else 1


def mean(number: float) -> float:
    """The mean of a number over all processes."""
    if processes() == 1:
        return number
    shared = torch.tensor([number], dtype=torch.float64)
    dist.all_reduce(shared)
    return float(shared) / processes()


def wait() -> None:
    """Wait until all processes have called this."""
    if processes() > 1:
        dist.barrier()


def average_gradients(parameters: Iterable[Tensor]) -> None:
    """Replace each gradient by its mean over all processes, which must have gradients for the same tensors."""
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    add(gradients)
    if processes() > 1:
        torch._foreach_div_(gradients, processes())


def add(tensors: Sequence[Tensor]) -> None:
    """Replace each tensor by its sum over all processes, which must have the same number of them and their shapes."""
    if processes() == 1 or not tensors:
        return
    flat = torch.cat([tensor.flatten() for tensor in tensors])
    dist.all_reduce(flat)
    parts = flat.split([tensor.numel() for tensor in tensors])
    views = [part.view_as(tensor) for part, tensor in zip(parts, tensors, strict=True)]
    torch._foreach_copy_(list(tensors), views)


__all__ = ["add", "average_gradients", "mean", "processes", "rank", "run", "wait"]
