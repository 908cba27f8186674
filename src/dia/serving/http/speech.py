"""The routes that speak: a text or a dialogue, and batches of them."""

import asyncio
import base64
import uuid
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Body, Request
from starlette.responses import Response

from dia.audio.formats.live import MEDIA_TYPES
from dia.serving.errors import Code, ServingError, logged, unknown_name
from dia.serving.generation import Generation
from dia.serving.http.jobs import Order, check_length, order, texts_of
from dia.serving.http.responses import EventResponse, LongJSONResponse, SpeechResponse
from dia.serving.http.schema import BATCH_EXAMPLES, SPEECH_EXAMPLES, BatchRequest, Item, SpeechRequest
from dia.serving.http.timing import times_of, turn_times
from dia.serving.service import Service
from dia.synthesis.parts.joining import Piece

router = APIRouter(prefix="/v1/audio/speech", tags=["speech"])

_SHARE = 0.95  # of the time of an answer in which the items of a batch must be finished; the rest is for sending
_AUDIO = {
    "description": "The audio, its events, or JSON with `word_timestamps`.",
    "content": {
        **{kind: {"schema": {"type": "string", "format": "binary"}} for kind in MEDIA_TYPES.values()},
        "text/event-stream": {},  # OpenAPI 3.1 cannot describe single events
        "application/json": {"schema": {"type": "object"}},
    },
}


@router.post("", response_class=Response, responses={200: _AUDIO})
async def speech(
    request: Request, body: Annotated[SpeechRequest, Body(openapi_examples=dict(SPEECH_EXAMPLES))]
) -> Response:
    """Speak a text or a dialogue. The audio is sent while it is generated."""
    service: Service = request.app.state.service
    check_model(service, body.model)
    planned = await service.prepared(order, service.model, service.voices, body, service.limits)
    headers = {
        "content-type": MEDIA_TYPES[planned.format],
        "x-sample-rate": str(planned.rate),
        "x-seed": str(planned.seed),
    }
    if body.stream_format == "sse":
        timed = bool(body.word_timestamps or planned.turns)
        finished = partial(turn_times, planned) if body.word_timestamps else None
        return EventResponse(
            starter(service, planned), service.limits, headers, lambda made: summary(planned, made, timed), finished
        )
    if body.word_timestamps:
        room = Room(service.limits.answer_bytes)
        return LongJSONResponse(lambda: whole(service, planned, timed=True, room=room), service.limits)
    return SpeechResponse(starter(service, planned), service.limits, headers)


@router.post("/batch", response_class=Response, responses={200: {"content": {"application/json": {}}}})
async def batch(
    request: Request, body: Annotated[BatchRequest, Body(openapi_examples=dict(BATCH_EXAMPLES))]
) -> Response:
    """Speak several texts or dialogues. One that fails does not affect the others."""
    service: Service = request.app.state.service
    check_model(service, body.model)
    check_length(texts_of(body.items), service.limits.input_characters, "items")
    service.admission.check_batch()
    items = [item.with_defaults(body) for item in body.items]
    return LongJSONResponse(lambda: spoken_batch(service, items), service.limits)


def check_model(service: Service, name: str) -> None:
    """Check the name of the model in a request.

    Raises:
        ServingError: this server does not have it.
    """
    if name not in service.model_names:
        raise unknown_name(Code.model_not_found, "model", name, service.model_names, "model")


def starter(service: Service, planned: Order, patient: bool = False) -> Callable[[], Awaitable[Generation]]:
    """A function that starts to generate."""
    return lambda: service.start(planned.job, planned.format, planned.rate, planned.speed, patient)


class Room:
    """The bytes that the audio of an answer may still have, all items of a batch together."""

    def __init__(self, size: int) -> None:
        self._size = self._left = size

    def take(self, size: int) -> None:
        """Take some of it.

        Raises:
            ServingError: there is not so much left.
        """
        if size > self._left:
            message = f"the audio of an answer has up to {self._size / 2**20:g} MiB."
            remedy = "Send a shorter text, ask for mp3, or stream it (stream_format 'sse')."
            raise ServingError(Code.input_too_long, f"{message} {remedy}", "input")
        self._left -= size

    def give_back(self, size: int) -> None:
        """Give back what an item that has failed took."""
        self._left += size


async def whole(service: Service, planned: Order, timed: bool, room: Room, patient: bool = False) -> dict[str, Any]:
    """All audio of a request, as the body of an answer. If the task is cancelled, the slot is freed."""
    generation, audio = (
        await service.start(planned.job, planned.format, planned.rate, planned.speed, patient),
        bytearray(),
    )
    try:
        while data := await generation.buffer.read():
            room.take(len(data))
            audio += data
    except BaseException:
        room.give_back(len(audio))
        raise
    finally:
        generation.cancel()
    encoded = await asyncio.to_thread(base64.b64encode, audio)
    return {
        "audio": encoded.decode("ascii"),
        "format": planned.format,
        "sample_rate": planned.rate,
        **summary(planned, generation, timed),
    }


def summary(planned: Order, generation: Generation, timed: bool) -> dict[str, Any]:
    """What an answer says about its audio: usage, seed, duration, problems and times."""
    output = sum(len(piece.take.codes) for piece in generation.pieces)
    faults = [
        f"{_named(piece)} {fault}. Try another seed." for piece in generation.pieces for fault in piece.take.warnings
    ]
    return {
        "usage": {
            "input_tokens": planned.input_tokens,
            "output_tokens": output,
            "total_tokens": planned.input_tokens + output,
        },
        "seed": planned.seed,
        "duration_seconds": round(generation.seconds, 3),
        "warnings": [*planned.job.remarks, *faults],
        **(times_of(planned, generation.pieces) if timed else {}),
    }


def _named(piece: Piece) -> str:
    return f"part {piece.number + 1} of {piece.parts}" if piece.parts > 1 else "the speech"


async def spoken_batch(service: Service, items: list[Item]) -> dict[str, Any]:
    """The answer to a batch. Items that are not finished in time have an error; the others are kept."""
    room = Room(service.limits.answer_bytes)
    ends = asyncio.get_running_loop().time() + _SHARE * service.limits.stream_seconds
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(_result(service, number, item, room, ends)) for number, item in enumerate(items)]
    results = [task.result() for task in running]
    succeeded = sum(result["status"] == "success" for result in results)
    return {
        "id": f"batch_{uuid.uuid4().hex}",
        "results": results,
        "total": len(results),
        "succeeded": succeeded,
        "failed": len(results) - succeeded,
    }


async def _result(service: Service, index: int, item: Item, room: Room, ends: float) -> dict[str, Any]:
    """The result of an item, or its error."""
    try:
        async with asyncio.timeout_at(ends):
            planned = await service.prepared(order, service.model, service.voices, item, service.limits)
            timed = bool(item.word_timestamps or planned.turns)
            return {"index": index, "status": "success", **await whole(service, planned, timed, room, patient=True)}
    except Exception as error:
        return {"index": index, "status": "error", **logged(error).body}


__all__ = ["Room", "router", "summary"]
