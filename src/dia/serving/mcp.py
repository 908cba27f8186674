"""The Model Context Protocol: a language model speaks with the tools `synthesize`, `list_voices` and `describe`."""

import asyncio
import base64
import os
import secrets
import socket
import threading
import time
from contextlib import suppress
from inspect import getdoc
from pathlib import Path
from typing import Annotated, Any, Literal

from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import AudioContent, CallToolResult, TextContent, ToolAnnotations
from pydantic import Field

from dia.audio.formats.live import MEDIA_TYPES
from dia.runtime.files.atomic import atomic_file
from dia.serving.errors import logged
from dia.serving.http.jobs import Order, check_length, order
from dia.serving.http.schema import Item, Seed, Speed, TextFormat
from dia.serving.http.speech import Room, summary
from dia.serving.limits import ANSWER_CHARACTERS, NAME_CHARACTERS
from dia.serving.service import Service
from dia.serving.voices import ALIASES, DEFAULT
from dia.text.prompt_format import PromptFormat
from dia.text.tags import NON_VERBAL_TAGS, SPEAKERS
from dia.version import __version__

_INSTRUCTIONS = """\
Dia turns a text, or a script of a dialogue with [S1] and [S2], into speech. Do not imitate a real person without \
consent, and do not deceive. Written files are tagged as synthetic speech."""
_INPUT_BYTES = 65_536  # that are copied at once
_READS = ToolAnnotations(read_only_hint=True, open_world_hint=False)
_WRITES = ToolAnnotations(read_only_hint=False, destructive_hint=False, open_world_hint=False)

Kind = Literal["mp3", "opus", "aac", "flac", "wav"]
Text = Annotated[
    str,
    Field(
        description="The words to speak. In a dialogue, each turn begins with [S1] or [S2]. `describe` lists sounds "
        "such as (laughs). [pause:700ms] is a pause."
    ),
]
VoiceName = Annotated[str, Field(description="A name that `list_voices` returns.", max_length=NAME_CHARACTERS)]


def make_server(service: Service, folder: Path | None = None) -> MCPServer:
    """Make the server, for any transport of the `mcp` package.

    Args:
        service: generates; `close` it afterwards.
        folder: where audio is saved under names that the server chooses. If None, answers contain the audio.
    """
    tools = _Tools(service, folder)
    server: MCPServer = MCPServer("dia", instructions=_INSTRUCTIONS, version=__version__, log_level="WARNING")
    for tool in (tools.synthesize, tools.list_voices, tools.describe):
        writes = tool == tools.synthesize and folder is not None
        server.add_tool(tool, description=getdoc(tool), annotations=_WRITES if writes else _READS)
    return server


async def serve(service: Service, folder: Path | None = None) -> None:
    """Serve on standard input and output until the client closes them or the task is cancelled; close the service."""
    warming, source = asyncio.create_task(service.warm_up()), _Input()
    running = asyncio.create_task(make_server(service, folder).run_stdio_async())
    try:
        await asyncio.wait({running})
    finally:
        source.close()
        warming.cancel()
        await asyncio.gather(running, warming, return_exceptions=True)
        await asyncio.to_thread(service.close)
    await running


class _Input:
    """Standard input that can be closed while a thread reads it, so that a signal ends the program at once."""

    def __init__(self) -> None:
        self._source = os.dup(0)
        reader, self._writer = socket.socketpair()
        with reader:
            os.dup2(reader.fileno(), 0)
        self.thread = threading.Thread(target=self._copy, name="dia.serving.mcp", daemon=True)
        self.thread.start()

    def _copy(self) -> None:
        with os.fdopen(self._source, "rb", buffering=0) as source, self._writer, suppress(OSError):
            while data := source.read(_INPUT_BYTES):
                self._writer.sendall(data)

    def close(self) -> None:
        """End the input. The thread closes its descriptors, since it may still use them."""
        with suppress(OSError):
            self._writer.shutdown(socket.SHUT_RDWR)


class _Tools:
    """The tools. The docstrings are for the language model that calls them."""

    def __init__(self, service: Service, folder: Path | None) -> None:
        self._service, self._folder = service, folder

    async def synthesize(
        self,
        text: Text,
        context: Context,
        voice: VoiceName = DEFAULT,
        format: Kind = "mp3",
        speed: Speed = 1.0,
        seed: Annotated[Seed | None, Field(description="The same seed gives the same audio.")] = None,
        text_format: TextFormat = "plain",
    ) -> CallToolResult:
        """Speak a text or a script of a dialogue, and return the audio, or the path of its file.

        Do not imitate a real person without consent.
        """
        fields = {"input": text, "voice": voice, "response_format": format, "speed": speed, "seed": seed}
        try:
            if self._folder is None:
                check_length([text], ANSWER_CHARACTERS, "text")
            item = Item.model_validate({**fields, "text_format": text_format})
            limits = self._service.limits
            planned = await self._service.prepared(order, self._service.model, self._service.voices, item, limits)
            async with asyncio.timeout(limits.stream_seconds):
                audio, facts = await self._spoken(planned, context)
            return await self._answer(planned, audio, facts)
        except Exception as error:
            known = logged(error)
            raise ToolError(f"{known.code.name}: {known.message}") from None

    async def _spoken(self, planned: Order, context: Context) -> tuple[bytes, dict[str, Any]]:
        """All audio, and facts about it. The slot is free as soon as the client cancels the call."""
        generation = await self._service.start(planned.job, planned.format, planned.rate, planned.speed)
        audio, room = bytearray(), Room(self._service.limits.answer_bytes)
        try:
            while data := await generation.buffer.read():
                room.take(len(data))
                audio += data
                await context.report_progress(generation.seconds, message=f"{generation.seconds:.1f} s of speech")
        finally:
            generation.cancel()
        facts = {"format": planned.format, "sample_rate": planned.rate, **summary(planned, generation, timed=False)}
        return bytes(audio), facts

    async def _answer(self, planned: Order, audio: bytes, facts: dict[str, Any]) -> CallToolResult:
        about = f"{facts['duration_seconds']:.1f} s of speech, seed {planned.seed}"
        if self._folder is not None:
            path = await asyncio.to_thread(_saved, self._folder, planned, audio)
            text = TextContent(text=f"{path}: {about}")
            return CallToolResult(content=[text], structured_content={"path": str(path), **facts})
        sound = AudioContent(data=base64.b64encode(audio).decode(), mime_type=MEDIA_TYPES[planned.format])
        return CallToolResult(content=[TextContent(text=about), sound], structured_content=facts)

    async def list_voices(self) -> list[str]:
        """List the voices."""
        return await self._service.prepared(self._service.voices.names, False)

    async def describe(self) -> dict[str, Any]:
        """Describe what can be spoken: the model, the signs of a script, formats and limits."""
        service, inline = self._service, self._folder is None
        english = PromptFormat.of(service.model.model.generation_config).text_frontend == "en"
        return {
            "model": service.model_name,
            "version": __version__,
            "ready": service.ready,
            "language": "en" if english else "that of the model",
            "sample_rate": service.model.sample_rate,
            "speakers": [f"[{speaker}]" for speaker in SPEAKERS],
            "sounds": list(NON_VERBAL_TAGS),
            "pause": "[pause:700ms]",
            "formats": [kind for kind in MEDIA_TYPES if kind != "pcm"],
            "characters": ANSWER_CHARACTERS if inline else service.limits.input_characters,
            "other_names_of_voices": sorted(ALIASES),
            "ethics": _INSTRUCTIONS,
        }


def _saved(folder: Path, planned: Order, audio: bytes) -> Path:
    """Write the audio into a new file. The path contains nothing that the client has sent but the seed."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder.resolve() / f"dia-{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(4)}.{planned.format}"
    with atomic_file(path) as partial:
        partial.write_bytes(audio)
    return path


__all__ = ["make_server", "serve"]
