"""A job: rows to speak into a folder. Checks, speaks, resumes. Knows neither formats of files nor models."""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import AbstractContextManager, closing, nullcontext
from copy import copy
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from dia.jobs.division import Share
from dia.jobs.longest_first import Task, run_longest_first
from dia.jobs.manifest import MANIFEST, PLAN, Manifest, key_of
from dia.jobs.output.formats import CODES, METADATA, metadata_bytes
from dia.jobs.output.layouts import open_store
from dia.jobs.output.store import RowStore
from dia.jobs.parts import Part, Totals, absorb
from dia.jobs.report import Report, RowIndex, check_rows, expected_seconds, good_rows
from dia.jobs.results import RowResult
from dia.jobs.rows import Row
from dia.jobs.settings import SUBTITLES, BatchSettings
from dia.jobs.sources import Source, SourceRow, open_rows
from dia.jobs.speaking import DiaSpeaker, FolderFull, Model, RowSpeaker, as_full_folder
from dia.runtime.files.atomic import atomic_file, check_not_input
from dia.runtime.files.locks import exclusive_writer
from dia.text.prompt_format import PromptFormat

if TYPE_CHECKING:
    from dia.model import Dia

Speak: TypeAlias = "Callable[[Iterator[Pending]], Generator[Made | None, None, None]]"

_WINDOW = 256  # rows in memory, of which the longest is spoken next
_DEFAULTS = BatchSettings()


@dataclass(frozen=True)
class Pending:
    """A row to speak: a plain value, which can be spoken in any process.

    Attributes:
        row: the row.
        wanted: what is known of its result.
        number: its number in the input, from 1.
        length: the estimated length of its speech, in seconds.
    """

    row: Row
    wanted: RowResult
    number: int
    length: float


class Made(NamedTuple):
    """The result of a row that was spoken in another process, and the number of the row in the input."""

    number: int
    result: RowResult


class Batch:
    """Rows to speak into a folder: one audio file per row, and a manifest. See docs/batch.md.

    Args:
        source: a .jsonl, .csv or .parquet file, a script, a book, a folder of these two, `dataset:NAME`, or a list or
            data set of dicts. It is read twice, row by row.
        folder: the output, created if needed. A folder of the same job is resumed.
        settings: what applies to all rows.

    Raises:
        FileNotFoundError, ImportError, TypeError, ValueError: the source cannot be read; the message says why.
    """

    def __init__(self, source: Source, folder: str | Path, settings: BatchSettings = _DEFAULTS) -> None:
        self.rows, self.folder, self.settings = open_rows(source), Path(folder), settings
        if isinstance(source, str | Path) and self.folder.resolve() == Path(source).resolve():
            raise ValueError(f"folder {folder} is the input; choose another folder for the output.")
        if self.folder.exists() and not self.folder.is_dir():
            raise ValueError(f"folder {folder} is a file; choose a folder.")
        if isinstance(source, str | Path):
            for name in (MANIFEST, PLAN, *(f"{Path(source).stem}.{suffix}" for suffix in settings.subtitles)):
                check_not_input(self.folder / name, {"the input": source}, "output")

    def check(self, model: "Dia | PromptFormat") -> Report:
        """Check all rows without speaking, in constant memory.

        Args:
            model: the model, or its prompt conventions alone.

        Raises:
            OSError: the rows cannot be read.
        """
        format = model if isinstance(model, PromptFormat) else PromptFormat.of(model.model.generation_config)
        return check_rows(self.rows, self.settings, format)

    def run(self, model: "Dia | RowSpeaker", strict: bool = False) -> Generator[RowResult, None, None]:
        """Check all rows, then speak those that are not finished, and yield every row's result once.

        Results come as rows are finished, not in the order of the input. A failed row is a result with an `error`;
        the next run tries it again. Results of earlier runs have `made` false. Closing the iterator stops the work.

        Args:
            model: the model, with its codec.
            strict: raise if a row cannot be spoken, before the first one is.

        Raises:
            BlockingIOError: another process runs a job in the folder. This and the others come from the iterator.
            ValueError: the folder belongs to another job, or `strict` is true and rows cannot be spoken.
            OSError: the folder cannot be written, for example on a full disk. Finished rows are kept.
        """
        from dia.model import Dia

        speaker = DiaSpeaker(model, self.settings.watermark) if isinstance(model, Dia) else model
        if strict and (report := check_rows(self.rows, self.settings, speaker.format)).bad:
            raise ValueError(f"{report.bad} rows cannot be spoken. The first: {report.first_bad[0]}")
        with exclusive_writer(self.folder, parents=True):
            self.folder.mkdir(exist_ok=True)
            with Manifest(self.folder, self.plan(speaker)) as manifest:
                absorb(manifest)
                with self._store() as store:
                    yield from _Run(self, speaker, manifest, store).results(speaker)
                manifest.sort()

    def plan(self, speaker: Model) -> dict[str, Any]:
        """What all rows of the folder have in common, as JSON values."""
        return {**self.settings.plan(), **speaker.plan()}

    def run_share(self, speaker: RowSpeaker, part: Part) -> Generator[RowResult, None, Totals | None]:
        """Speak the rows of one of several processes and yield their results, as `run` does for all rows.

        Args:
            speaker: speaks the rows.
            part: the part of the manifest, whose number and count say which rows to speak.

        Returns:
            The totals of all processes if this one is the last to finish, else None.

        Raises:
            OSError: the folder cannot be written, for example on a full disk. Finished rows are kept.
        """
        share = copy(self)
        share.rows = Share(self.rows, part.number, part.count, lambda id: part.is_made(key_of({"id": id})))
        with self._store(share=True) as store:
            yield from _Run(share, speaker, part, store).results(speaker)
        return part.finish(partial(self._write_shards, speaker))

    def _write_shards(self, model: Model, manifest: Manifest) -> None:
        """Write the shards of rows that several processes have made."""
        if self.settings.layout == "files":
            return
        with self._store() as store:
            _Run(self, model, manifest, store).store_finished()
        manifest.sort()

    def run_elsewhere(
        self, model: Model, speak: Speak, files: RowStore | None = None
    ) -> Generator[RowResult, None, None]:
        """Have the rows spoken by other processes and yield every row's result once, as `run` does.

        Args:
            model: describes the model of the other processes.
            speak: has rows spoken and yields their results in any order, and None from time to time while it only
                reads rows.
            files: knows which files are there, if not in the folder. The layout is a file per row then.

        Raises:
            BlockingIOError, ValueError, OSError: as `run`.
        """
        if files is not None and self.settings.layout != "files":
            raise ValueError(f"layout={self.settings.layout!r} writes into the folder; omit the storage.")
        with exclusive_writer(self.folder, parents=True):
            self.folder.mkdir(exist_ok=True)
            with Manifest(self.folder, self.plan(model)) as manifest:
                absorb(manifest)
                with nullcontext(files) if files is not None else self._store() as store:
                    yield from _Run(self, model, manifest, store).results_from(speak)
                manifest.sort()

    def _store(self, share: bool = False) -> AbstractContextManager[RowStore]:
        return closing(open_store(self.folder, self.settings.shard_format(), self.settings.shard_rows, share))


class _Run:
    """One run of a job."""

    def __init__(self, batch: Batch, speaker: Model, manifest: Manifest | Part, store: RowStore) -> None:
        self._rows, self._settings = batch.rows, batch.settings
        self._speaker, self._manifest, self._store, self._stop = speaker, manifest, store, Event()

    def results(self, speaker: RowSpeaker) -> Generator[RowResult, None, None]:
        """Every row's result, once."""
        with (
            closing(RowIndex()) as index,
            closing(run_longest_first(self._tasks(index, speaker), speaker.at_once, _WINDOW, self._stop)) as results,
        ):
            yield from self._stored(results)

    def store_finished(self) -> None:
        """Store the rows that have files already, without speaking others."""
        with closing(RowIndex()) as index:
            known = (_unmade(item) if isinstance(item, Pending) else item for item in self._pending(index))
            for _ in self._stored(known):
                pass

    def _stored(self, results: Iterable[RowResult]) -> Iterator[RowResult]:
        """The same results, whose files are in the store when they come, and the whole input at the end."""
        for result in results:
            if result.id is not None:
                with as_full_folder(self._manifest.folder):
                    self._store.done(result.id, not result.error)
            yield result
        with as_full_folder(self._manifest.folder):
            self._store.end()

    def results_from(self, speak: Speak) -> Generator[RowResult, None, None]:
        """Every row's result, once, of rows that `speak` has spoken elsewhere."""
        with closing(self._made_elsewhere(speak)) as results:
            yield from self._stored(results)

    def _made_elsewhere(self, speak: Speak) -> Generator[RowResult, None, None]:
        ready = deque[RowResult]()
        with closing(RowIndex()) as index, closing(speak(self._waiting(index, ready))) as results:
            for made in results:
                if made is not None:
                    self._note(made.result, made.number)
                    ready.append(made.result)
                while ready:
                    yield ready.popleft()
            yield from ready

    def _waiting(self, index: RowIndex, ready: deque[RowResult]) -> Iterator[Pending]:
        """The rows to speak. Results of others are appended to `ready`."""
        for item in self._pending(index):
            if isinstance(item, Pending):
                yield item
            else:
                ready.append(item)

    def _tasks(self, index: RowIndex, speaker: RowSpeaker) -> Iterator[Task[RowResult] | RowResult]:
        for item in self._pending(index):
            if isinstance(item, Pending):
                yield Task(item.length, partial(self._made, speaker, item))
            else:
                yield item

    def _pending(self, index: RowIndex) -> Iterator[Pending | RowResult]:
        for source, checked in good_rows(self._rows, self._settings, self._speaker.format, index):
            if isinstance(checked, ValueError):
                yield self._failed(source, checked)
                continue
            row, script = checked
            wanted = self._wanted(row)
            finished = self._finished(wanted, source.number)
            if finished is not None:
                yield finished
            else:
                yield Pending(row, wanted, source.number, expected_seconds(row, script))

    def _failed(self, source: SourceRow, error: ValueError) -> RowResult:
        """A row that cannot be spoken; noted once."""
        result = RowResult(row=source.number, error=str(error))
        record = result.record()
        if self._manifest.get(key_of(record), source.number) != record:
            self._manifest.add(key_of(record), source.number, record)
        return result

    def _wanted(self, row: Row) -> RowResult:
        """What is known of a result beforehand. The same row gives the same values."""
        settings = self._settings
        audio, *others = self._names(row.id)
        return RowResult(
            id=row.id,
            path=audio,
            subtitles=tuple(name for name in others if name.endswith(SUBTITLES)),
            codes=f"{row.id}.{CODES}" if settings.codes else "",
            shard=self._store.place(row.id, [audio, *others]),
            title=row.title,
            seed=row.seed_in(settings.seed),
            text_sha256=row.text_sha256,
            settings_sha256=row.settings_sha256(settings.seed),
            model=self._speaker.model,
            versions=self._speaker.versions,
        )

    def _names(self, id: str) -> list[str]:
        """The names of a row's files, the audio first."""
        settings = self._settings
        others = (*settings.subtitles, *((CODES,) if settings.codes else ()))
        sharded = settings.layout != "files"
        return [f"{id}.{suffix}" for suffix in (settings.format, *others, *((METADATA,) if sharded else ()))]

    def _finished(self, wanted: RowResult, number: int) -> RowResult | None:
        """The result of an earlier run, if its inputs are the same and its files are there."""
        record = self._manifest.get(key_of({"id": wanted.id}), number)
        if record is None or "error" in record:
            return None
        try:
            found = RowResult.of(record)
        except TypeError:
            return None
        sizes = [self._store.size(name) for name in self._names(str(wanted.id))]
        if _inputs(found) != _inputs(wanted) or None in sizes or sizes[0] != found.bytes:
            return None
        if found.shard != wanted.shard:  # rows before it have come or gone
            found = replace(found, shard=wanted.shard)
            self._manifest.add(key_of(record), number, found.record(), durable=False)  # found again if it is lost
        return found

    def _made(self, speaker: RowSpeaker, pending: Pending) -> RowResult:
        """Speak a row and note it. Runs in a thread."""
        result = speak_row(speaker, pending, self._store.path, self._stop)
        self._note(result, pending.number)
        return result

    def _note(self, result: RowResult, number: int) -> None:
        with as_full_folder(self._manifest.folder):
            self._manifest.add(key_of({"id": result.id}), number, result.record())


def speak_row(speaker: RowSpeaker, pending: Pending, path: Callable[[str], Path], stop: Event) -> RowResult:
    """Speak a row into files. An error of the row is part of the result.

    Args:
        speaker: speaks it.
        pending: the row.
        path: returns where to write the file of a name.
        stop: ends the work early once it is set.

    Raises:
        FolderFull: a file cannot be written.
        Exception: `stop` was set.
    """
    try:
        return _spoken(speaker, pending, path, stop)
    except FolderFull:
        raise
    except Exception as error:
        if stop.is_set():
            raise
        return replace(pending.wanted, error=f"{type(error).__name__}: {error}")


def _spoken(speaker: RowSpeaker, pending: Pending, path: Callable[[str], Path], stop: Event) -> RowResult:
    row, wanted = pending.row, pending.wanted
    assert wanted.seed is not None
    audio, *subtitles = (path(name) for name in (wanted.path, *wanted.subtitles))
    codes = {"codes": path(wanted.codes)} if wanted.codes else {}
    spoken = speaker.speak(row, wanted.seed, audio, subtitles, stop, **codes)
    result = replace(wanted, bytes=audio.stat().st_size, **vars(spoken))
    if wanted.shard:
        metadata = path(f"{row.id}.{METADATA}")
        with as_full_folder(metadata.parent), atomic_file(metadata) as file:
            file.write_bytes(metadata_bytes(_metadata(row, result)))
    return result


def _unmade(pending: Pending) -> RowResult:
    return replace(pending.wanted, error="has no files")


def _inputs(result: RowResult) -> dict[str, Any]:
    names = ("id", "path", "subtitles", "codes", "title", "seed", "text_sha256", "settings_sha256")
    return {name: getattr(result, name) for name in names}


def _metadata(row: Row, result: RowResult) -> dict[str, Any]:
    """What a shard says of a row."""
    names = ("id", "title", "model", "seconds", "seed", "warnings", "faults", "attempts", "bytes")
    metadata = {"text": row.text, **{name: getattr(result, name) for name in names}}
    return metadata | {"seed": (metadata["seed"] + 2**63) % 2**64 - 2**63}  # the same seed with a sign


__all__ = ["Batch", "Made", "Pending", "speak_row"]
