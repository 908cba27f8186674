"""What the file of a voice says of itself, and what must be said of a voice: its transcript and its consent.

Reads the file's metadata alone, and without torch. Knows nothing of codecs, nor where voices lie.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dia.runtime.limits import VOICE_BYTES

if TYPE_CHECKING:
    from dia.text.prompt_format import Frontend

SUFFIX = ".safetensors"
KIND = "dia voice 1"


@dataclass(frozen=True)
class Description:
    """What a list of voices shows.

    Attributes:
        transcript: what is said in the recording.
        consent: whose voice it is, and by what right it is copied.
        seconds: how long it is.
        sampling_rate: Hz of the sound that its codes decode to.
    """

    transcript: str
    consent: str
    seconds: float
    sampling_rate: int


def describe(path: Path) -> Description:
    """Read what a voice's file says of itself; its codes are not read.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is damaged, or holds something else.
    """
    if not path.is_file():
        raise FileNotFoundError(f"there is no voice at {path}.")
    if path.stat().st_size > VOICE_BYTES:
        raise ValueError(f"{path} has {path.stat().st_size >> 20} MB, and so is no voice.")
    try:
        header, length = _header(path.read_bytes())
        metadata, codes = header["__metadata__"], header["codes"]
        if metadata["kind"] != KIND:
            raise ValueError("it does not say that it is a voice")
        if codes["data_offsets"][1] != length:
            raise ValueError("it is cut off, or too long")
        codec, frames = json.loads(metadata["codec"]), int(codes["shape"][0])
        rate = int(codec["sampling_rate"])
        return Description(metadata["transcript"], metadata["consent"], frames * int(codec["hop_length"]) / rate, rate)
    except (ValueError, TypeError, LookupError, ArithmeticError, RecursionError) as error:
        raise ValueError(f"{path} is no voice, or damaged ({error}). Make it anew: dia voice make") from error


def _header(content: bytes) -> tuple[Any, int]:
    """The JSON that a safetensors file begins with, after its length in 8 bytes, and how many bytes follow it."""
    size = int.from_bytes(content[:8], "little")
    return json.loads(content[8 : 8 + size]), len(content) - 8 - size


def check_consent(consent: Any) -> None:
    """Refuse a voice of which nobody says whose it is.

    Raises:
        ValueError: it is no statement of at least two words.
    """
    if not isinstance(consent, str) or len(re.findall(r"\w+", consent)) < 2:
        raise ValueError(
            f"consent is {consent!r}. Say whose voice it is and by what right it is copied, such as 'my own voice' or "
            f"'Ann Lee, agreed in writing'. Without a person's consent, do not copy that person's voice."
        )


def checked_transcript(transcript: str | None, frontend: "Frontend" = "en") -> str:
    """What is said, as a script spelt out.

    Args:
        transcript: the script.
        frontend: how the model that is to speak reads text, see `dia.text.prompt_format`.

    Raises:
        TypeError, ValueError: it says nothing, or is no script.
    """
    from dia.text.script import parse  # takes a while, and a list of voices need not wait for it
    from dia.text.tags import SPEAKER_TAG

    if transcript is None or (isinstance(transcript, str) and not SPEAKER_TAG.sub("", transcript).strip()):
        raise ValueError(
            "transcript is missing. The model goes on with a text whose beginning it has heard: without the words of "
            "the recording it says them again, or babbles. Write down exactly what is said: '[S1] …'"
        )
    if not isinstance(transcript, str):
        raise TypeError(f"transcript is {type(transcript).__name__}; expected what is said in the recording.")
    try:
        return parse(transcript, frontend=frontend).spoken
    except ValueError as error:
        raise ValueError(f"transcript: {error}") from error


__all__ = ["KIND", "SUFFIX", "Description", "check_consent", "checked_transcript", "describe"]
