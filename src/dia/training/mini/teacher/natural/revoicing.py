"""Clips of the corpus once more, in changed voices: more voices to clone than the teachers have.

Each clip of a voice of Kokoro also gets `COPIES` other voices, the same ones for all clips of that voice. A change of
pitch, formants and melody costs a tenth of the CPU time that another clip of Kokoro costs. Some voices are also darker
or brighter, as microphones make them. Text, timing and labels stay.
"""

import random
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from dia.audio.waveform import full_scale
from dia.training.mini.teacher.natural.corpus import Clip, index, paths_of, read_shard, shard_numbers, write_shard
from dia.training.mini.teacher.natural.plan import REVOICED
from dia.training.mini.teacher.natural.teachers.changed_voice import SEPARATOR, Change, changed

COPIES = 2
TEACHER = "kokoro"
_OCTAVES = {"f": (-0.75, 0.35), "m": (-0.35, 0.75)}  # by which the pitch moves, by the second letter of a name
_FORMANTS = 0.3, 0.1, (0.8, 1.2)  # with the pitch, by chance, and the least and most
_MELODY = 0.75, 1.3
_TILT = 0.5, 0.45  # the share of the voices that are darker or brighter, and the largest coefficient
_LOUDEST = 0.95


@dataclass(frozen=True)
class Disguise:
    """What makes a voice another one: a change, and the coefficient of a filter that darkens or brightens."""

    change: Change
    tilt: float

    @property
    def suffix(self) -> str:
        """The end of the name of the new voice."""
        return SEPARATOR + "/".join(f"{factor:g}" for factor in asdict(self.change).values())


def disguise(voice: str, number: int) -> Disguise:
    """One of the disguises of a voice of Kokoro, always the same one for a number."""
    rng = random.Random(f"{voice} {number}")
    pitch = 2 ** rng.uniform(*_OCTAVES["m" if voice[1:2] == "m" else "f"])
    slope, chance, (least, most) = _FORMANTS
    formants = min(most, max(least, 1 + slope * (pitch - 1) + rng.uniform(-chance, chance)))
    tilt = rng.uniform(-_TILT[1], _TILT[1]) * (rng.random() < _TILT[0])
    return Disguise(Change(round(pitch, 3), round(formants, 3), round(rng.uniform(*_MELODY), 2)), tilt)


def revoice(folder: Path, copies: int = COPIES) -> None:
    """Add a shard for each copy of each shard of a corpus that has clips of Kokoro.

    Shards that exist are kept, so that an interrupted call can be repeated.

    Args:
        folder: of the corpus.
        copies: number of other voices of each voice.

    Raises:
        ImportError: pyworld is missing, or has another version.
        OSError: the disk is full; finished shards are kept.
    """
    sources = [number for number in shard_numbers(folder) if number < REVOICED and _has_clips(folder, number)]
    for source in tqdm(sources, desc="other voices", unit=" shards", disable=None):
        numbers = {copy: REVOICED + source * copies + copy for copy in range(copies)}
        missing = [copy for copy, number in numbers.items() if not paths_of(folder, number)[1].exists()]
        clips = [clip for clip in read_shard(folder, source) if _is_used(clip.line)] if missing else []
        for copy in missing:
            made = [_in_disguise(clip, disguise(clip.line["voice"], copy)) for clip in clips]
            write_shard(folder, numbers[copy], made, clips[0].rate)


def _has_clips(folder: Path, number: int) -> bool:
    return any("dropped" not in line and _is_used(line) for line in index(folder, number))


def _is_used(line: dict[str, object]) -> bool:
    return line["teacher"] == TEACHER


def _in_disguise(clip: Clip, given: Disguise) -> tuple[dict[str, object], NDArray[np.int16]]:
    """The line and the audio of a clip in another voice."""
    spoken = changed(full_scale(clip.audio), clip.rate, given.change)
    spoken = spoken + np.float32(given.tilt) * np.roll(spoken, 1)
    spoken *= min(1.0, _LOUDEST / max(float(np.abs(spoken).max()), 1e-6))
    name = clip.line["voice"] + given.suffix
    labels = [[label.phone, label.start, label.end] for label in clip.labels or ()]
    line = clip.line | {"speaker": name, "voice": name, "labels": labels}
    return line, (32767 * spoken).astype(np.int16)


__all__ = ["COPIES", "Disguise", "disguise", "revoice"]
