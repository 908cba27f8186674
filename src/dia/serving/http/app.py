"""The HTTP application: routes, the shape of all errors, and the start and end of the service."""

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from pathlib import Path
from socket import socket
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import compile_path

from dia.runtime.spelling import did_you_mean
from dia.serving.errors import Code, ServingError
from dia.serving.http import page, preview, resources, speech
from dia.serving.http.gate import Access, Gate
from dia.serving.http.reference import reference_page
from dia.serving.http.responses import error_response
from dia.serving.http.schema import BatchRequest, SpeechRequest
from dia.serving.limits import Limits
from dia.serving.service import Service
from dia.version import __version__

if TYPE_CHECKING:
    from dia.model import Dia

_ABOUT = """\
Dialogue and speech by Dia, with the contract of OpenAI's route for speech. All speech is marked as synthetic, except \
for pcm, which has no field for it. Do not imitate a real person without consent, and do not deceive."""
_OF_STATUS = {
    404: (Code.not_found, "there is no such address; GET /docs lists them."),
    405: (Code.method_not_allowed, "the address does not support this method; GET /docs lists them."),
    400: (Code.invalid_json, "the body cannot be read; send JSON, or multipart/form-data for a recording."),
}
_ERROR_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "type", "param", "code"],
            "properties": {
                "message": {"type": "string"},
                "type": {"type": "string"},
                "param": {"type": ["string", "null"]},
                "code": {"type": "string", "enum": [code.name for code in Code]},
            },
        }
    },
}


def create_app(
    model: "Dia",
    *,
    slots: int | None = None,
    voices: str | Path | None = None,
    api_key: str | None = None,
    hosts: Collection[str] = (),
    limits: Limits | None = None,
    watermark: bool = True,
    wyoming: Sequence[socket] = (),
) -> FastAPI:
    """Make the ASGI application that serves a model, for uvicorn or another server.

    Args:
        model: the model, with its codec.
        slots: how many clips the engine generates at once; by default its own number.
        voices: the folder of uploaded voices; by default that of `dia voice`.
        api_key: the key that clients must send; None for none.
        hosts: the names that the `Host` header may have; empty for any. See `dia.serving.http.gate.Access`.
        limits: the limits.
        watermark: whether to put an inaudible watermark into the sound, see docs/provenance.md.
        wyoming: sockets that listen, on which the Wyoming protocol is served from the start of the application to its
            end; see `dia.serving.wyoming.listen`.

    Raises:
        ValueError: the model was loaded without its codec, or a number is below 1.
    """
    if model.processor.audio_tokenizer is None:
        raise ValueError("there is no codec, so speech cannot be served; load the model with its codec.")
    service = Service(model, slots, None if voices is None else Path(voices), limits, watermark)
    # FastAPI's own pages load scripts from elsewhere.
    app = FastAPI(
        title="Dia", version=__version__, description=_ABOUT, lifespan=_lifespan, docs_url=None, redoc_url=None
    )
    app.state.service, app.state.wyoming = service, wyoming
    app.add_middleware(Gate, access=Access(api_key, frozenset(hosts)), limits=service.limits, metrics=service.metrics)
    app.include_router(speech.router)
    app.include_router(preview.router)
    app.include_router(resources.router)
    app.include_router(page.router)
    app.add_exception_handler(ServingError, _serving_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.openapi = _with_our_errors(app.openapi)  # type: ignore[method-assign]
    app.add_api_route("/docs", lambda: reference_page(app.openapi()), include_in_schema=False)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    service: Service = app.state.service
    warming = asyncio.create_task(service.warm_up())
    async with _wyoming(service, app.state.wyoming):
        yield
    warming.cancel()
    await asyncio.to_thread(service.close)


def _wyoming(service: Service, sockets: Sequence[socket]) -> AbstractAsyncContextManager[object]:
    """The server of the Wyoming protocol, if it has sockets. Without, its package need not be installed."""
    if not sockets:
        return nullcontext()
    from dia.serving.wyoming import WyomingServer

    return WyomingServer(service, sockets)


async def _serving_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, ServingError)
    return error_response(error)


async def _http_error(request: Request, error: Exception) -> Response:
    """An error of the framework."""
    assert isinstance(error, HTTPException)
    code, message = _OF_STATUS.get(error.status_code, (Code.invalid_value, "the request is invalid."))
    response = error_response(ServingError(code, message))
    response.headers.update(error.headers or {})
    if error.status_code == 405 and (methods := _methods(request)):
        response.headers["allow"] = ", ".join(sorted(methods))  # the framework names those of one route
    return response


def _methods(request: Request) -> set[str]:
    """The methods that an address of the OpenAPI document supports."""
    paths: dict[str, dict[str, Any]] = request.app.openapi()["paths"]
    there = (operations for path, operations in paths.items() if compile_path(path)[0].match(request.url.path))
    return {method.upper() for operations in there for method in operations}


async def _validation_error(_: Request, error: Exception) -> Response:
    """The first error of a body, without the value that the client has sent."""
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    place = [str(part) for part in first["loc"] if part not in ("body", "query", "path", "header")]
    kind = first["type"]
    if kind == "json_invalid" or (not place and kind != "missing"):
        return error_response(ServingError(*_OF_STATUS[400]))
    # Members of unions and aliases are not names of parameters; that of an unknown one may look like them.
    outer, own = (place[:-1], place[-1:]) if kind == "extra_forbidden" else (place, [])
    named = [part for part in outer if part.isdecimal() or (part.islower() and "[" not in part and "-" not in part)]
    param = ".".join([*named, *own]) or None
    return error_response(ServingError(*_described(kind, first["msg"], param), param))


def _described(kind: str, message: str, param: str | None) -> tuple[Code, str]:
    if kind == "missing":
        return Code.missing_parameter, f"{param or 'the body'} is missing."
    if kind == "extra_forbidden":
        name = str(param).rpartition(".")[2]
        known = {*SpeechRequest.model_fields, *BatchRequest.model_fields, "inputs"} - {name}  # if of another route
        return Code.unknown_parameter, f"there is no parameter {name[:60]!r}{did_you_mean(name, known) or '.'}"
    plain = message.removeprefix("Value error, ")
    plain = plain[0].lower() + plain[1:]
    return Code.invalid_value, f"{param} {plain}." if plain.startswith("must") else f"{param}: {plain}."


def _with_our_errors(make: Any) -> Any:
    """The OpenAPI document, in which errors have the shape that they really have."""

    def document() -> dict[str, Any]:
        made: dict[str, Any] = make()
        components = made.setdefault("components", {})
        components.setdefault("schemas", {})["Error"] = _ERROR_SCHEMA
        for body in (SpeechRequest, BatchRequest):  # FastAPI makes floats of bounds, which do not hold 64 bits
            schema = body.model_json_schema(ref_template="#/components/schemas/{model}")
            components["schemas"] |= schema.pop("$defs") | {body.__name__: schema}
        components["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
        answer = {
            "description": "An error",
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
        }
        for route in made["paths"].values():
            for operation in route.values():
                operation["responses"].pop("422", None)
                operation["responses"] |= {"4XX": answer, "5XX": answer}
        for name in ("HTTPValidationError", "ValidationError"):
            components["schemas"].pop(name, None)
        return made

    return document


__all__ = ["create_app"]
