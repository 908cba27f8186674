"""The voices of the server: the model's own, the examples, those of a folder, and OpenAI's names for some of them.

Independent of protocols. Names from requests are looked up in a list, or reduced to letters and digits; they are
never part of a path otherwise.
"""

import re
import threading
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from dia.audio.files import decode
from dia.runtime.files.locks import exclusive_writer
from dia.serving.errors import Code, ServingError, input_error, unknown_name
from dia.serving.limits import RECORDING_BYTES, RECORDING_SECONDS
from dia.text.prompt_format import PromptFormat
from dia.text.tags import SPEAKERS
from dia.voices.description import SUFFIX, check_consent
from dia.voices.library import EXAMPLES, voices_folder

if TYPE_CHECKING:
    from dia.model import Dia
    from dia.voices.voice import Voice

DEFAULT = "default"
# OpenAI's voices, as the example and the own voice of the model that are nearest in pitch.
ALIASES: Mapping[str, tuple[str, str]] = {
    **dict.fromkeys(("alloy", "coral", "fable", "nova", "sage", "shimmer", "marin"), ("clara", "S1")),
    **dict.fromkeys(("ash", "ballad", "cedar", "echo", "onyx", "verse"), ("bruno", "S2")),
}
# The media types of recordings that may be uploaded. What counts is that the content can be decoded.
RECORDING_TYPES = frozenset(
    f"audio/{kind}"
    for kind in ("mpeg", "mp3", "wav", "x-wav", "wave", "ogg", "opus", "aac", "flac", "x-flac", "webm", "mp4", "m4a")
) | {"audio/x-m4a", "application/ogg", "application/octet-stream", "video/webm", "video/mp4"}

_SLUG = re.compile(r"[^a-z0-9]+")
_LONGEST = 64


@dataclass(frozen=True)
class OwnVoice:
    """A voice of the model that needs no recording.

    Attributes:
        speaker: S1 or S2.
    """

    speaker: str


ServedVoice: TypeAlias = "OwnVoice | Voice"


class VoiceCatalogue:
    """Lists, finds, adds and removes voices. Threads may share it.

    Args:
        model: voices that were made with another codec than the model's are left out.
        folder: of the users' voices; by default that of `dia voice`. It is created with the first upload.
    """

    def __init__(self, model: "Dia", folder: Path | None = None) -> None:
        self._model, self.folder = model, voices_folder() if folder is None else folder
        self._lock = threading.Lock()
        self._loaded: dict[Path, tuple[tuple[int, int], Voice | None]] = {}

    def names(self, aliases: bool = True) -> list[str]:
        """All voices: those of the folder and the examples, the model's own and, unless False, the aliases."""
        saved = [name for name, path in self._files().items() if self._load(path) is not None]
        return [DEFAULT, *SPEAKERS, *sorted(saved), *(sorted(set(ALIASES) - set(saved)) if aliases else ())]

    def find(self, name: str, param: str = "voice") -> ServedVoice:
        """The voice of a name, in any case.

        Raises:
            ServingError: there is no such voice; the message names the nearest.
        """
        given, files = plain(name), self._files()
        for known, path in files.items():
            if known.casefold() == given and (voice := self._load(path)) is not None:
                return voice
        if given == DEFAULT:
            return OwnVoice(SPEAKERS[0])
        if given.upper() in SPEAKERS:
            return OwnVoice(given.upper())
        if given in ALIASES:
            example, speaker = ALIASES[given]
            voice = self._load(files[example]) if example in files else None
            return OwnVoice(speaker) if voice is None else voice
        raise unknown_name(Code.voice_not_found, "voice", name, self.names(), param)

    def add(self, name: str, recording: bytes, transcript: str, consent: str) -> tuple[str, float]:
        """Make a voice of a recording and save it. The file appears complete or not at all.

        Returns:
            Its id, which is the name in lower-case letters, digits and dashes, and the time of its creation in seconds
            since 1970.

        Raises:
            ServingError: an argument is invalid, or the name is taken.
        """
        from dia.voices.voice import Voice

        path = self._free_path(voice_id(name))
        try:
            check_consent(consent)
        except ValueError as error:
            raise ServingError(Code.consent_missing, str(error), "consent") from error
        clip = decoded_recording(recording, "audio_sample")
        try:
            frontend = PromptFormat.of(self._model.model.generation_config).text_frontend
            voice = Voice.from_audio(
                clip, transcript, processor=self._model.processor, consent=consent, text_frontend=frontend
            )
        except (TypeError, ValueError) as error:
            raise recording_error(error, "audio_sample", "transcript") from error
        with exclusive_writer(path, parents=True):
            self._free_path(path.stem)  # another process may have written one in the meantime
            voice.save(path)
        return path.stem, path.stat().st_mtime

    def remove(self, name: str) -> str:
        """Delete a voice of the folder; returns its id.

        Raises:
            ServingError: there is no such voice, or it is not one of the folder.
        """
        given, own = plain(name), self._files(examples=False)
        for known, path in own.items():
            if known.casefold() == given:
                path.unlink(missing_ok=True)
                self._forget(path)
                return known
        self.find(name)
        raise ServingError(
            Code.voice_protected, f"the voice {name[:60]!r} is built in and cannot be deleted.", "voice"
        )

    def _free_path(self, name: str) -> Path:
        taken = {known.casefold() for known in self._files()} | {DEFAULT, *ALIASES, *map(str.casefold, SPEAKERS)}
        if name in taken:
            raise ServingError(Code.voice_exists, f"a voice {name!r} exists; choose another name.", "name")
        return self.folder / f"{name}{SUFFIX}"

    def _files(self, examples: bool = True) -> dict[str, Path]:
        """The files by name; those of the folder take precedence over the examples."""
        folders = (EXAMPLES, self.folder) if examples else (self.folder,)
        return {path.stem: path for folder in folders for path in folder.glob(f"*{SUFFIX}")}

    def _load(self, path: Path) -> "Voice | None":
        """A voice that fits the model, as S1 if it has one speaker; None for another or a damaged file."""
        try:
            state = path.stat()
        except OSError:
            self._forget(path)
            return None
        version = state.st_mtime_ns, state.st_size
        with self._lock:
            known = self._loaded.get(path)
            if known is None or known[0] != version:
                known = self._loaded[path] = version, self._fitting(path)
            return known[1]

    def _forget(self, path: Path) -> None:
        with self._lock:
            self._loaded.pop(path, None)

    def _fitting(self, path: Path) -> "Voice | None":
        from dia.voices.voice import Voice

        try:
            voice = Voice.load(path)
            voice.check_fits(self._model.processor)
        except (OSError, ValueError):
            return None
        return voice.speaking_as(SPEAKERS[0]) if len(voice.speakers) == 1 else voice


def plain(name: str) -> str:
    """A name as it is compared: without surrounding spaces, in any case."""
    return name.strip().casefold()


def voice_id(name: str) -> str:
    """A name as the id of a voice: lower-case ASCII letters, digits and single dashes.

    >>> voice_id("  Zoë B. / 2 ")
    'zoe-b-2'

    Raises:
        ServingError: nothing remains.
    """
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    found = _SLUG.sub("-", plain).strip("-")[:_LONGEST].strip("-")
    if not found:
        raise ServingError(Code.invalid_value, "name has no letters or digits of ASCII; choose another name.", "name")
    return found


def decoded_recording(content: bytes, param: str) -> dict[str, object]:
    """Decode a recording from a client, with limits on its size and length; as a clip for the facade.

    Raises:
        ServingError: it is too large or too long, or cannot be decoded.
    """
    if len(content) > RECORDING_BYTES:
        size = f"{param} has {len(content) / 2**20:.1f} MiB, but {RECORDING_BYTES >> 20} are allowed"
        raise ServingError(Code.body_too_large, f"{size}. Shorten the recording.", param)
    try:
        sound = decode(content, param, RECORDING_SECONDS)
    except (TypeError, ValueError, ImportError) as error:
        raise recording_error(error, param, param) from error
    return {"array": sound.samples, "sampling_rate": sound.rate}


def recording_error(error: Exception, audio: str, transcript: str) -> ServingError:
    """The error for a recording or its transcript that the facade does not accept."""
    if str(error).startswith("transcript"):
        return replace_param(input_error(error), transcript)
    return ServingError(Code.invalid_audio, str(error).replace("audio:", f"{audio}:"), audio)


def replace_param(error: ServingError, param: str) -> ServingError:
    """The same error of another parameter."""
    return ServingError(error.code, error.message, param, error.retry_after)


__all__ = [
    "ALIASES",
    "DEFAULT",
    "RECORDING_TYPES",
    "OwnVoice",
    "ServedVoice",
    "VoiceCatalogue",
    "decoded_recording",
    "plain",
    "recording_error",
    "voice_id",
]
