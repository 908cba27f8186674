"""The HTTP server: OpenAI's contract for speech, voices, health and metrics."""

from typing import TYPE_CHECKING

from dia.runtime.lazy import lazy_names

if TYPE_CHECKING:
    from dia.serving.http.app import create_app

__getattr__, __dir__ = lazy_names(__name__, {"app": ("create_app",)})

__all__ = ["create_app"]
