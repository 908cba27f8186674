"""The state of one server: the model and its engine, voices, places for requests, threads and measurements.

Independent of protocols.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from dia.audio.formats.live import live_encoder
from dia.checkpoints.source import public_name
from dia.decoding.engine import engine_of
from dia.runtime.resources.memory import release_free_memory
from dia.runtime.resources.threads import SMALL, compute_with_one_thread, show_name
from dia.serving.admission import Admission
from dia.serving.generation import Buffer, Generation
from dia.serving.limits import Limits
from dia.serving.metrics import Metrics
from dia.serving.voices import VoiceCatalogue

if TYPE_CHECKING:
    from dia.model import Dia
    from dia.synthesis.job import SynthesisJob

T = TypeVar("T")
logger = logging.getLogger(__name__)

# OpenAI's models for speech; programs that are made for it name one of them.
MODEL_ALIASES = ("tts-1", "tts-1-hd", "gpt-4o-mini-tts")
TIDY_SECONDS = 30.0  # of requests, after which freed memory is returned to the system


class Service:
    """Everything that the requests of a server share; `close` it at the end.

    Args:
        model: the model, with its codec.
        slots: of the engine; by default the engine's own number.
        voices: the folder of uploaded voices; by default that of `dia voice`.
        limits: the limits.
        watermark: whether to put an inaudible watermark into the sound.

    Attributes:
        ready: whether the model is warmed up.
        failure: the type of the error of the warm-up, if it failed.
        created: the time of the start, in seconds since 1970.
    """

    def __init__(
        self,
        model: "Dia",
        slots: int | None = None,
        voices: Path | None = None,
        limits: Limits | None = None,
        watermark: bool = True,
    ) -> None:
        self.model, self.limits, self._watermark = model, limits or Limits(), watermark
        self.engine = engine_of(model.model)
        if slots is not None:
            self.engine.set_slots(slots)
        self.voices, self.metrics = VoiceCatalogue(model, voices), Metrics()
        self.admission = Admission(self.engine.load().slots, self.limits.waiting, self.limits.wait_seconds)
        small = model.model.num_parameters() < SMALL
        self._generating = _threads(self.admission.places, "dia.generate", small)
        self._preparing = _threads(self.limits.prepared, "dia.prepare", small)
        self._running: set[Generation] = set()
        self.ready, self.failure, self.created = False, "", int(time.time())
        self._tidied = time.monotonic()
        self._add_gauges()

    @property
    def model_name(self) -> str:
        """The name of the model, as files have it."""
        return public_name(str(self.model.model.name_or_path or "")) or "dia"

    @property
    def model_names(self) -> tuple[str, ...]:
        """All names that requests may use for the model."""
        return tuple(dict.fromkeys((self.model_name, "dia", *MODEL_ALIASES)))

    @property
    def alive(self) -> bool:
        """Whether requests can be generated at all."""
        return not (self.engine.closed or self.engine.broken or self.failure)

    async def prepared(self, work: Callable[..., T], *arguments: Any) -> T:
        """Run work that reads text or recordings in a thread."""
        return await asyncio.get_running_loop().run_in_executor(self._preparing, work, *arguments)

    async def start(
        self, job: "SynthesisJob", format: str, rate: int, speed: float, patient: bool = False
    ) -> Generation:
        """Start to generate a job, once there is a place.

        Args:
            job: the job, with its seed.
            format: of the audio, see `dia.audio.formats.live`.
            rate: of the audio, in Hz.
            speed: relative to the model's.
            patient: as in `Admission.enter`.

        Raises:
            ServingError: there is no place.
        """
        # One part after another, so that a request has no more slots than places: one, or one for each take of a part.
        job = replace(job, take_options=replace(job.take_options, parts_at_once=1))
        asked = time.monotonic()
        entered = await self.admission.enter(patient, places=job.take_options.best_of)
        try:
            comment = str(self.model.provenance(job.seed))
            encoder = live_encoder(format, self.model.sample_rate, rate, comment)
            buffer = Buffer(self.limits.buffer_bytes, self.limits.stall_seconds)
            generation = Generation(self.model, job, encoder, buffer, speed, self.metrics, self._watermark, asked)

            def done() -> None:
                self.admission.leave(entered)
                self._running.discard(generation)
                self._tidy_up()

            generation.start(self._generating, done)
        except BaseException:
            self.admission.leave(entered)
            raise
        self._running.add(generation)
        return generation

    async def warm_up(self) -> None:
        """Do what is done once, as `Dia.warm_up` does, so that the first client does not wait for it."""
        try:
            found = await self.prepared(self.model.warm_up, self.engine.load().slots)
        except Exception as error:
            self.failure = type(error).__name__
            logger.error("The model cannot generate (%s); the server is not ready.", self.failure)
        else:
            self.ready = True
            logger.info("%s", found)

    def close(self) -> None:
        """Stop all requests and the engine. Waits for the threads."""
        self.ready = False
        for generation in list(self._running):
            generation.cancel()
        with suppress(RuntimeError):
            self._preparing.shutdown(cancel_futures=True)
            self._generating.shutdown(cancel_futures=True)

    def _tidy_up(self) -> None:
        """Return freed memory to the system, which takes some milliseconds, now and then."""
        now = time.monotonic()
        if now - self._tidied >= TIDY_SECONDS:
            self._tidied = now
            with suppress(RuntimeError):  # the server ends
                self._preparing.submit(release_free_memory)

    def _add_gauges(self) -> None:
        gauge, load = self.metrics.gauge, self.engine.load
        gauge("dia_slots", "Slots of the engine", lambda: load().slots)
        gauge("dia_slots_in_use", "Slots of the engine in use", lambda: load().live)
        gauge("dia_requests_waiting", "Requests that wait for a place", lambda: self.admission.waiting)
        gauge("dia_requests_running", "Requests that generate", lambda: self.admission.running)


def _threads(number: int, name: str, alone: bool) -> ThreadPoolExecutor:
    """Threads for requests.

    Args:
        number: how many at most.
        name: of each.
        alone: whether each computes without help from others.
    """

    def begin() -> None:
        show_name(name)
        if alone:
            compute_with_one_thread()

    return ThreadPoolExecutor(number, name, begin)


__all__ = ["MODEL_ALIASES", "Service"]
