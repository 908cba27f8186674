"""A job on Ray: actors that own a model each speak blocks of rows with Ray Data; the driver writes the manifest.

Finished rows are known from our manifest, not from Ray's checkpoint of ids: that one knows ids alone, so it would keep
rows whose text, voice or model has changed and rows whose files are gone, and it is written block by block.
"""

import json
import logging
import pickle
import warnings
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

from dia.distributed.storage import Storage
from dia.jobs.batch import Made, Pending, speak_row
from dia.jobs.longest_first import Task, run_longest_first
from dia.jobs.manifest import MANIFEST, PLAN
from dia.runtime.warnings import DiaWarning
from dia.text.prompt_format import PromptFormat

if TYPE_CHECKING:
    from dia.jobs.batch import Batch
    from dia.jobs.results import RowResult
    from dia.jobs.speaking import RowSpeaker

_ROWS_PER_SLOT = 4  # of a block: what a dead worker loses at most
_WINDOW = 4096  # rows that are sorted by length before they become blocks
_BLOCKS_AT_ONCE = 2  # per actor: the slots stay full while a block ends
_ERROR = -1  # in place of the number of a row
_OURS = OSError, ValueError, TypeError, ImportError
_EXTRA = "pip install 'dia-tts[ray]'"


@dataclass(frozen=True)
class Workers:
    """The workers of a job.

    Args:
        count: number of actors, each with a model.
        cpus: CPU cores of each.
        gpus: GPUs of each.
    """

    count: int = 1
    cpus: float = 1
    gpus: float = 0


@dataclass(frozen=True)
class RemoteModel:
    """What the driver knows of the workers' model, see `dia.jobs.speaking.Model`."""

    format: PromptFormat
    model: str
    versions: dict[str, str]
    at_once: int
    values: dict[str, Any]

    def plan(self) -> dict[str, Any]:
        """What tells the model from others, as JSON values."""
        return self.values

    @classmethod
    def of(cls, speaker: "RowSpeaker") -> "RemoteModel":
        """Describe a model."""
        return cls(speaker.format, speaker.model, speaker.versions, speaker.at_once, speaker.plan())


def connect(address: str | None = None, **options: Any) -> None:
    """Connect to a cluster, or start Ray on this machine, unless this process has done so.

    Args:
        address: of the cluster; None starts Ray on this machine.
        **options: of `ray.init`.

    Raises:
        ImportError: Ray is not installed.
        ConnectionError: no cluster can be reached at the address.
    """
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise ImportError(f"jobs on Ray need ray. Install it: {_EXTRA}") from error
    if ray.is_initialized():
        return
    ray.init(address or "local", include_dashboard=False, log_to_driver=False, logging_level="warning", **options)
    ray.data.DataContext.get_current().enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.WARNING)


def run_on_ray(
    batch: "Batch", load: "Callable[[], RowSpeaker]", storage: Storage, workers: Workers
) -> "Generator[RowResult, None, None]":
    """Speak a job's rows with the actors of the connected cluster, and yield results as `Batch.run` does.

    Rows of a worker that dies are spoken again by others. An interrupted job is resumed by the same call.

    Args:
        batch: the job; its folder holds the manifest and is on this machine.
        load: loads the model in a worker; picklable.
        storage: where the workers put the files.
        workers: how many workers there are, and what each needs.

    Raises:
        BlockingIOError, ValueError, OSError: as `Batch.run`.
        RuntimeError: the workers cannot be started.
    """
    import ray

    files = storage.files()  # before models are loaded
    _warn_of_missing(workers)
    describe = ray.remote(num_cpus=workers.cpus, num_gpus=workers.gpus, max_retries=0)(_describe)
    with _plain_errors():
        model = ray.get(describe.remote(load))
    speak = partial(_speak, model=model, load=load, storage=storage, seed=batch.settings.seed, workers=workers)
    yield from batch.run_elsewhere(model, speak, files)
    for name in (PLAN, MANIFEST):
        storage.publish(batch.folder / name)


def _warn_of_missing(workers: Workers) -> None:
    """Warn if no worker can start now: a cluster may grow, but one that does not would wait without a word."""
    import ray

    there = ray.cluster_resources()
    for name, number in (("CPU", workers.cpus), ("GPU", workers.gpus)):
        if number > there.get(name, 0):
            text = f"a worker needs {number:g} {name}s, but the cluster has {there.get(name, 0):g}; waiting for more."
            warnings.warn(text, DiaWarning, stacklevel=3)


@contextmanager
def _plain_errors() -> Iterator[None]:
    """Raise what a worker has raised, in place of Ray's errors around it.

    Raises:
        RuntimeError: a worker has failed otherwise.
    """
    import ray

    try:
        yield
    except ray.exceptions.RayError as error:
        cause: BaseException | None = error
        while cause is not None and (isinstance(cause, ray.exceptions.RayError) or not isinstance(cause, _OURS)):
            cause = getattr(cause, "cause", None) or cause.__cause__
        if cause is None:
            raise RuntimeError(f"the workers of Ray have failed: {error}") from None
        raise cause from None


def _describe(load: "Callable[[], RowSpeaker]") -> RemoteModel:
    return RemoteModel.of(load())


def _speak(
    pending: Iterator[Pending],
    model: RemoteModel,
    load: "Callable[[], RowSpeaker]",
    storage: Storage,
    seed: int,
    workers: Workers,
) -> Generator[Made | None, None, None]:
    """Have rows spoken by actors."""
    import ray

    blocks, size = [], 0
    for block in _blocks(pending, model.at_once * _ROWS_PER_SLOT, workers.count * _BLOCKS_AT_ONCE):
        size = max(size, block.num_rows)
        blocks.append(ray.put(block))  # Ray moves blocks to the disk when its memory is full
        yield None
    if not blocks:
        yield None
        return
    rows = ray.data.from_arrow_refs(blocks).map_batches(
        Worker,
        fn_constructor_args=(load, model, storage, seed),
        batch_size=size,
        batch_format="numpy",
        compute=ray.data.ActorPoolStrategy(
            size=min(workers.count, len(blocks)),
            max_tasks_in_flight_per_actor=_BLOCKS_AT_ONCE + 1,
            max_concurrent_calls_per_actor=_BLOCKS_AT_ONCE,
            enable_true_multi_threading=True,
        ),
        num_cpus=workers.cpus,
        num_gpus=workers.gpus,
    )
    with _plain_errors():
        for row in rows.iter_rows():
            if row["number"] == _ERROR:
                raise pickle.loads(row["result"])
            yield Made(int(row["number"]), pickle.loads(row["result"]))


def _blocks(pending: Iterator[Pending], size: int, least: int) -> Iterator[Any]:
    """Rows as Arrow tables of at most `size` rows, the longest of each window first.

    A few rows are divided into `least` blocks, so that each worker gets some.
    """
    import pyarrow

    while window := sorted(islice(pending, _WINDOW), key=lambda row: -row.length):
        size = min(size, -(-len(window) // least))
        for start in range(0, len(window), size):
            yield pyarrow.table({"row": [pickle.dumps(row) for row in window[start : start + size]]})


class Worker:
    """Speaks blocks of rows, in an actor.

    Args:
        load: loads the model.
        model: what the model must be.
        storage: where the files are put.
        seed: the seed of the job.

    Raises:
        ValueError: this machine has another model or version.
    """

    def __init__(self, load: "Callable[[], RowSpeaker]", model: RemoteModel, storage: Storage, seed: int) -> None:
        self._speaker, self._storage, self._seed = load(), storage, seed
        plan, wanted = json.dumps(self._speaker.plan(), sort_keys=True), json.dumps(model.plan(), sort_keys=True)
        if plan != wanted or self._speaker.versions != model.versions:
            raise ValueError("a worker has another model or version than the others. Install the same everywhere.")
        with storage.folder():
            pass  # a machine that does not see it is refused now

    def __call__(self, block: dict[str, Any]) -> dict[str, Any]:
        """Speak the rows of a block side by side. An error that ends the job is returned: Ray keeps its text alone."""
        rows: list[Pending] = [pickle.loads(row) for row in block["row"]]
        stop, made = Event(), list[tuple[int, bytes]]()
        try:
            with self._storage.folder() as folder:
                tasks: list[Task[Made] | Made] = [
                    Task(row.length, partial(self._made, row, folder, stop)) for row in rows
                ]
                for one in run_longest_first(tasks, self._speaker.at_once, len(tasks), stop):
                    made.append((one.number, pickle.dumps(one.result)))
        except _OURS as error:
            made.append((_ERROR, pickle.dumps(error)))
        return {"number": [number for number, _ in made], "result": [result for _, result in made]}

    def _made(self, pending: Pending, folder: Path, stop: Event) -> Made:
        if fault := self._fault(pending):
            return Made(pending.number, replace(pending.wanted, error=fault))
        result = speak_row(self._speaker, pending, folder.joinpath, stop)
        if not result.error:
            self._storage.keep(folder, result)
        return Made(pending.number, result)

    def _fault(self, pending: Pending) -> str:
        """Why the row cannot be spoken on this machine; empty if it can."""
        try:
            same = pending.row.settings_sha256(self._seed) == pending.wanted.settings_sha256
        except (OSError, ValueError) as error:
            return f"{type(error).__name__}: {error}"
        return "" if same else "ValueError: the voice is another one on this worker. Use the same on all machines."


__all__ = ["RemoteModel", "Worker", "Workers", "connect", "run_on_ray"]
