"""A job: rows to speak into a folder. Checks, speaks, resumes. Knows neither formats of files nor models."""

from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

from dia.jobs.longest_first import Task, run_longest_first
from dia.jobs.manifest import Manifest, key_of
from dia.jobs.report import Report, RowIndex, check_rows, expected_seconds, good_rows
from dia.jobs.results import RowResult
from dia.jobs.rows import Row
from dia.jobs.settings import BatchSettings
from dia.jobs.sources import Source, SourceRow, open_rows
from dia.jobs.speaking import DiaSpeaker, FolderFull, RowSpeaker
from dia.runtime.files.locks import exclusive_writer
from dia.text.prompt_format import PromptFormat

if TYPE_CHECKING:
    from dia.model import Dia

_WINDOW = 256  # rows in memory, of which the longest is spoken next
_DEFAULTS = BatchSettings()


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

        speaker = DiaSpeaker(model) if isinstance(model, Dia) else model
        if strict and (report := check_rows(self.rows, self.settings, speaker.format)).bad:
            raise ValueError(f"{report.bad} rows cannot be spoken. The first: {report.first_bad[0]}")
        with exclusive_writer(self.folder, parents=True):
            self.folder.mkdir(exist_ok=True)
            with Manifest(self.folder, {**self.settings.plan(), **speaker.plan()}) as manifest:
                yield from _Run(self, speaker, manifest).results()
                manifest.sort()


class _Run:
    """One run of a job."""

    def __init__(self, batch: Batch, speaker: RowSpeaker, manifest: Manifest) -> None:
        self._rows, self._settings = batch.rows, batch.settings
        self._speaker, self._manifest, self._stop = speaker, manifest, Event()

    def results(self) -> Generator[RowResult, None, None]:
        """Every row's result, once."""
        with (
            closing(RowIndex()) as index,
            closing(run_longest_first(self._tasks(index), self._speaker.at_once, _WINDOW, self._stop)) as results,
        ):
            yield from results

    def _tasks(self, index: RowIndex) -> Iterator[Task[RowResult] | RowResult]:
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
                yield Task(expected_seconds(row, script), partial(self._made, row, wanted, source.number))

    def _failed(self, source: SourceRow, error: ValueError) -> RowResult:
        """A row that cannot be spoken; noted once."""
        result = RowResult(row=source.number, error=str(error))
        record = result.record()
        if self._manifest.get(key_of(record), source.number) != record:
            self._manifest.add(key_of(record), source.number, record)
        return result

    def _wanted(self, row: Row) -> RowResult:
        """What is known of a result beforehand. The same row gives the same values."""
        seed = self._settings.seed
        return RowResult(
            id=row.id,
            path=f"{row.id}.{self._settings.format}",
            subtitles=tuple(f"{row.id}.{name}" for name in self._settings.subtitles),
            seed=row.seed_in(seed),
            text_sha256=row.text_sha256,
            settings_sha256=row.settings_sha256(seed),
            model=self._speaker.model,
            versions=self._speaker.versions,
        )

    def _finished(self, wanted: RowResult, number: int) -> RowResult | None:
        """The result of an earlier run, if its inputs are the same and its files are there."""
        record = self._manifest.get(key_of({"id": wanted.id}), number)
        if record is None or "error" in record:
            return None
        try:
            found = RowResult.of(record)
            sizes = [(self._manifest.folder / name).stat().st_size for name in (wanted.path, *wanted.subtitles)]
        except (TypeError, OSError):
            return None
        same = all(_inputs(found)[name] == value for name, value in _inputs(wanted).items())
        return found if same and sizes[0] == found.bytes else None

    def _made(self, row: Row, wanted: RowResult, number: int) -> RowResult:
        """Speak a row and note it. Runs in a thread."""
        folder = self._manifest.folder
        audio, *subtitles = (folder / name for name in (wanted.path, *wanted.subtitles))
        try:
            assert wanted.seed is not None
            spoken = self._speaker.speak(row, wanted.seed, audio, subtitles, self._stop)
            result = replace(wanted, bytes=audio.stat().st_size, **vars(spoken))
        except FolderFull:
            raise
        except Exception as error:
            if self._stop.is_set():
                raise
            result = replace(wanted, error=f"{type(error).__name__}: {error}")
        self._manifest.add(key_of({"id": wanted.id}), number, result.record())
        return result


def _inputs(result: RowResult) -> dict[str, Any]:
    names = ("id", "path", "subtitles", "seed", "text_sha256", "settings_sha256")
    return {name: getattr(result, name) for name in names}


__all__ = ["Batch"]
