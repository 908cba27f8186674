"""One Wyoming connection: its events are requests, which are spoken in order. Knows the service, not sockets."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from wyoming.audio import AudioStart, AudioStop
from wyoming.event import Event
from wyoming.tts import SynthesizeStopped

from dia.serving.errors import Code, ServingError
from dia.serving.http.jobs import Order, order
from dia.serving.http.schema import Item
from dia.serving.limits import NAME_CHARACTERS, REQUESTS_AHEAD
from dia.serving.service import Service
from dia.serving.voices import DEFAULT
from dia.serving.wyoming.events import CHANNELS, WIDTH, chunk_events, info_event
from dia.serving.wyoming.incoming import IncomingText
from dia.text.prompt_format import PromptFormat

_FORMATS: Mapping[str, Literal["plain", "html"]] = {"text": "plain", "ssml": "html"}
_ANY_LANGUAGE = "mul"  # ISO 639-2: multiple languages


@dataclass
class Request:
    """What a client wants to hear.

    Attributes:
        text: the text, which may still be arriving.
        voice: the name of the voice.
        language: of the text, if the client has said so.
        format: how the text is written.
        streamed: whether the text comes in pieces, after which the client waits for one more event.
    """

    text: IncomingText
    voice: str
    language: str | None
    format: Literal["plain", "html"]
    streamed: bool


class Session:
    """The requests of one connection.

    Args:
        service: generates.
        send: sends an event; raises if the client does not read.
    """

    def __init__(self, service: Service, send: Callable[[Event], Awaitable[None]]) -> None:
        self._service, self._send = service, send
        self._frontend = PromptFormat.of(service.model.model.generation_config).text_frontend
        self._requests: asyncio.Queue[Request] = asyncio.Queue(REQUESTS_AHEAD)
        self._arriving: IncomingText | None = None
        self.busy = False

    async def handle(self, event: Event) -> None:
        """Take an event of the client. Events that this server has no use for are ignored, as the protocol says.

        Raises:
            ServingError: the event is invalid, or too many requests wait in this connection.
        """
        match event.type:
            case "describe":
                names = await self._service.prepared(self._service.voices.names, False)
                await self._send(info_event(names, ["en" if self._frontend == "en" else _ANY_LANGUAGE]))
            case "ping":
                await self._send(Event("pong", {"text": event.data.get("text")}))
            case "synthesize":
                self._synthesize(event)
            case "synthesize-start":
                self._start(event)
            case "synthesize-chunk":
                self._open().add(_string(event.data, "text"))
            case "synthesize-stop":
                self._open().end()
                self._arriving = None

    def _synthesize(self, event: Event) -> None:
        if self._arriving is not None:
            return  # the text once more, for servers that cannot take it in pieces
        request = self._request(event, streamed=False)
        text = _string(event.data, "text")
        if not text.strip():
            raise ServingError(Code.invalid_value, "text is empty; pass the text to speak.", "text")
        request.text.add(text)
        request.text.end()
        self._queue(request)

    def _start(self, event: Event) -> None:
        if self._arriving is not None:
            raise ServingError(Code.invalid_value, "a text is arriving; send synthesize-stop first.")
        request = self._request(event, streamed=True)
        self._arriving = request.text
        self._queue(request)

    def _open(self) -> IncomingText:
        if self._arriving is None:
            raise ServingError(Code.invalid_value, "no text is arriving; send synthesize-start first.")
        return self._arriving

    def _queue(self, request: Request) -> None:
        try:
            self._requests.put_nowait(request)
        except asyncio.QueueFull:
            message = f"{REQUESTS_AHEAD} requests of this connection wait; read their audio first."
            raise ServingError(Code.queue_full, message) from None
        self.busy = True

    def _request(self, event: Event, streamed: bool) -> Request:
        voice, kind = event.data.get("voice"), event.data.get("text_format")
        voice, kind = {} if voice is None else voice, "text" if kind is None else kind
        if not isinstance(voice, dict):
            raise ServingError(Code.invalid_value, "voice must be a JSON object.", "voice")
        if voice.get("speaker") is not None:
            raise ServingError(Code.invalid_value, "voices have no speakers; pass a name alone.", "voice.speaker")
        if not isinstance(kind, str) or kind not in _FORMATS:
            raise ServingError(Code.invalid_value, "text_format must be text or ssml.", "text_format")
        name, language = (voice.get(key) for key in ("name", "language"))
        text = IncomingText(
            self._frontend, self._service.limits.input_characters, whole=not streamed or kind == "ssml"
        )
        return Request(
            text,
            DEFAULT if name is None else _name(name, "voice.name"),
            None if language is None else _name(language, "voice.language"),
            _FORMATS[kind],
            streamed,
        )

    async def work(self) -> None:
        """Speak the requests in order, for ever.

        Raises:
            ServingError, and errors of the synthesis: a request cannot be spoken.
        """
        while True:
            request = await self._requests.get()
            async with asyncio.timeout(self._service.limits.stream_seconds):
                await self._speak(request)
            self.busy = not self._requests.empty()

    async def _speak(self, request: Request) -> None:
        """Send the audio of a request, beginning with the first whole sentences."""
        rate, samples, seed = self._service.model.sample_rate, 0, secrets.randbelow(2**31)
        async for words in request.text.groups():
            planned = await self._service.prepared(self._order, request, words, seed)
            generation = await self._service.start(planned.job, "pcm", rate, 1.0, patient=samples > 0)
            try:
                while data := await generation.buffer.read():
                    if not samples:
                        await self._send(AudioStart(rate, WIDTH, CHANNELS, timestamp=0).event())
                    for event in chunk_events(data, rate, samples):
                        await self._send(event)
                    samples += len(data) // WIDTH
            finally:
                generation.cancel()
        if samples:
            await self._send(AudioStop(timestamp=1000 * samples // rate).event())
        if request.streamed:
            await self._send(SynthesizeStopped().event())
        self._service.metrics.requests.labels("wyoming", "200").inc()

    def _order(self, request: Request, words: str, seed: int) -> Order:
        """The words as a request of the service. Takes compute time."""
        fields = {"input": words, "voice": request.voice, "text_format": request.format, "seed": seed}
        item = Item.model_validate({**fields, "response_format": "pcm"})
        item = item.model_copy(update={"language": request.language})  # of any length
        return order(self._service.model, self._service.voices, item, self._service.limits)


def _string(data: Mapping[str, Any], name: str) -> str:
    found = data.get(name)
    if not isinstance(found, str):
        code = Code.missing_parameter if found is None else Code.invalid_value
        raise ServingError(code, f"{name} must be a string.", name)
    return _whole(found, name)


def _whole(found: str, param: str) -> str:
    """A string without halves of surrogate pairs, which JSON may contain."""
    try:
        found.encode()
    except UnicodeEncodeError:
        raise ServingError(Code.invalid_value, f"{param} is not valid Unicode.", param) from None
    return found


def _name(found: Any, param: str) -> str:
    if not isinstance(found, str) or len(found) > NAME_CHARACTERS:
        raise ServingError(Code.invalid_value, f"{param} must be a name.", param)
    return _whole(found, param)


__all__ = ["Request", "Session"]
