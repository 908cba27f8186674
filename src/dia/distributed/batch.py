"""A job in the processes of torchrun or `accelerate launch`: each speaks its share of the rows.

`torchrun -m dia.distributed.batch …` is `dia batch …` in every process.
"""

import runpy
import sys
from collections.abc import Callable, Generator
from contextlib import ExitStack, nullcontext
from typing import TYPE_CHECKING

from dia.distributed.launcher import Meeting, Processes, meeting
from dia.jobs.parts import Part, Totals, reserved

if TYPE_CHECKING:
    from dia.jobs.batch import Batch
    from dia.jobs.results import RowResult
    from dia.jobs.speaking import RowSpeaker


def run_share(
    batch: "Batch",
    load: "Callable[[], RowSpeaker]",
    processes: Processes,
) -> "Generator[RowResult, None, Totals | None]":
    """Speak this process's share of a job and yield the results, see `dia.jobs.batch.Batch.run_share`.

    Args:
        batch: the job, the same in all processes.
        load: checks what this process has to check, and returns the speaker of this process.
        processes: this process and the others.

    Returns:
        The totals of all processes if this one is the last to finish, else None.

    Raises:
        BlockingIOError: another job runs in the folder.
        ValueError: the folder belongs to another job, the processes have different models or versions, or one of them
            cannot begin.
        OSError: the folder cannot be written.
    """
    with meeting(processes) as together:
        speaker, part = _begin(batch, load, together)
    with part:
        return (yield from batch.run_share(speaker, part))


def _begin(batch: "Batch", load: "Callable[[], RowSpeaker]", together: Meeting) -> "tuple[RowSpeaker, Part]":
    """Load the model, compare it with those of the other processes, and open the part of this one."""
    number, count = together.processes.number, together.processes.count
    speakers, parts = [], []
    together.agree(lambda: speakers.append(load()))
    plan = batch.plan(speakers[0])
    _check_same(together.agree(lambda: plan))
    with ExitStack() as stack:  # reserved until every process has its part
        together.agree(lambda: stack.enter_context(nullcontext() if number else reserved(batch.folder, plan)))
        try:
            together.agree(lambda: parts.append(Part(batch.folder, plan, number, count)))
        except BaseException:
            for part in parts:
                part.close()
            raise
    return speakers[0], parts[0]


def _check_same(plans: "list[dict[str, object]]") -> None:
    for number, plan in enumerate(plans):
        if different := sorted(name for name in {*plan, *plans[0]} if plan.get(name) != plans[0].get(name)):
            raise ValueError(
                f"process {number} differs from process 0 in {', '.join(different)}, so the files would depend on "
                f"which process writes them. Use the same model, options and versions on all machines."
            )


if __name__ == "__main__":
    sys.argv[1:1] = ["batch"]
    runpy.run_module("dia", run_name="__main__", alter_sys=False)

__all__ = ["run_share"]
