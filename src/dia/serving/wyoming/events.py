"""Events of the Wyoming protocol: read within limits, and made for answers. Independent of what is spoken."""

import asyncio
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from wyoming.audio import AudioChunk
from wyoming.error import Error
from wyoming.event import Event
from wyoming.info import Attribution, Info, TtsProgram, TtsVoice

from dia.serving.errors import Code, ServingError
from dia.serving.limits import EVENT_BYTES
from dia.version import __version__

WIDTH, CHANNELS = 2, 1  # bytes of a sample; mono
_CHUNK_BYTES = 8192  # of audio in one event: 0.19 s at 22 kHz
_DRAINED = 65_536  # bytes of an unused payload that are held at once
_ATTRIBUTION = Attribution("Nari Labs and the contributors of dia-tts", "https://github.com/nari-labs/dia")
_ABOUT = "Dialogue and speech. All voices speak in any script with [S1] and [S2]."


async def read_event(reader: asyncio.StreamReader, seconds: float) -> Event | None:
    """Read one event. The `wyoming` package reads events of any size; this function refuses large ones.

    A payload is skipped, since no event that a client sends to this server needs one.

    Args:
        reader: reads from the client; its limit is that of the first line of an event.
        seconds: in which the rest of an event follows its first line.

    Returns:
        The event; None at the end of the connection.

    Raises:
        ServingError: the event is too large, or is not an event.
    """
    try:
        line = await reader.readline()
    except ValueError:  # the limit of the reader
        raise _too_large() from None
    if not line.endswith(b"\n"):
        return None
    header = _object(line)
    data = header.get("data") or {}
    data_bytes, payload_bytes = (_length(header, name) for name in ("data_length", "payload_length"))
    try:
        async with asyncio.timeout(seconds):
            if data_bytes:
                data = {**_mapping(data), **_object(await reader.readexactly(data_bytes))}
            while payload_bytes:
                payload_bytes -= len(await reader.readexactly(min(payload_bytes, _DRAINED)))
    except asyncio.IncompleteReadError:
        return None
    except TimeoutError:
        raise ServingError(Code.body_timeout, f"the event was not complete after {seconds:g} s.") from None
    kind = header.get("type")
    if not isinstance(kind, str):
        raise ServingError(Code.missing_parameter, "the event has no type.", "type")
    return Event(kind, dict(_mapping(data)))


def _object(text: bytes) -> dict[str, Any]:
    """A JSON object."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise ServingError(Code.invalid_json, "an event is a JSON object on a line of its own.")
    return found


def _mapping(data: Any) -> Mapping[str, Any]:
    if not isinstance(data, dict):
        raise ServingError(Code.invalid_value, "data must be a JSON object.", "data")
    return data


def _length(header: Mapping[str, Any], name: str) -> int:
    found = header.get(name) or 0
    if not isinstance(found, int) or found < 0:
        raise ServingError(Code.invalid_value, f"{name} must be a whole number from 0.", name)
    if found > EVENT_BYTES:
        raise _too_large()
    return found


def _too_large() -> ServingError:
    return ServingError(Code.body_too_large, f"an event may have {EVENT_BYTES >> 10} KiB; send a shorter text.")


def error_event(error: ServingError) -> Event:
    """An error of the catalogue. The code is its name, as in HTTP."""
    return Error(text=error.message, code=error.code.name).event()


def info_event(voices: Iterable[str], languages: list[str]) -> Event:
    """The answer to `describe`.

    Args:
        voices: the names of the voices.
        languages: that all of them speak.
    """
    program = TtsProgram(
        name="dia",
        attribution=_ATTRIBUTION,
        installed=True,
        description=_ABOUT,
        version=__version__,
        voices=[
            TtsVoice(name, _ATTRIBUTION, installed=True, description=name, version=__version__, languages=languages)
            for name in voices
        ],
        supports_synthesize_streaming=True,
    )
    return Info(tts=[program]).event()


def chunk_events(pcm: bytes, rate: int, start: int) -> Iterator[Event]:
    """Events for samples of 16 bits.

    Args:
        pcm: whole samples.
        rate: Hz.
        start: samples of this answer before these.
    """
    for at in range(0, len(pcm), _CHUNK_BYTES):
        milliseconds = 1000 * (start + at // WIDTH) // rate
        yield AudioChunk(rate, WIDTH, CHANNELS, pcm[at : at + _CHUNK_BYTES], milliseconds).event()


__all__ = ["CHANNELS", "WIDTH", "chunk_events", "error_event", "info_event", "read_event"]
