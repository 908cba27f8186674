"""The description in a voice file, and checks of a voice's transcript and consent.

Reads only the file's metadata, without torch. Independent of codecs and of where voices are stored.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dia.runtime.files.reading import check_is_file
from dia.runtime.limits import VOICE_BYTES

if TYPE_CHECKING:
    from dia.text.prompt_format import Frontend

SUFFIX = ".safetensors"
KIND = "dia voice 1"


@dataclass(frozen=True)
class Description:
    """The properties of a voice that a list of voices shows.

    Attributes:
        transcript: the words of the recording.
        consent: whose voice it is, and the right to copy it.
        seconds: the length of the recording.
        sampling_rate: Hz of the audio that its codes decode to.
    """

    transcript: str
    consent: str
    seconds: float
    sampling_rate: int


def describe(path: Path) -> Description:
    """Read the description from a voice file, without its codes.

    Raises:
        FileNotFoundError: the file does not exist.
        ValueError: it is damaged, or not a voice.
    """
    check_is_file(path, kind="voice file")
    if path.stat().st_size > VOICE_BYTES:
        raise ValueError(f"{path} has {path.stat().st_size >> 20} MB, which is too large for a voice.")
    try:
        header, length = _header(path.read_bytes())
        metadata, codes = header["__metadata__"], header["codes"]
        if metadata["kind"] != KIND:
            raise ValueError("it is not marked as a voice")
        if max(value["data_offsets"][1] for name, value in header.items() if name != "__metadata__") != length:
            raise ValueError("it is truncated or too long")
        codec, frames = json.loads(metadata["codec"]), int(codes["shape"][0])
        rate = int(codec["sampling_rate"])
        return Description(metadata["transcript"], metadata["consent"], frames * int(codec["hop_length"]) / rate, rate)
    except (ValueError, TypeError, LookupError, ArithmeticError, RecursionError) as error:
        raise ValueError(
            f"{path} is not a voice, or is damaged ({error}). Make it again from its recording: dia voice make"
        ) from error


def _header(content: bytes) -> tuple[Any, int]:
    """The JSON header of a safetensors file, which follows its length in 8 bytes, and the number of bytes after it."""
    size = int.from_bytes(content[:8], "little")
    return json.loads(content[8 : 8 + size]), len(content) - 8 - size


def check_consent(consent: Any) -> None:
    """Check the statement of consent for a voice.

    Raises:
        ValueError: it is not a statement of at least two words.
    """
    if not isinstance(consent, str) or len(re.findall(r"\w+", consent)) < 2:
        raise ValueError(
            f"consent is {consent!r}. State whose voice it is and why you may copy it, such as 'my own voice' or "
            f"'Ann Lee, agreed in writing'; do not copy a person's voice without consent."
        )


def checked_transcript(transcript: str | None, frontend: "Frontend" = "en") -> str:
    """The transcript as a script in the form that the model reads.

    Args:
        transcript: the script.
        frontend: the `text_frontend` of the model, see `dia.text.prompt_format`.

    Raises:
        TypeError, ValueError: the transcript has no words, or is not a valid script.
    """
    from dia.text.script import parse  # imported here because it is slow and a list of voices does not need it
    from dia.text.tags import SPEAKER_TAG

    if transcript is None or (isinstance(transcript, str) and not SPEAKER_TAG.sub("", transcript).strip()):
        raise ValueError(
            "transcript is missing; without it, the model repeats the words of the recording or babbles. Write down "
            "exactly what is said: '[S1] …'"
        )
    if not isinstance(transcript, str):
        raise TypeError(f"transcript is {type(transcript).__name__}; expected the words of the recording as a str.")
    try:
        return parse(transcript, frontend=frontend).spoken
    except ValueError as error:
        raise ValueError(f"transcript: {error}") from error


__all__ = ["KIND", "SUFFIX", "Description", "check_consent", "checked_transcript", "describe"]
