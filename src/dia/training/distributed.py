"""Train one model in several processes on one machine. On CPUs one process per core is faster than one thread."""

import tempfile
from collections.abc import Callable, Iterable
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
    torch.set_num_threads(max(1, usable_cores() // processes))
    dist.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=processes)
    work(*arguments)
    dist.destroy_process_group()  # not after an error: the others would report a lost connection


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
    if processes() == 1:
        return
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    dist.all_reduce(flat)
    flat /= processes()
    parts = flat.split([gradient.numel() for gradient in gradients])
    torch._foreach_copy_(gradients, [part.view_as(gradient) for part, gradient in zip(parts, gradients, strict=True)])


__all__ = ["average_gradients", "mean", "processes", "rank", "run", "wait"]
