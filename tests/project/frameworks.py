"""Stand-ins for the few names of pipecat-ai 1.14 and langchain-core 1.8 that docs/integrations.md uses."""

import asyncio
import sys
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import pytest


@dataclass
class Frame:
    """A frame of Pipecat's."""


@dataclass
class TTSAudioRawFrame(Frame):
    audio: bytes
    sample_rate: int
    num_channels: int
    context_id: str | None = None


@dataclass
class ErrorFrame(Frame):
    error: str


@dataclass
class TTSSettings:
    model: str | None
    voice: str | None
    language: str | None


class TTSService:
    """Pipecat's base class of services, as it is in a pipeline that has started, with the default rate."""

    def __init__(self, *, push_start_frame: bool, push_stop_frames: bool, settings: TTSSettings) -> None:
        assert push_start_frame, "the service yields no TTSStartedFrame"
        assert push_stop_frames, "the service yields no TTSStoppedFrame"
        self._settings = settings

    @property
    def sample_rate(self) -> int:
        return 24000


class ToolException(Exception):
    """An error for the language model to read."""


class BaseTool:
    """LangChain's base class of tools: fields with defaults, and `invoke` with the arguments of `_run`."""

    handle_tool_error: bool = False

    def __init__(self, **fields: Any) -> None:
        declared = type(self).__annotations__
        assert set(fields) <= set(declared), "a field is not declared"
        vars(self).update(fields)
        assert all(hasattr(self, name) for name in declared), "a field has no value"

    def invoke(self, arguments: dict[str, Any] | str) -> Any:
        try:
            return self._run(**arguments) if isinstance(arguments, dict) else self._run(arguments)
        except ToolException as error:
            if not self.handle_tool_error:
                raise
            return str(error)

    async def ainvoke(self, arguments: dict[str, Any] | str) -> Any:
        return await asyncio.to_thread(self.invoke, arguments)

    def _run(self, *arguments: Any, **named: Any) -> Any:
        raise NotImplementedError


MODULES: dict[str, tuple[type, ...]] = {
    "pipecat.frames.frames": (ErrorFrame, Frame, TTSAudioRawFrame),
    "pipecat.services.settings": (TTSSettings,),
    "pipecat.services.tts_service": (TTSService,),
    "langchain_core.tools": (BaseTool, ToolException),
}


def stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the stand-ins in the place of the packages until the end of the test."""
    for name, classes in MODULES.items():
        module = ModuleType(name)
        vars(module).update({each.__name__: each for each in classes})
        monkeypatch.setitem(sys.modules, name, module)
