"""The page at `/`: its files, and the settings that it offers. What the page does is in `serving/page/`."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from dia.audio.formats.live import MEDIA_TYPES
from dia.runtime import limits
from dia.runtime.ranges import Range
from dia.serving.errors import Code, ServingError
from dia.serving.limits import (
    BEST_OF,
    CONSENT_CHARACTERS,
    NAME_CHARACTERS,
    RECORDING_BYTES,
    RECORDING_SECONDS,
    RETRIES,
    SPEED,
    TRANSCRIPT_CHARACTERS,
)
from dia.serving.service import Service
from dia.serving.voices import ALIASES, DEFAULT
from dia.text.tags import NON_VERBAL_TAGS, SPEAKERS
from dia.text.turns import LONGEST_PAUSE
from dia.voices.library import EXAMPLES

router = APIRouter()

FOLDER = Path(__file__).parents[1] / "page"
PREFIX = "/page/"
TYPES: Mapping[str, str] = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
"""The media types of the page's files by suffix."""

# Everything comes from this server. Recordings and takes are blobs, which the page makes itself.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src blob:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "content-security-policy": _POLICY,
    "permissions-policy": "microphone=(self), camera=(), geolocation=()",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "cache-control": "no-cache",  # ask whether there is a new version; the answer is 304 if not
}
_RANGES = {
    "temperature": limits.TEMPERATURE,
    "top_p": limits.NUCLEUS,
    "top_k": limits.FILTERED,
    "guidance_scale": limits.GUIDANCE,
    "speed": SPEED,
    "retries": RETRIES,
    "best_of": BEST_OF,
}
_EXAMPLE = """\
[S1] Good morning! Did you hear the news?
[S2] No. What happened?
[S1] The old train is coming back to our town. [pause:300ms] Next week!
[S2] (laughs) That is wonderful. I want to be on the first one."""


@dataclass(frozen=True)
class _File:
    content: bytes
    media: str
    tag: str


@cache
def files() -> Mapping[str, _File]:
    """The files of the page by their names in the folder. Others are not served, whatever a request names."""
    found = {}
    for path in sorted(FOLDER.rglob("*")):
        if path.suffix in TYPES:
            content = path.read_bytes()
            tag = f'"{hashlib.sha256(content).hexdigest()[:16]}"'
            found[path.relative_to(FOLDER).as_posix()] = _File(content, TYPES[path.suffix], tag)
    return found


@router.get("/", include_in_schema=False)
async def page(request: Request) -> Response:
    """The page."""
    return _answer(request, "index.html")


@router.get(PREFIX + "{name:path}", include_in_schema=False)
async def page_file(request: Request, name: str) -> Response:
    """A file of the page."""
    return _answer(request, name)


def _answer(request: Request, name: str) -> Response:
    file = files().get(name)
    if file is None:
        raise ServingError(Code.not_found, "the page has no such file.")
    headers = {**_HEADERS, "etag": file.tag}
    if file.tag in re.split(r"\s*,\s*", request.headers.get("if-none-match", "").replace("W/", "")):
        return Response(status_code=304, headers=headers)
    return Response(file.content, headers=headers, media_type=file.media)


@router.get("/v1/audio/settings", tags=["server"])
async def settings(request: Request) -> dict[str, Any]:
    """What a user interface offers: sounds, formats, ranges with their defaults, limits, and an example."""
    service: Service = request.app.state.service
    return {
        "model": service.model_name,
        "sample_rate": service.model.sample_rate,
        "speakers": list(SPEAKERS),
        "sounds": list(NON_VERBAL_TAGS),
        "formats": list(MEDIA_TYPES),
        "ranges": {name: _range(allowed, _default(service, name)) for name, allowed in _RANGES.items()},
        "voices": {
            "own": [DEFAULT, *SPEAKERS],
            "examples": sorted(path.stem for path in EXAMPLES.glob("*.safetensors")),
            "aliases": sorted(ALIASES),
        },
        "limits": {
            "input_characters": service.limits.input_characters,
            "pause_seconds": LONGEST_PAUSE,
            "name_characters": NAME_CHARACTERS,
            "transcript_characters": TRANSCRIPT_CHARACTERS,
            "consent_characters": CONSENT_CHARACTERS,
            "recording_bytes": RECORDING_BYTES,
            "recording_seconds": RECORDING_SECONDS,
        },
        "example": _EXAMPLE,
    }


def _range(allowed: Range, default: float) -> dict[str, Any]:
    return {
        "minimum": allowed.least,
        "maximum": allowed.most,
        "above": allowed.above,
        "whole": allowed.whole,
        "default": default,
    }


def _default(service: Service, name: str) -> float:
    own = getattr(service.model.model.generation_config, name, None)
    return {"speed": 1, "retries": 0, "best_of": 1}.get(name, own)  # type: ignore[return-value]


__all__ = ["FOLDER", "PREFIX", "TYPES", "files", "router"]
