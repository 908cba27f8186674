"""`dia batch` in many processes: those of a launcher, or Ray's. Parses their options and prints what was done."""

import argparse
import math
import sys
import warnings
from collections.abc import Callable, Generator
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Any

from dia.commands.options.models import load_model
from dia.commands.options.numbers import count, non_negative, positive
from dia.distributed.launcher import Processes
from dia.runtime.warnings import DiaWarning

if TYPE_CHECKING:
    from dia.jobs.batch import Batch
    from dia.jobs.parts import Totals
    from dia.jobs.results import RowResult
    from dia.jobs.speaking import RowSpeaker

_HERE = "local"
_OF_RAY = ("workers", "worker_cpus", "worker_gpus", "storage")
_OF_ONE_PROCESS = ("audiobook", "measure")


def add_worker_options(group: Any) -> None:
    """Add the options that `results_from_ray` reads."""
    group.add_argument(
        "--ray",
        nargs="?",
        const=_HERE,
        metavar="ADDRESS",
        help="speak with workers on the Ray cluster at ADDRESS, or on this machine without ADDRESS",
    )
    group.add_argument("--workers", type=count, metavar="N", help="with --ray: number of workers (default: 1)")
    group.add_argument(
        "--worker-cpus", type=positive, metavar="N", help="with --ray: CPU cores per worker (default: 1)"
    )
    group.add_argument(
        "--worker-gpus", type=non_negative, metavar="N", help="with --ray: GPUs per worker (default: 0)"
    )
    group.add_argument(
        "--storage", metavar="URL", help="with --ray: where the files of rows go, such as s3://bucket/speech"
    )


def check_worker_options(arguments: argparse.Namespace) -> None:
    """Check how a job is divided, before its rows are read.

    Raises:
        ValueError: options of several processes are used with those of one, or without --ray.
    """
    processes = Processes.of_environment().count
    if arguments.ray is None:
        if given := [name for name in _OF_RAY if getattr(arguments, name) is not None]:
            raise ValueError(f"--{given[0].replace('_', '-')} needs --ray. Add it, or omit the option.")
        if processes > 1 and arguments.audiobook:
            raise ValueError("--audiobook needs a single process. Run it without torchrun or accelerate launch.")
        return
    if processes > 1:
        raise ValueError("--ray starts workers itself. Run dia batch without torchrun or accelerate launch.")
    if arguments.layout != "files" and arguments.storage is not None:
        raise ValueError("--storage holds a file per row; omit it or --layout.")
    if given := [name for name in _OF_ONE_PROCESS if getattr(arguments, name)]:
        raise ValueError(f"--{given[0]} needs the model in this process; omit it, or omit --ray.")


def results_from_ray(batch: "Batch", arguments: argparse.Namespace) -> "Generator[RowResult, None, None]":
    """Speak all rows with Ray's workers, see `dia.distributed.ray_data.run_on_ray`."""
    from dia.distributed.ray_data import Workers, connect, run_on_ray
    from dia.distributed.storage import storage_at

    storage = storage_at(batch.folder, arguments.storage, batch.settings.layout)
    workers = Workers(arguments.workers or 1, arguments.worker_cpus or 1, arguments.worker_gpus or 0)
    if arguments.ray == _HERE:
        connect(num_cpus=math.ceil(workers.count * workers.cpus))
    else:
        connect(arguments.ray)
    options = {name: getattr(arguments, name) for name in ("model", "device", "dtype", "quantization")}
    options["threads"] = arguments.threads or max(1, int(workers.cpus))
    return run_on_ray(batch, partial(_load, options, batch.settings.watermark), storage, workers)


def _load(options: dict[str, Any], watermark: bool) -> "RowSpeaker":
    """Load the model in a worker."""
    from dia.jobs.speaking import DiaSpeaker

    warnings.simplefilter("ignore", DiaWarning)  # they are in the manifest
    return DiaSpeaker(load_model(argparse.Namespace(**options), hints=False), watermark)


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


__all__ = ["add_worker_options", "check_worker_options", "results_from_ray", "speak_share"]
