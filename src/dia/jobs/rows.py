"""Check the columns of a row and turn it into a plain value, `Row`. Needs no model and no torch."""

import json
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from dia.jobs.columns import COLUMNS, OPTIONS
from dia.jobs.sources import SourceRow
from dia.runtime.files.reading import check_is_file
from dia.runtime.limits import BEST_OF, RETRIES
from dia.runtime.ranges import check_given, shown
from dia.runtime.spelling import did_you_mean
from dia.synthesis.options import Options, check_options
from dia.synthesis.takes.seeds import checked_seed
from dia.text.formats.lines import FormatError
from dia.text.prompt_format import PromptFormat
from dia.text.script import Script, parse
from dia.text.speakers import by_speaker
from dia.text.tags import SPEAKERS

LONGEST_ID = 200  # bytes; file systems allow 255 for a name, and a suffix and temporary names need the rest
_FLAGS = ("true", "false")
_CELLS_OF_TEXT = ("id", "text", "text_format", "title")
_READING = ("normalize", "speakers", "text_format", "keep_timing")
_NOT_IN_IDS = re.compile(r'[\x00-\x1f\x7f/\\:*?"<>|]|[\ud800-\udfff]')
_DEVICES = re.compile(r"(?i:con|prn|aux|nul|com\d|lpt\d)(\..*)?")  # names that Windows reserves


@dataclass(frozen=True)
class Row:
    """One script of a job.

    Attributes:
        id: the name of its output, without a suffix.
        text: the script.
        voice: a name, a path, or a dict of these by speaker; None for the model's own voice.
        seed: the seed; None derives it from the job's seed and `id`.
        options: options of `Dia.generate`, and `retries`, `best_of` and `long_form`.
        title: what the row is called, such as the heading of a chapter. It is not spoken.
    """

    id: str
    text: str
    voice: Any = None
    seed: int | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    title: str = ""

    def seed_in(self, job_seed: int) -> int:
        """The seed of the row: its own, or 32 bits, which a watermark can hold, derived from the job's and `id`."""
        if self.seed is not None:
            return self.seed
        return int.from_bytes(sha256(f"{job_seed} {self.id}".encode()).digest()[:4], "big")

    @property
    def text_sha256(self) -> str:
        """A checksum of the script."""
        return sha256(self.text.encode()).hexdigest()

    def settings_sha256(self, job_seed: int) -> str:
        """A checksum of seed, options and the contents of the voice."""
        content = [self.seed_in(job_seed), dict(self.options), _voice_checksums(self.voice)]
        return sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()


def read_row(source: SourceRow, defaults: Mapping[str, Any], format: PromptFormat) -> tuple[Row, Script]:
    """Check a row; return it, and its script as the model reads it.

    Args:
        source: the row as it was read.
        defaults: values of columns that a row may replace.
        format: the prompt conventions of the model.

    Raises:
        ValueError: the row cannot be spoken; the message says where it is and why.
    """
    if source.error:
        raise ValueError(source.error)
    try:
        row = _row(_columns(source), defaults)
        script = _script(row, format)
        if isinstance(row.voice, Mapping):
            by_speaker(row.voice, script.names, "voice")
    except FormatError as error:
        raise ValueError(f"{source.place}, in the script: {error}") from error
    except (TypeError, ValueError, OSError, RecursionError) as error:
        raise ValueError(f"{source.place}: {error}") from error
    return row, script


def _columns(source: SourceRow) -> dict[str, Any]:
    content = source.content
    if not isinstance(content, Mapping):
        raise TypeError(f"the row is {shown(content)}; expected a dict with id and text.")
    for name in content:
        if name not in COLUMNS:
            hint = did_you_mean(str(name), COLUMNS) or "."
            raise ValueError(f"the column {shown(name)} is unknown{hint} Columns are {', '.join(COLUMNS)}.")
    if not source.as_text:
        return dict(content)
    return {name: _from_text(name, value) for name, value in content.items()}


def _from_text(name: str, text: str) -> Any:
    """The value of a cell of a CSV file."""
    if name in _CELLS_OF_TEXT or (name == "voice" and not text.startswith("{")):
        return text
    try:
        return json.loads(text.lower() if text.lower() in _FLAGS else text)
    except ValueError:
        raise ValueError(f"{name} is {shown(text)}; expected a number, true, false, or JSON.") from None


def _row(columns: Mapping[str, Any], defaults: Mapping[str, Any]) -> Row:
    given = {name: filled for name, value in columns.items() if (filled := _filled(value)) is not None}
    values = {**{name: _filled(value) for name, value in defaults.items()}, **given}
    options = {name: values[name] for name in OPTIONS if values.get(name) is not None}
    text, title = _text(given), _title(given.get("title", ""))
    id, seed, options = checked_id(given.get("id")), checked_seed(values.get("seed")), checked_row_options(options)
    check_voice(values.get("voice"))
    return Row(id, text, values.get("voice"), seed, options, title)


def _filled(value: Any) -> Any:
    """A value without the keys that it leaves empty: in a table, the dicts of a column have the same keys in all rows.

    A dict of which nothing is left is None; one that was given as empty is kept.
    """
    if not isinstance(value, Mapping) or not value:
        return value
    return {key: one for key, one in value.items() if one is not None} or None


def checked_row_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a row or of a job, with plain numbers.

    Raises:
        TypeError, ValueError: an option is invalid; the message names it.
    """
    shared = check_options({name: value for name, value in options.items() if name in Options.__annotations__})
    numbers = check_given({"retries": RETRIES, "best_of": BEST_OF}, options)
    if not isinstance(options.get("long_form", False), bool):
        raise TypeError(f"long_form is {shown(options['long_form'])}; expected true or false.")
    return {**options, **shared, **numbers}


def checked_id(given: Any) -> str:
    """An id, which must be usable as the name of a file on any system. A whole number is taken as text.

    Raises:
        TypeError, ValueError: it is not; the message says why.
    """
    if given is None or given == "":
        raise ValueError("id is missing or empty; give each row one of its own.")
    if isinstance(given, bool) or not isinstance(given, str | int):
        raise TypeError(f"id is {shown(given)}; expected text.")
    name = str(given)
    if found := _NOT_IN_IDS.search(name):
        raise ValueError(f"id {shown(name)} contains {shown(found[0])}, which names of files cannot have. Replace it.")
    if name.startswith((".", " ")) or name.endswith((".", " ")) or _DEVICES.fullmatch(name):
        raise ValueError(f"id {shown(name)} is not allowed as the name of a file. Choose another.")
    if len(name.encode()) > LONGEST_ID:
        raise ValueError(f"id {shown(name)} has {len(name.encode())} bytes; at most {LONGEST_ID} are allowed.")
    return name


def folded_id(id: str) -> str:
    """An id as file systems that ignore case see it."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", id).casefold())


def _text(given: Mapping[str, Any]) -> str:
    if ("text" in given) == ("turns" in given):
        raise ValueError("the row needs either text or turns.")
    text = _joined(given["turns"]) if "turns" in given else given["text"]
    if not isinstance(text, str):
        raise TypeError(f"text is {shown(text)}; expected a script.")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("text contains bytes that are not UTF-8. Save the file as UTF-8.") from None
    return text


def _title(title: Any) -> str:
    if not isinstance(title, str):
        raise TypeError(f"title is {shown(title)}; expected text.")
    return title.encode("utf-8", "replace").decode("utf-8")


def _joined(turns: Any) -> str:
    """Turns, each a dict with `speaker` and `text`, as one script. Names become S1 and S2 in order of appearance."""
    if not isinstance(turns, list | tuple) or not turns:
        raise TypeError(f"turns is {shown(turns)}; expected a list of dicts with speaker and text.")
    tags: dict[str, str] = {}
    said = []
    for turn in turns:
        if not isinstance(turn, Mapping) or not all(isinstance(turn.get(key), str) for key in ("speaker", "text")):
            raise TypeError(f"turns contains {shown(turn)}; expected a dict with the texts speaker and text.")
        if turn["speaker"] not in tags:
            if len(tags) == len(SPEAKERS):
                raise ValueError(f"turns has a third speaker, {shown(turn['speaker'])}; a script has two.")
            free = [tag for tag in SPEAKERS if tag not in tags.values()]
            tags[turn["speaker"]] = turn["speaker"] if turn["speaker"] in free else free[0]
        said.append(f"[{tags[turn['speaker']]}] {turn['text']}")
    return "\n".join(said)


def _script(row: Row, format: PromptFormat) -> Script:
    reading = {name: row.options[name] for name in _READING if name in row.options}
    return parse(row.text, frontend=format.text_frontend, **reading)


def check_voice(voice: Any) -> None:
    """Check that voices exist, without loading them.

    Raises:
        TypeError, ValueError, FileNotFoundError: a voice is missing or damaged.
    """
    _voice_checksums(voice)


def _voice_checksums(voice: Any) -> Any:
    """Checksums of the voices' files, so that a voice that was made anew counts as another."""
    if voice is None:
        return None
    if isinstance(voice, Mapping):
        return {str(speaker): _voice_checksums(one) for speaker, one in voice.items() if one is not None}
    if not isinstance(voice, str | Path) or not str(voice):
        raise TypeError(f"voice is {shown(voice)}; expected a name, a path, or a dict of these by speaker.")
    from dia.voices.library import voice_file

    path = voice_file(voice)
    check_is_file(path, kind="voice file")
    found = path.stat()
    return _checksum(path, (found.st_mtime_ns, found.st_size, found.st_ino))  # clocks may jump back


@lru_cache(maxsize=1024)
def _checksum(path: Path, version: tuple[int, ...]) -> str:
    from dia.voices.description import describe

    describe(path)
    return sha256(path.read_bytes()).hexdigest()


__all__ = [
    "LONGEST_ID",
    "Row",
    "check_voice",
    "checked_id",
    "checked_row_options",
    "folded_id",
    "read_row",
]
