"""What a recording says about its origin: the tag in the file, and the watermark in the sound.

Both say that speech is synthetic if they are there. Neither says that speech is real if they are not.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from dia.audio.files import decode
from dia.audio.formats import containers
from dia.audio.formats.sequential import SequentialFile, blocks
from dia.audio.formats.tags import NOTICE, Provenance
from dia.audio.formats.wav_header import with_true_length
from dia.audio.watermark.detection import SHORTEST, Detection, detect
from dia.audio.watermark.payload import model_fingerprint
from dia.audio.waveform import Sound, Waveform, check_channels, checked_rate, full_scale
from dia.runtime.files.reading import check_is_file

SEARCHED = 600.0  # s of a file that are searched for a watermark
KNOWN_MODELS = ("mini", "nari-labs/Dia-1.6B-0626", "nari-labs/Dia-1.6B")
"""Models whose names a watermark is compared with, beside that of the tag."""


@dataclass(frozen=True)
class Verification:
    """What was found in a recording.

    Attributes:
        tag: model and seed in the file's comment; None if it has no tag of this package.
        watermark: the result of the search of the sound.
        model: the name of the model, from the tag, or a known one that the watermark fits; "" if it is not known.
        seed: from the tag or the watermark.
        agree: whether tag and watermark name the same model and seed; None if one of them is missing or unreadable.
        seconds: of sound that was searched.
        remarks: what limits the result.
    """

    tag: Provenance | None
    watermark: Detection
    model: str
    seed: int | None
    agree: bool | None
    seconds: float
    remarks: tuple[str, ...] = ()

    @property
    def synthetic(self) -> bool:
        """Whether the recording is marked as speech of this package."""
        return self.tag is not None or self.watermark.found

    def as_dict(self) -> dict[str, Any]:
        """JSON values."""
        mark, tag = self.watermark, self.tag
        payload = None if mark.payload is None else {"model": mark.payload.model, "seed": mark.payload.seed}
        speed = {"tempo": round(mark.speed.tempo, 4), "pitch": round(mark.speed.pitch, 4)}
        return {
            "synthetic": self.synthetic,
            "model": self.model or None,
            "seed": self.seed,
            "tag": None if tag is None else {"model": tag.model or None, "seed": tag.seed},
            "watermark": {
                "found": mark.found,
                "score": round(mark.score, 2),
                "false_alarm": mark.false_alarm,
                "payload": payload,
                **(speed if mark.found else {}),
            },
            "agree": self.agree,
            "seconds": round(self.seconds, 2),
            "remarks": list(self.remarks),
        }


def verify(path: str | Path) -> Verification:
    """Read the tag of an audio file and search its sound for a watermark.

    Channels are searched mixed. Of long files, the first `SEARCHED` seconds are.

    Raises:
        FileNotFoundError: the file does not exist, or is a folder.
        ValueError: it is not audio, contains NaN, or its rate or number of channels is not supported.
    """
    check_is_file(path)
    sound, tag = _beginning(Path(path)), tag_in(comment_of(path))
    mono = full_scale(sound.samples, str(path)).mean(axis=1)
    return _concluded(tag, mono, sound)


def comment_of(path: str | Path) -> str:
    """The comment field of an audio file; "" if it has none, or cannot be read without PyAV."""
    try:
        with open(path, "rb") as file, soundfile.SoundFile(file) as opened:
            comment = str(opened.comment)
    except (soundfile.LibsndfileError, TypeError):
        comment = ""
    return comment if NOTICE in comment or containers.missing() else f"{comment}\n{_comment_with_pyav(path)}"


def tag_in(comment: str) -> Provenance | None:
    """The provenance in a comment, as `Provenance` writes it; None if there is none."""
    lines = [line for line in comment.splitlines() if NOTICE in line]
    if not lines:
        return None
    facts = dict(re.findall(r"; (version|model|seed)=([^;]*)", lines[-1]))
    seed = facts.get("seed", "").strip("\0 ")
    known = int(seed) if re.fullmatch(r"-?\d{1,20}", seed) else None
    try:
        return Provenance(facts.get("model", "").strip(), known)
    except ValueError:  # of a seed that nobody could have used
        return Provenance(facts.get("model", "").strip())


def _comment_with_pyav(path: str | Path) -> str:
    import av

    try:
        with av.open(str(path), metadata_errors="replace") as container:
            found = [container.metadata, *(stream.metadata for stream in container.streams)]
            return "\n".join(text for metadata in found for text in metadata.values() if NOTICE in text)
    except (av.error.FFmpegError, OSError):
        return ""


def _beginning(path: Path) -> Sound:
    """The first `SEARCHED` seconds of a file, or all of a file that only PyAV reads."""
    try:
        with open(path, "rb") as file, SequentialFile(with_true_length(file)) as opened:
            check_channels(opened.channels, str(path))
            rate, read, count = checked_rate(opened.samplerate, str(path)), list[Waveform](), 0
            for block in blocks(opened):
                read.append(block)
                count += len(block)
                if count > SEARCHED * rate:
                    remark = f"only the first {SEARCHED:g} s were searched for a watermark."
                    return Sound(np.concatenate(read)[: int(SEARCHED * rate)], rate, (remark,))
            return Sound(np.concatenate([np.zeros((0, opened.channels), np.float32), *read]), rate)
    except (soundfile.LibsndfileError, TypeError):
        return decode(path, str(path), longest=6 * SEARCHED)


def _concluded(tag: Provenance | None, mono: Waveform, sound: Sound) -> Verification:
    seconds, remarks = len(mono) / sound.rate, list(sound.remarks)
    if seconds < SHORTEST:
        remarks.append(f"the sound lasts {seconds:.2f} s; a watermark needs {SHORTEST:g} s, and 3 s to be read.")
    elif not mono.any():
        remarks.append("the sound is silent, so it has no watermark.")
    found = detect(mono, sound.rate)
    names = ([tag.model] if tag is not None and tag.model else []) + list(KNOWN_MODELS)
    payload = found.payload
    fits = [name for name in names if payload is not None and model_fingerprint(name) == payload.model]
    agree = None
    if tag is not None and payload is not None:
        agree = payload.model == model_fingerprint(tag.model) and (
            None in (payload.seed, tag.seed) or payload.seed == tag.seed
        )
    model = tag.model if tag is not None and tag.model else next(iter(fits), "")
    seed = tag.seed if tag is not None and tag.seed is not None else None if payload is None else payload.seed
    return Verification(tag, found, model, seed, agree, seconds, tuple(remarks))


__all__ = ["KNOWN_MODELS", "SEARCHED", "Verification", "comment_of", "tag_in", "verify"]
