"""What the server measures, for Prometheus. Independent of protocols."""

import time
from collections import deque
from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_FIRST_AUDIO = (0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0, 60.0)
_WINDOW = 60.0  # seconds that the current rate is computed over


class Metrics:
    """The measurements of one server. Threads may share it."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter("dia_requests", "Requests", ["route", "status"], registry=self.registry)
        self.first_audio = Histogram(
            "dia_time_to_first_audio_seconds",
            "From when a request asks for a place to its first audio",
            buckets=_FIRST_AUDIO,
            registry=self.registry,
        )
        self.audio = Counter("dia_audio_seconds", "Seconds of audio generated", registry=self.registry)
        self.underruns = Counter(
            "dia_underruns",
            "Chunks that came after a player that starts with the first one has run dry",
            registry=self.registry,
        )
        self.cancelled = Counter("dia_cancelled_requests", "Requests whose client left", registry=self.registry)
        self.failed = Counter("dia_failed_requests", "Requests that failed while generating", registry=self.registry)
        self._made: deque[tuple[float, float]] = deque()
        self.gauge("dia_audio_seconds_per_second", "Seconds of audio a second, in the last minute", self._rate)

    def gauge(self, name: str, description: str, read: Callable[[], float]) -> None:
        """Add a value that is read when it is asked for."""
        Gauge(name, description, registry=self.registry).set_function(read)

    def count_audio(self, seconds: float) -> None:
        """Count generated audio."""
        self.audio.inc(seconds)
        now = time.monotonic()
        self._made.append((now, seconds))
        while self._made and self._made[0][0] < now - _WINDOW:
            self._made.popleft()

    def _rate(self) -> float:
        since = time.monotonic() - _WINDOW
        return sum(seconds for at, seconds in list(self._made) if at >= since) / _WINDOW

    def text(self) -> bytes:
        """All measurements in the text format of Prometheus."""
        return generate_latest(self.registry)


class Playback:
    """A player that starts with the first chunk, to count the chunks that come too late for it."""

    def __init__(self) -> None:
        self._start: float | None = None
        self._seconds = 0.0

    def late(self, seconds: float) -> bool:
        """Add a chunk of `seconds`; returns whether the player has run dry before. It waits, and then goes on."""
        now = time.monotonic()
        self._start = now if self._start is None else self._start
        dry = now - self._start - self._seconds
        if late := dry > 0 and self._seconds > 0:
            self._start += dry
        self._seconds += seconds
        return late


__all__ = ["Metrics", "Playback"]
