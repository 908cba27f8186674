"""`dia batch` in the processes of a launcher: loads the model in each, and prints what each has done."""

import argparse
import sys
import warnings
from collections.abc import Callable
from contextlib import closing
from typing import TYPE_CHECKING

from dia.commands.options.models import load_model
from dia.distributed.launcher import Processes
from dia.runtime.warnings import DiaWarning

if TYPE_CHECKING:
    from dia.jobs.batch import Batch
    from dia.jobs.parts import Totals
    from dia.jobs.speaking import RowSpeaker


def speak_share(batch: "Batch", check: Callable[[], object], arguments: argparse.Namespace) -> int:
    """Speak this process's share of the rows, and print what was done.

    Args:
        batch: the job.
        check: checks all rows; called in the first process alone.
        arguments: the options of the model.

    Returns:
        The exit code. A failed row makes it 1 in the process that ends last alone: a launcher ends all processes once
        one of them fails.
    """
    from dia.distributed.batch import run_share

    processes = Processes.of_environment()

    def load() -> "RowSpeaker":
        from dia.jobs.speaking import DiaSpeaker

        if processes.number == 0:
            check()
        arguments.device = processes.device(arguments.device)
        arguments.threads = arguments.threads or processes.threads
        model = load_model(arguments, hints=False, verbose=arguments.verbose)
        return DiaSpeaker(model, batch.settings.watermark)

    made, kept, failed, totals = 0, 0, 0, None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DiaWarning)  # they are in the manifest
        with closing(run_share(batch, load, processes)) as results:
            while True:
                try:
                    result = next(results)
                except StopIteration as end:
                    totals = end.value
                    break
                made += result.made and not result.error
                kept += not result.made
                failed += bool(result.error)
                if result.error:
                    print(f"dia: {result.id or f'row {result.row}'}: {result.error}", file=sys.stderr, flush=True)
    print(
        f"process {processes.number} of {processes.count}: {made} rows made, {kept} kept, {failed} failed", flush=True
    )
    return _summed_up(batch, totals)


def _summed_up(batch: "Batch", totals: "Totals | None") -> int:
    if totals is None:
        return 0
    print(
        f"{batch.folder}: {totals.made} rows have files ({totals.seconds:.2f} s of speech), {totals.failed} failed",
        flush=True,
    )
    return 1 if totals.failed else 0


__all__ = ["speak_share"]
