"""The routes beside speech: models, voices, health and metrics."""

from typing import Annotated, Any

from fastapi import APIRouter, File, Form, Request, UploadFile
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.responses import Response

from dia.serving.errors import Code, ServingError, unknown_name
from dia.serving.limits import CONSENT_CHARACTERS, NAME_CHARACTERS, RECORDING_BYTES, TRANSCRIPT_CHARACTERS
from dia.serving.service import Service
from dia.serving.voices import RECORDING_TYPES

router = APIRouter()

_OWNER = "dia"


@router.get("/v1/models", tags=["models"])
async def models(request: Request) -> dict[str, Any]:
    """List the names of the model: its own, and OpenAI's, which stand for it."""
    service: Service = request.app.state.service
    return {"object": "list", "data": [_model(service, name) for name in service.model_names]}


@router.get("/v1/models/{name:path}", tags=["models"])
async def model(request: Request, name: str) -> dict[str, Any]:
    """Describe one model."""
    service: Service = request.app.state.service
    if name not in service.model_names:
        raise unknown_name(Code.model_not_found, "model", name, service.model_names, "model")
    return _model(service, name)


def _model(service: Service, name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": service.created, "owned_by": _OWNER}


@router.get("/v1/audio/voices", tags=["voices"])
async def voices(request: Request) -> dict[str, Any]:
    """List all voices: the model's own, the uploaded ones, the examples, and OpenAI's names, which stand for some."""
    service: Service = request.app.state.service
    names = await service.prepared(service.voices.names)
    return {"voices": [{"id": name, "name": name} for name in names]}


@router.post("/v1/audio/voices", tags=["voices"])
async def add_voice(
    request: Request,
    name: Annotated[str, Form(min_length=1, max_length=NAME_CHARACTERS, examples=["Ann"])],
    audio_sample: Annotated[UploadFile, File(description="5 to 10 s of one person who speaks.")],
    transcript: Annotated[str, Form(min_length=1, max_length=TRANSCRIPT_CHARACTERS, description="The exact words.")],
    consent: Annotated[
        str,
        Form(min_length=1, max_length=CONSENT_CHARACTERS, description="Whose voice it is, and why it may be copied."),
    ],
) -> dict[str, Any]:
    """Make a voice of a recording. Do so only with the consent of the speaker."""
    service: Service = request.app.state.service
    kind = (audio_sample.content_type or "application/octet-stream").partition(";")[0].strip().lower()
    if kind not in RECORDING_TYPES:
        known = "mpeg, wav, ogg, aac, flac, webm or mp4"
        raise ServingError(Code.unsupported_media_type, f"audio_sample is not audio; send {known}.", "audio_sample")
    content = await audio_sample.read(RECORDING_BYTES + 1)
    voice, created = await service.prepared(service.voices.add, name, content, transcript, consent)
    return {"id": voice, "object": "audio.voice", "created_at": int(created), "name": voice}


@router.delete("/v1/audio/voices/{voice}", tags=["voices"])
async def delete_voice(request: Request, voice: str) -> dict[str, Any]:
    """Delete an uploaded voice."""
    service: Service = request.app.state.service
    removed = await service.prepared(service.voices.remove, voice)
    return {"id": removed, "object": "audio.voice.deleted", "deleted": True}


@router.get("/health", tags=["server"])
async def health(request: Request) -> dict[str, Any]:
    """Whether the engine works: 200, or 503 if the server must be restarted."""
    service: Service = request.app.state.service
    if not service.alive:
        raise ServingError(Code.engine_stopped, "the engine has stopped; the server must be restarted.")
    return {"status": "ok"}


@router.get("/ready", tags=["server"])
async def ready(request: Request) -> dict[str, Any]:
    """Whether the model is warmed up: 200, or 503 if clients should wait."""
    service: Service = request.app.state.service
    if not (service.ready and service.alive):
        raise ServingError(Code.not_ready, "the server is starting; try again later.")
    return {"status": "ready", "model": service.model_name}


@router.get("/metrics", tags=["server"], response_class=Response)
async def metrics(request: Request) -> Response:
    """Measurements in the format of Prometheus."""
    service: Service = request.app.state.service
    return Response(service.metrics.text(), media_type=CONTENT_TYPE_LATEST)


__all__ = ["router"]
