"""Ray Serve: the HTTP routes of `dia serve` over many replicas, each with an engine of its own.

    serve run dia.distributed.serve_app:app
    serve run dia.distributed.serve_app:app model=nari-labs/Dia-1.6B-0626 gpus=1 slots=8 most_replicas=4

The front passes each request on to a replica (`relay.py`), which answers it as `dia serve` does. Needs the extra
`[ray]`, and knows nothing of speech.
"""

import asyncio
import logging
import sys
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from ray import serve
from ray.exceptions import RayActorError
from ray.serve.exceptions import BackPressureError, DeploymentUnavailableError, ReplicaUnavailableError
from ray.serve.handle import DeploymentHandle
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from dia.distributed.relay import Relay, answer_of
from dia.serving.admission import places_for
from dia.serving.errors import Code, ServingError
from dia.serving.http.gate import Access, Gate
from dia.serving.limits import SWITCH_SECONDS, Limits
from dia.serving.metrics import Metrics

_LIGHT = 4  # requests of a replica at once beside those that generate, such as lists of voices
_LOST = (RayActorError, ReplicaUnavailableError)


class Settings(BaseModel):
    """The arguments of `app`, in `serve run … name=value` or in a configuration file of Serve.

    Attributes:
        model: a folder, a Hub id, or mini.
        slots: clips that a replica generates at once.
        voices: the folder of uploaded voices, which all replicas see; by default that of `dia voice`.
        replicas: at least so many.
        most_replicas: at most so many; more start while the slots of all are in use.
        cpus: cores of a replica.
        gpus: of a replica; may be a fraction.
        front_cpus: cores of the front.
        api_key_file: a file with the key that clients must send.
        hosts: names that the Host header may have, with commas; `*` for any, which needs a key.
        watermark: whether to put an inaudible watermark into the sound.
    """

    model_config = ConfigDict(extra="forbid")

    model: str = "mini"
    slots: int = Field(16, ge=1)
    voices: str | None = None
    replicas: int = Field(1, ge=1)
    most_replicas: int = Field(1, ge=1)
    cpus: float = Field(2.0, ge=0)
    gpus: float = Field(0.0, ge=0)
    front_cpus: float = Field(0.5, ge=0)
    api_key_file: str | None = None
    hosts: str = "localhost,127.0.0.1,::1"
    watermark: bool = True

    def access(self) -> Access:
        """Who may send requests.

        Raises:
            ValueError: the file has no key, or anybody could use the server.
        """
        key = None if self.api_key_file is None else Path(self.api_key_file).read_text(encoding="utf-8").strip()
        if key is not None and (len(key.split()) != 1 or not key.isascii()):
            raise ValueError(f"api_key_file: {self.api_key_file} must contain one word of ASCII characters.")
        names = frozenset(name.strip().lower() for name in self.hosts.split(",") if name.strip())
        if "*" in names and key is None:
            raise ValueError("hosts=* lets everybody use the server; set api_key_file.")
        return Access(key, frozenset() if "*" in names else names)


class Speech:
    """A replica: a model with its engine."""

    async def __init__(self, settings: Settings) -> None:  # type: ignore[misc]  # Serve awaits it
        import torch

        from dia import Dia
        from dia.runtime.resources.memory import limit_process
        from dia.runtime.resources.threads import choose_threads
        from dia.serving.http.app import create_app

        sys.setswitchinterval(SWITCH_SECONDS)
        _log()
        limit_process()
        model = await asyncio.to_thread(Dia.from_pretrained, settings.model)
        torch.set_num_threads(choose_threads(model.model.num_parameters()).threads)
        self._app = create_app(model, slots=settings.slots, voices=settings.voices, watermark=settings.watermark)
        self._service = self._app.state.service
        await self._service.warm_up()
        if self._service.failure:
            raise RuntimeError(f"the model cannot generate ({self._service.failure}).")

    async def answer(self, scope: Scope, body: bytes) -> AsyncGenerator[Message, None]:
        """The messages of the answer to one request. If the client leaves, Serve cancels this."""
        messages = answer_of(self._app, scope, body)
        try:
            async for message in messages:
                yield message
        finally:
            await messages.aclose()  # sets the flag that the engine reads, and waits for nothing else

    def check_health(self) -> None:
        """Have the replica replaced once its engine has stopped."""
        if not self._service.alive:
            raise RuntimeError("the engine has stopped.")

    def __del__(self) -> None:
        """Stop the engine before the interpreter ends."""
        with suppress(AttributeError):  # it was never made
            self._service.close()


class Front:
    """What clients reach: checks who they are and what they send, and passes their requests on."""

    def __init__(self, settings: Settings, replicas: DeploymentHandle) -> None:
        _log()
        self._replicas = replicas.options(method_name="answer", stream=True)
        self._gate = Gate(Relay(self._ask, _is_lost), settings.access(), Limits(), Metrics())

    async def __call__(self, request: Request) -> Response:
        """Answer one request."""
        return _Passed(self._gate)

    async def _ask(self, scope: dict[str, Any], body: bytes) -> AsyncIterator[Message]:
        asked = self._replicas.remote(scope, body)
        ended = False
        try:
            async for message in asked:
                yield message
            ended = True
        except (BackPressureError, DeploymentUnavailableError) as error:
            raise ServingError(Code.overloaded, "all replicas have enough requests; try again later.") from error
        finally:
            if not ended:
                asked.cancel()


class _Passed(Response):
    """An answer by an ASGI application."""

    def __init__(self, application: Gate) -> None:
        super().__init__()
        self._application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._application(scope, receive, send)


def _is_lost(error: Exception) -> bool:
    """Whether an error means that a replica has ended."""
    return isinstance(error, _LOST)


def _log() -> None:
    """One line for each request in the logs of Serve."""
    logger = logging.getLogger("dia")
    logger.setLevel(logging.INFO)


def app(settings: Settings) -> serve.Application:
    """The application, for `serve run` or `serve.run`.

    Args:
        settings: see `Settings`.

    Raises:
        ValueError: a setting is invalid.
    """
    settings.access()
    if settings.most_replicas < settings.replicas:
        settings = settings.model_copy(update={"most_replicas": settings.replicas})
    limits = Limits()
    replicas = (
        serve.deployment(Speech)
        .options(
            ray_actor_options={"num_cpus": settings.cpus, "num_gpus": settings.gpus},
            max_ongoing_requests=places_for(settings.slots) + _LIGHT,
            max_queued_requests=limits.waiting * settings.most_replicas,
            autoscaling_config={
                "min_replicas": settings.replicas,
                "max_replicas": settings.most_replicas,
                "target_ongoing_requests": settings.slots,
            },
        )
        .bind(settings)
    )
    return (
        serve.deployment(Front)
        .options(ray_actor_options={"num_cpus": settings.front_cpus}, max_ongoing_requests=limits.open_requests)
        .bind(settings, replicas)
    )


__all__ = ["Settings", "app"]
