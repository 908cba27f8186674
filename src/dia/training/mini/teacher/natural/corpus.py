"""The corpus on disk: shards of clips, each heard by a recognizer; killed at any moment, it goes on where it was.

A shard is `speech-00000.flac`, all clips one after another, and `speech-00000.jsonl`, with a line for each clip. The
lines are written last: where they are, the audio is whole. A clip that was dropped has a line with the reason, and no
audio.
"""

import errno
import io
import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray
from tqdm import tqdm

from dia.audio.waveform import Waveform
from dia.runtime.files.atomic import atomic_file
from dia.training.data.lines import lines_of
from dia.training.mini.teacher.natural.plan import RECIPE, Recipe, Request, claim, shards
from dia.training.mini.teacher.natural.recognition import Ear, Saying, hear
from dia.training.mini.teacher.natural.teachers.changed_voice import unchanged
from dia.training.mini.teacher.natural.teachers.kokoro import Blend
from dia.training.mini.teacher.natural.teachers.teacher import Label, Speech, Teacher, checked_voice
from dia.training.mini.teacher.natural.texts.mixture import Text

EDGE_SECONDS = 0.1
QUIET = 0.01  # of full scale; what is below it at both ends is cut
_NO_SPEECH = Speech(np.zeros(0, np.float32), 1)
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@dataclass(frozen=True)
class Clip:
    """A clip of the corpus.

    Attributes:
        audio: int16 mono [N] at `rate`.
        line: its line in the index: typed, spoken, kind, split, speaker, teacher, voice, tempo, heard, wrong.
        labels: when each phone is spoken, or None.
    """

    audio: NDArray[np.int16]
    rate: int
    line: dict[str, Any]
    labels: tuple[Label, ...] | None


@dataclass(frozen=True)
class Studio:
    """Who makes clips: opens a teacher by its name, and the recognizer, if clips are heard."""

    teacher: Callable[[str], Teacher]
    ear: Ear | None = None

    def record(self, requests: Sequence[Request], recipe: Recipe) -> list[tuple[dict[str, Any], NDArray[np.int16]]]:
        """A line of the index and the audio for each request; the audio is empty if the clip is dropped."""
        takes = [(_line_of(request), *self._spoken(request)) for request in requests]
        whole = [(line, speech) for line, speech, reason in takes if not reason]
        if self.ear is not None:
            sayings = [Saying(line["spoken"], speech.waveform, speech.rate) for line, speech in whole]
            for (line, _), hearing in zip(whole, hear(self.ear, sayings, recipe.limit), strict=True):
                line |= {"wrong": round(hearing.wrong, 3)} | (
                    {} if hearing.heard is None else {"heard": hearing.heard}
                )
        return [_kept_or_dropped(line, speech, reason, recipe) for line, speech, reason in takes]

    def _spoken(self, request: Request) -> tuple[Speech, str]:
        """The speech for a request, or why there is none."""
        role = request.role
        try:
            speech = trimmed(self.teacher(role.teacher).say(request.text.spoken, role.voice, request.tempo))
        except ValueError as error:
            return _NO_SPEECH, f"teacher: {error}"
        return (speech, "") if len(speech.waveform) else (_NO_SPEECH, "silence")


def _line_of(request: Request) -> dict[str, Any]:
    text, role = request.text, request.role
    line = {"typed": text.typed, "spoken": text.spoken, "kind": text.kind, "split": text.split}
    return line | {"speaker": role.speaker, "teacher": role.teacher, "voice": role.voice, "tempo": request.tempo}


def _kept_or_dropped(
    line: dict[str, Any], speech: Speech, reason: str, recipe: Recipe
) -> tuple[dict[str, Any], NDArray[np.int16]]:
    if line.get("wrong", 0.0) > recipe.limit:
        reason = "words"
    if reason:
        return line | {"dropped": reason}, np.zeros(0, np.int16)
    if speech.labels is not None:
        line["labels"] = [[label.phone, round(label.start, 4), round(label.end, 4)] for label in speech.labels]
    return line, as_pcm(speech, recipe.rate)


def build(
    folder: Path, recipe: Recipe, texts: Iterable[Text], clips: int, studio: Studio, share: tuple[int, int] = (1, 1)
) -> None:
    """Make the shards of `folder` that are missing, up to `clips` clips, dropped ones included.

    Args:
        folder: of the corpus.
        recipe: what is made.
        texts: what is said, from the first text on.
        clips: rounded up to whole shards.
        studio: who makes it.
        share: (part, parts): of every `parts` shards only number `part` is made, so that several processes or
            machines can work at once.

    Raises:
        ValueError: `folder` has clips of another recipe, or a teacher lacks a voice of the recipe.
        OSError: the disk is full; finished shards are kept.
    """
    for role in recipe.roles:
        for name in Blend.of(unchanged(role.voice)).names:
            checked_voice(name, studio.teacher(role.teacher).voices)
    claim(folder, recipe)
    part, parts = share
    total = -(-clips // recipe.shard_clips)
    mine = len(range(part - 1, total, parts))
    with tqdm(total=mine, desc="corpus", unit=" shards", disable=None) as bar:
        for number, batch in shards(recipe, texts):
            if number >= total:
                return
            if number % parts == part - 1:
                if not paths_of(folder, number)[1].exists():
                    write_shard(folder, number, studio.record(batch, recipe), recipe.rate)
                bar.update()


def write_shard(folder: Path, number: int, clips: list[tuple[dict[str, Any], NDArray[np.int16]]], rate: int) -> None:
    """Write a shard: the lines and the audio of its clips. The audio of dropped clips is empty.

    Raises:
        OSError: the disk is full; the message says what is kept.
    """
    audio_path, index_path = paths_of(folder, number)
    audio = np.concatenate([audio for _, audio in clips])
    flac = io.BytesIO()
    soundfile.write(flac, audio, rate, format="FLAC", subtype="PCM_16")
    start, lines = 0, []
    for line, clip in clips:
        lines.append(json.dumps({**line, "start": start, "samples": len(clip)}) + "\n")
        start += len(clip)
    try:
        for path, data in ((audio_path, flac.getvalue()), (index_path, "".join(lines).encode())):
            with atomic_file(path) as partial:
                partial.write_bytes(data)
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise OSError(
            error.errno,
            f"{os.strerror(error.errno)}: {folder} has {len(shard_numbers(folder))} whole shards, which are kept. "
            f"Make room, about {len(flac.getvalue()) / 1e6:.1f} MB for each shard, and run the same command again",
        ) from error


def shard_numbers(folder: Path) -> list[int]:
    """The numbers of the complete shards in `folder`, in order."""
    return sorted(int(path.stem.rsplit("-", 1)[1]) for path in folder.glob("speech-*.jsonl"))


def index(folder: Path, number: int) -> list[dict[str, Any]]:
    """The lines of a shard, dropped clips included."""
    return [json.loads(line) for line in lines_of(paths_of(folder, number)[1].read_text(encoding="utf-8"))]


def read_shard(folder: Path, number: int) -> Iterator[Clip]:
    """The clips of a shard that were not dropped, in order."""
    audio, rate = soundfile.read(paths_of(folder, number)[0], dtype="int16")
    for line in index(folder, number):
        if "dropped" not in line:
            start, samples, labels = line.pop("start"), line.pop("samples"), line.pop("labels", None)
            marked = None if labels is None else tuple(Label(*label) for label in labels)
            yield Clip(audio[start : start + samples], rate, line, marked)


def summary(folder: Path) -> str:
    """Clips, minutes and dropped clips of each speaker, and why they were dropped, as lines of text."""
    kept, samples, dropped, reasons = Counter[str](), Counter[str](), Counter[str](), Counter[str]()
    for line in (line for number in shard_numbers(folder) for line in index(folder, number)):
        speaker = line["speaker"]
        dropped[speaker] += "dropped" in line
        kept[speaker] += "dropped" not in line
        samples[speaker] += line["samples"]
        reasons.update([line["dropped"].partition(":")[0]] if "dropped" in line else [])
    rate = json.loads((folder / RECIPE).read_text(encoding="utf-8"))["rate"]
    rows = [
        f"{speaker:12} {kept[speaker]:7,} clips {samples[speaker] / rate / 60:8.1f} min {dropped[speaker]:5,} dropped"
        for speaker in sorted(kept)
    ]
    total = f"{'all':12} {kept.total():7,} clips {samples.total() / rate / 60:8.1f} min {dropped.total():5,} dropped"
    return "\n".join([*rows, f"{total} ({', '.join(f'{n} {reason}' for reason, n in reasons.items()) or 'none'})"])


def trimmed(speech: Speech) -> Speech:
    """Speech with `EDGE_SECONDS` of silence at both ends, by cutting or adding zeros; empty if it is all silence."""
    loud = np.flatnonzero(np.abs(speech.waveform) > QUIET)
    if not loud.size:
        return Speech(speech.waveform[:0], speech.rate, ())
    edge = round(EDGE_SECONDS * speech.rate)
    first, last = int(loud[0]), int(loud[-1]) + 1
    waveform = np.pad(speech.waveform, edge)[first : last + 2 * edge]
    if speech.labels is None:
        return Speech(waveform, speech.rate)
    shift, end = (edge - first) / speech.rate, len(waveform) / speech.rate
    moved = (Label(x.phone, max(x.start + shift, 0.0), min(max(x.end + shift, 0.0), end)) for x in speech.labels)
    return Speech(waveform, speech.rate, tuple(label for label in moved if label.start < label.end))


def as_pcm(speech: Speech, rate: int) -> NDArray[np.int16]:
    """int16 at `rate`; what exceeds full scale is lowered as a whole."""
    waveform: Waveform = speech.waveform
    if speech.rate != rate:
        waveform = np.asarray(soxr.resample(waveform, speech.rate, rate), np.float32)
    peak = max(float(np.abs(waveform).max(initial=0.0)), 1.0)
    return np.round(waveform / peak * 32767).astype(np.int16)


def paths_of(folder: Path, number: int) -> tuple[Path, Path]:
    """The files of a shard: audio and lines. The shard is complete if the second exists."""
    return folder / f"speech-{number:05d}.flac", folder / f"speech-{number:05d}.jsonl"


__all__ = [
    "Clip",
    "Studio",
    "as_pcm",
    "build",
    "index",
    "paths_of",
    "read_shard",
    "shard_numbers",
    "summary",
    "trimmed",
    "write_shard",
]
