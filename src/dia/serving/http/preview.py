"""The route that shows how a script is read, without speaking it. The script is read as a request for speech is."""

from typing import Annotated, Any

from fastapi import APIRouter, Body, Request

from dia.serving.http.jobs import Order, order
from dia.serving.http.schema import PREVIEW_EXAMPLES, Item
from dia.serving.http.timing import turn_numbers
from dia.serving.service import Service
from dia.text.turns import Turn, estimated_seconds

router = APIRouter(prefix="/v1/audio/speech", tags=["speech"])


@router.post("/preview")
async def preview(
    request: Request, body: Annotated[Item, Body(openapi_examples=dict(PREVIEW_EXAMPLES))]
) -> dict[str, Any]:
    """Show how a text or a dialogue is read: turns, spoken words, warnings, and its length by an estimate.

    A pause divides a turn into several with the same `turn_index`, which is that of the times in an answer. `start`
    and `end` are positions in `input`, in characters (Unicode code points); a dialogue has none.
    """
    service: Service = request.app.state.service
    planned = await service.prepared(order, service.model, service.voices, body, service.limits)
    return described(planned)


def described(planned: Order) -> dict[str, Any]:
    """How a request is read."""
    script = planned.job.script
    turns = [_turn(turn, number, planned) for turn, number in zip(script.turns, turn_numbers(planned), strict=True)]
    seconds = sum(turn["estimated_seconds"] + turn["pause_seconds"] for turn in turns)
    return {
        "turns": turns,
        "names": dict(script.names),
        "warnings": list(planned.job.remarks),
        "estimated_seconds": round(seconds, 2),
        "input_tokens": planned.input_tokens,
        "long": planned.job.long_form,
    }


def _turn(turn: Turn, number: int, planned: Order) -> dict[str, Any]:
    span = dict(zip(("start", "end"), (place - planned.offset for place in turn.span), strict=True))
    return {
        "turn_index": number,
        "speaker": turn.speaker,
        "text": turn.shown,
        "spoken": turn.text,
        **({} if planned.turns else span),
        "pause_seconds": turn.pause / planned.speed,
        "estimated_seconds": round(estimated_seconds(turn.text) / planned.speed, 2),
    }


__all__ = ["described", "router"]
