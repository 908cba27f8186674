"""Speak a book into one file with chapters, at the level that publishers ask for.

The rows are spoken as a job of their own in a folder beside the file, so that an interrupted book is resumed.
"""

import json
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dia.audio.dsp.mastering import CEILING, PEAK_LIMIT, LevelMeter, Levels, Mastering
from dia.audio.formats.tags import Provenance, Tags
from dia.audio.waveform import Waveform
from dia.jobs.batch import Batch
from dia.jobs.manifest import MANIFEST
from dia.jobs.results import RowResult
from dia.jobs.settings import BatchSettings
from dia.jobs.sources import Source
from dia.runtime.files.atomic import atomic_file, check_file, check_not_input
from dia.runtime.limits import CHAPTERS, TAG_CHARACTERS

if TYPE_CHECKING:
    from dia.jobs.report import Report
    from dia.jobs.speaking import RowSpeaker
    from dia.model import Dia
    from dia.text.prompt_format import PromptFormat

SILENCE = 0.75, 2.0  # seconds before and after a chapter; ACX asks for 0.5 to 1 and 1 to 5
_ATTEMPTS = 3
_END = 1e9  # seconds; encoders may add some samples at the end
_ROWS, _RECORD = ".rows", "audiobook.json"
_DEFAULTS, _UNTAGGED = BatchSettings(), Tags()


@dataclass(frozen=True)
class AudiobookChapter:
    """A chapter in the file.

    Attributes:
        title: its mark.
        start: in seconds.
        seconds: its length.
        levels: measured in the finished file.
    """

    title: str
    start: float
    seconds: float
    levels: Levels


class Audiobook:
    """A book to speak into one file. See docs/audiobooks.md.

    Args:
        source: a book, or any other source of `Batch`: each row is a chapter.
        path: the file to write: .m4b, .m4a, .mp4, .mp3 or .opus.
        settings: what applies to all chapters. Its format, layout, subtitles and codes are not used.
        tags: title and artist; by default those of the book. Its chapters are not used.

    Raises:
        ImportError: PyAV is not installed.
        FileNotFoundError, TypeError, ValueError, OSError: the source or the path is invalid; the message says why.
    """

    def __init__(
        self, source: Source, path: str | Path, settings: BatchSettings = _DEFAULTS, tags: Tags = _UNTAGGED
    ) -> None:
        from dia.audio.files import file_format

        self.path = Path(path)
        file_format(self.path, replace(tags, chapters=((0.0, "1"),)))
        check_file(self.path)
        if isinstance(source, str | Path):
            check_not_input(self.path, {"the input": source}, "path")
        if not self.path.absolute().parent.is_dir():
            raise FileNotFoundError(f"the folder {self.path.absolute().parent} does not exist. Create it first.")
        settings = replace(settings, format="flac", layout="files", subtitles=(), codes=False)
        self.batch = Batch(source, self.path.with_name(f"{self.path.name}{_ROWS}"), settings)
        self._tags = _with_facts(tags, source)
        self._results: dict[str, RowResult] = {}

    def check(self, model: "Dia | PromptFormat") -> "Report":
        """Check all chapters without speaking, see `Batch.check`.

        Raises:
            ValueError: there are more chapters than a file can have.
        """
        report = self.batch.check(model)
        CHAPTERS.check("the number of chapters", report.good)
        return report

    def run(self, model: "Dia | RowSpeaker") -> Generator[RowResult, None, None]:
        """Speak the chapters that are not finished, and yield every chapter's result once, see `Batch.run`."""
        found: dict[str, RowResult] = {}
        self._results = {}
        with closing(self.batch.run(model)) as results:
            for result in results:
                found[result.id or f"row {result.row}"] = result
                yield result
        self._results = found

    def write(self) -> list[AudiobookChapter]:
        """Write the file, after all chapters are spoken. A file that is the same already is kept.

        Returns:
            The chapters, with the levels that were measured in the file.

        Raises:
            ValueError: a chapter is missing.
            OSError: the file cannot be written.
        """
        if bad := [id for id, result in self._results.items() if result.error]:
            raise ValueError(f"{len(bad)} chapters are missing, the first is {bad[0]}. Repair them and run it again.")
        if not self._results:
            raise ValueError("no chapter has been spoken; iterate over run(model) to the end first.")
        results = list(self._in_order())
        recipe = self._recipe(results)
        chapters = self._kept(recipe)
        if chapters is None:
            chapters = self._written(results)
            self._record(recipe, chapters)
        return chapters

    def _in_order(self) -> Iterator[RowResult]:
        """The results in the order of the input, which is that of the manifest."""
        with open(self.batch.folder / MANIFEST, encoding="utf-8") as lines:
            ids = [json.loads(line).get("id") for line in lines]
        return (self._results[id] for id in ids if id in self._results)

    def _written(self, results: Sequence[RowResult]) -> list[AudiobookChapter]:
        """Write the file, again with lower peaks if the encoder has raised them above the limit."""
        ceiling = CEILING
        for _ in range(_ATTEMPTS):
            chapters = list(self._encoded(results, ceiling))
            excess = max(chapter.levels.peak for chapter in chapters) - PEAK_LIMIT
            if excess <= 0:
                break
            ceiling -= excess + 0.5  # what the encoder adds differs a little each time
        return chapters

    def _encoded(self, results: Sequence[RowResult], ceiling: float) -> Iterator[AudiobookChapter]:
        from dia.audio.files import Writer

        files = [self.batch.folder / result.path for result in results]
        lengths = [_length(file) for file in files]
        rate = lengths[0][1]
        edges = [float(samples) / rate for samples in np.cumsum([0, *(samples for samples, _ in lengths)])]
        titles = [_title(result) for result in results]
        tags = replace(self._tags, chapters=tuple(zip(edges, titles, strict=False)))
        origin = Provenance(results[0].model, None)  # each chapter has a seed of its own
        with Writer(self.path, rate, origin, tags=tags, seconds=edges[-1]) as writer:
            for file in files:
                for samples in _mastered(file, rate, ceiling):
                    writer.write(samples)
        spans = list(pairwise(edges))
        for title, (start, end), levels in zip(titles, spans, _measured(self.path, spans), strict=True):
            yield AudiobookChapter(title, start, end - start, levels)

    def _recipe(self, results: Sequence[RowResult]) -> str:
        """A checksum of what the file is made of."""
        facts = [(one.id, _title(one), one.seed, one.bytes, one.text_sha256, one.settings_sha256) for one in results]
        plan = (self.batch.folder / "batch.json").read_text(encoding="utf-8")
        content = [facts, asdict(self._tags), SILENCE, self.path.name, plan]
        return sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    def _record(self, recipe: str, chapters: Sequence[AudiobookChapter]) -> None:
        record = {"recipe": recipe, "bytes": self.path.stat().st_size, "chapters": [asdict(one) for one in chapters]}
        with atomic_file(self.batch.folder / _RECORD) as path:
            path.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")

    def _kept(self, recipe: str) -> list[AudiobookChapter] | None:
        """The chapters of the file, if it is made of the same; None if it has to be written."""
        with suppress(OSError, ValueError, KeyError, TypeError):
            record = json.loads((self.batch.folder / _RECORD).read_text(encoding="utf-8"))
            if (record["recipe"], record["bytes"]) == (recipe, self.path.stat().st_size):
                return [AudiobookChapter(**{**one, "levels": Levels(**one["levels"])}) for one in record["chapters"]]
        return None


def _with_facts(tags: Tags, source: Any) -> Tags:
    """Tags with the title and author of the book where they are not given."""
    from dia.text.books import book

    if not isinstance(source, str | Path) or Path(source).suffix.lower() not in book.SUFFIXES or Path(source).is_dir():
        return tags
    found = book.read_book(source)
    facts = Tags.of({"title": found.title[:TAG_CHARACTERS], "artist": found.author[:TAG_CHARACTERS]})
    return replace(tags, title=tags.title or facts.title, artist=tags.artist or facts.artist)


def _title(result: RowResult) -> str:
    return (result.title or str(result.id))[:TAG_CHARACTERS].replace("\0", "").strip()


def _length(file: Path) -> tuple[int, int]:
    """The samples of a chapter with its silence, and the rate in Hz."""
    import soundfile

    info = soundfile.info(file)
    return info.frames + sum(round(seconds * info.samplerate) for seconds in SILENCE), info.samplerate


def _mastered(file: Path, rate: int, ceiling: float) -> Iterator[Waveform]:
    """The samples of a chapter at its level, with silence on both sides, in blocks."""
    mastering = Mastering(rate, sum(SILENCE), ceiling)
    for samples in _blocks(file):
        mastering.measure(samples)
    before, after = (np.zeros(round(seconds * rate), np.float32) for seconds in SILENCE)
    yield before
    yield from (mastering.apply(samples) for samples in _blocks(file))
    yield after


def _blocks(file: Path) -> Iterator[Waveform]:
    from dia.audio.formats.sequential import SequentialFile, blocks

    with SequentialFile(file) as opened:
        yield from (samples[:, 0] for samples in blocks(opened))


def _spans(chapters: Sequence[tuple[float, float]]) -> Iterator[tuple[float, int, bool]]:
    """The end in seconds of each silence and speech, the number of its chapter, and whether it is speech."""
    before, after = SILENCE
    for number, (start, end) in enumerate(chapters):
        yield start + before, number, False
        yield end - after, number, True
        yield end, number, False


def _measured(path: Path, chapters: Sequence[tuple[float, float]]) -> list[Levels]:
    """The levels of each chapter of a file, as it is decoded. The added silence does not count as a pause.

    Args:
        path: the file.
        chapters: start and end of each, in seconds.
    """
    from dia.audio.formats.containers import decoded_blocks

    spans, position = _spans(chapters), 0
    end, chapter, speech = next(spans)
    meters: dict[int, LevelMeter] = {}
    with open(path, "rb") as file:
        for block, rate in decoded_blocks(file, str(path)):
            samples = block[:, 0]
            while len(samples):
                part = samples[: max(0, round(end * rate) - position)]
                meters.setdefault(chapter, LevelMeter(rate)).add(part, speech)
                position, samples = position + len(part), samples[len(part) :]
                if len(samples):
                    end, chapter, speech = next(spans, (_END, chapter, False))
    return [meters[chapter].levels() for chapter in range(len(chapters))]


__all__ = ["SILENCE", "Audiobook", "AudiobookChapter"]
