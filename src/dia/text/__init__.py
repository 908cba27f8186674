"""Scripts: turns, tags, normalization, chunking, pronunciations and the prompt format."""

from typing import TYPE_CHECKING

from dia.runtime.lazy import lazy_names

if TYPE_CHECKING:
    from dia.text.english.normalization import spoken_form
    from dia.text.prompt_format import PromptFormat
    from dia.text.script import Script, estimated_seconds, parse

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "english.normalization": ("spoken_form",),
        "prompt_format": ("PromptFormat",),
        "script": ("Script", "estimated_seconds", "parse"),
    },
)

__all__ = ["PromptFormat", "Script", "estimated_seconds", "parse", "spoken_form"]
