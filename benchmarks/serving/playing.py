"""A client that plays: asks a server for speech, and notes when each piece of audio comes.

Knows of a server only its address.
"""

import asyncio
import hashlib
import random
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import httpx
import numpy as np

SCRIPTS = (
    "[S1] Good morning, how are you today? [S2] I am fine, thank you, and you?",
    "[S1] The ferry leaves at nine. [S2] Then we have to hurry, it is half past eight.",
    "[S1] Nobody on the pier expected the harbor to freeze this early in the winter.",
    "[S1] Did you lock the door? [S2] Yes. [S1] And the window? [S2] That, too.",
    "[S1] Your table is ready. [S2] Thank you. We would like to sit by the window, please.",
    "[S1] The meeting has moved to Thursday. [S2] At what time? [S1] At three in the afternoon.",
    "[S1] Turn left at the church, then follow the river until you see the old mill.",
    "[S1] We found the keys. [S2] Where? [S1] In your coat. [S2] Of course.",
)
SHORT_SCRIPTS = ("Good morning.", "One moment, please.", "[S2] Thank you very much.", "[S1] Ready? [S2] Yes.")
RATE = 24_000  # Hz, of pcm without `sample_rate`
AUDIBLE = int(10 ** (-50 / 20) * 32_767)  # of samples of 16 bits
PATH = "/v1/audio/speech"
SECONDS = 300.0  # that a request may take


@dataclass
class Heard:
    """One request, as its client heard it.

    Attributes:
        audible: seconds from the request to the arrival of the first audible sample; None for silence.
        seconds: of audio.
        underruns: how many times a player that starts with the first piece ran out of audio.
        missing: seconds for which it then waited.
        error: the status of an answer that is an error, or the type of an exception; empty if there was none.
        digest: of all bytes.
    """

    audible: float | None = None
    seconds: float = 0.0
    underruns: int = 0
    missing: float = 0.0
    error: str = ""
    digest: str = ""
    _began: float = field(default_factory=time.perf_counter)
    _empty_at: float | None = None

    def hear(self, data: bytes) -> None:
        """Play samples that arrive now."""
        now, samples = time.perf_counter(), np.frombuffer(data, "<i2")
        if self._empty_at is not None and now > self._empty_at:
            self.underruns += 1
            self.missing += now - self._empty_at
        seconds = len(samples) / RATE
        self._empty_at = max(now, self._empty_at or now) + seconds
        self.seconds += seconds
        if self.audible is None and np.abs(samples.astype(np.int32)).max(initial=0) > AUDIBLE:
            self.audible = now - self._began

    async def play_to_the_end(self) -> None:
        """Wait until the player has played everything."""
        await asyncio.sleep(max(0.0, (self._empty_at or 0.0) - time.perf_counter()))


async def speak(client: httpx.AsyncClient, script: str, seed: int) -> Heard:
    """Ask for speech and play it as it comes. Errors are noted, not raised."""
    heard, digest, rest = Heard(), hashlib.sha256(), b""
    body = {"model": "tts-1", "voice": "default", "input": script, "seed": seed, "response_format": "pcm"}
    try:
        async with client.stream("POST", PATH, json=body) as answer:
            if answer.status_code != 200:
                heard.error = str(answer.status_code)
                return heard
            async for data in answer.aiter_raw():
                digest.update(data)
                rest += data
                whole = len(rest) & ~1
                heard.hear(rest[:whole])
                rest = rest[whole:]
    except httpx.HTTPError as error:
        heard.error = type(error).__name__
    heard.digest = digest.hexdigest()
    return heard


def client_for(address: str) -> httpx.AsyncClient:
    """A client with as many connections as it needs."""
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    return httpx.AsyncClient(base_url=address, timeout=SECONDS, limits=limits)


def requests(seed: int) -> Iterator[tuple[str, int]]:
    """Scripts in an order fixed by a seed, each with a seed of its own."""
    choose = random.Random(seed)
    return ((choose.choice(SCRIPTS), 1_000 * seed + number) for number in count())


async def players(client: httpx.AsyncClient, number: int, seconds: float, seed: int) -> list[Heard]:
    """Real-time streams: each player asks for the next script when it has played the one before, for so many seconds.

    They begin at random times within the first few seconds.
    """
    choose, orders, found = random.Random(seed), requests(seed), list[Heard]()
    end = time.perf_counter() + seconds

    async def play(start: float) -> None:
        await asyncio.sleep(start)
        while time.perf_counter() < end:
            heard = await speak(client, *next(orders))
            found.append(heard)
            await (asyncio.sleep(1.0) if heard.error else heard.play_to_the_end())

    await asyncio.gather(*(play(choose.uniform(0, min(5.0, seconds))) for _ in range(number)))
    return found


async def arrivals(client: httpx.AsyncClient, rate: float, seconds: float, seed: int) -> list[Heard]:
    """An open loop: requests come at random (Poisson), `rate` a second, whatever the state of the others."""
    choose, orders, running, at = random.Random(seed), requests(seed), list[asyncio.Task[Heard]](), 0.0
    began = time.perf_counter()
    while (at := at + choose.expovariate(rate)) < seconds:
        await asyncio.sleep(max(0.0, began + at - time.perf_counter()))
        running.append(asyncio.create_task(speak(client, *next(orders))))
    return list(await asyncio.gather(*running))


async def saturate(client: httpx.AsyncClient, number: int, seconds: float, seed: int) -> list[Heard]:
    """As much as the server gives: each of the clients asks again as soon as it has an answer."""
    orders, found, end = requests(seed), list[Heard](), time.perf_counter() + seconds

    async def ask() -> None:
        while time.perf_counter() < end:
            found.append(await speak(client, *next(orders)))
            if found[-1].error:
                await asyncio.sleep(1.0)

    await asyncio.gather(*(ask() for _ in range(number)))
    return found


async def digests(client: httpx.AsyncClient, number: int, at_once: int) -> list[str]:
    """The digest of the audio of each of some seeds, or its error, with so many requests at once."""
    found, numbers = [""] * number, iter(range(number))

    async def ask() -> None:
        for seed in numbers:
            heard = await speak(client, SHORT_SCRIPTS[seed % len(SHORT_SCRIPTS)], seed)
            found[seed] = heard.error or heard.digest

    await asyncio.gather(*(ask() for _ in range(at_once)))
    return found


def percentile(values: list[float], share: float) -> float:
    """The value below which a share of the values is, without interpolation."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("nan")


def figures(found: list[Heard], wall: float) -> dict[str, Any]:
    """What is reported of some requests that took `wall` seconds together."""
    good = [one for one in found if not one.error]
    first = [one.audible for one in good if one.audible is not None]
    failed = [one.error for one in found if one.error]
    return {
        "requests": len(found),
        "errors": {name: failed.count(name) for name in sorted(set(failed))},
        "first_p50": percentile(first, 0.50),
        "first_p95": percentile(first, 0.95),
        "first_p99": percentile(first, 0.99),
        "streams_with_underruns": sum(one.underruns > 0 for one in good),
        "missing_seconds": sum(one.missing for one in good),
        "realtime": sum(one.seconds for one in found) / wall,
    }


async def measured(run: Callable[[], Awaitable[list[Heard]]]) -> dict[str, Any]:
    """The figures of a run."""
    began = time.perf_counter()
    found = await run()
    return figures(found, time.perf_counter() - began)
