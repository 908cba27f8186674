"""Try `dia.distributed.serve_app` on a local cluster of two replicas: streams, clients that leave, a killed replica.

    pip install 'dia-tts[serve,ray,benchmark]'
    python benchmarks/serving/replicas.py --streams 12

Prints a line for each fact and returns 1 if one is wrong. Ray takes a minute to start on a slow machine.
"""

import argparse
import asyncio
import json
import os
import signal
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import ray
from playing import PATH, client_for, speak
from processes import free_port
from ray import serve

from dia.distributed.serve_app import Settings, app

LONG = "[S1] The ferry leaves at nine. [S2] Then we have to hurry, it is half past eight. " * 2
STORE_BYTES = 100 * 2**20
WAIT_SECONDS = 240.0


def replicas() -> list[int]:
    """The processes of the replicas that speak."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            try:
                command = (folder / "cmdline").read_bytes()
            except OSError:  # it has ended
                continue
            if command.startswith(b"ray::ServeReplica:") and b"Speech" in command:
                found.append(int(folder.name))
    return sorted(found)


async def events(client: httpx.AsyncClient, seed: int) -> list[str]:
    """The types of the events of one stream, or the status of an error; with the code of an error event."""
    body = {
        "model": "dia",
        "voice": "default",
        "input": LONG,
        "seed": seed,
        "stream_format": "sse",
        "response_format": "pcm",
    }
    found = []
    async with client.stream("POST", PATH, json=body) as answer:
        if answer.status_code != 200:
            return [str(answer.status_code), (await answer.aread()).decode()[:200]]
        async for line in answer.aiter_lines():
            if line.startswith("data: "):
                event = json.loads(line.removeprefix("data: "))
                found.append(event["type"] + (":" + event["error"]["code"] if "error" in event else ""))
    return found


async def cores_used(seconds: float) -> float:
    """The cores that all replicas use together."""

    def used() -> float:
        fields = [Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split() for process in replicas()]
        return sum(int(one[11]) + int(one[12]) for one in fields) / os.sysconf("SC_CLK_TCK")

    before, began = used(), time.perf_counter()
    await asyncio.sleep(seconds)
    return (used() - before) / (time.perf_counter() - began)


async def check(address: str, streams: int) -> list[tuple[str, bool, Any]]:
    """What is true: a sentence, whether it is, and what was seen."""
    facts: list[tuple[str, bool, Any]] = []
    async with client_for(address) as client:
        voices = (await client.get("/v1/audio/voices")).json()["voices"]
        facts.append(("lists come from a replica", len(voices) > 3, len(voices)))
        wrong = await client.post(PATH, json={"model": "dia", "input": "x", "voice": "nobody"})
        facts.append(
            ("errors are those of the catalogue", wrong.json()["error"]["code"] == "voice_not_found", wrong.text[:80])
        )
        host = await client.get("/v1/models", headers={"host": "evil.example"})
        facts.append(("the Host header is checked", host.status_code == 400, host.status_code))
        heard = await asyncio.gather(*(speak(client, "One moment, please.", 7) for _ in range(6)))
        facts.append(
            ("a seed gives the same bytes on all replicas", len({one.digest for one in heard}) == 1, heard[0].error)
        )
        facts.append(await pieces_come_one_by_one(client))
        facts.append(await a_client_that_leaves(client))
        facts += await a_killed_replica(client, streams)
    return facts


async def pieces_come_one_by_one(client: httpx.AsyncClient) -> tuple[str, bool, Any]:
    """Whether a stream passes through."""
    body = {"model": "dia", "voice": "default", "input": LONG, "seed": 1, "response_format": "pcm"}
    times = []
    async with client.stream("POST", PATH, json=body) as answer:
        async for _ in answer.aiter_raw():
            times.append(time.perf_counter())
    spread = times[-1] - times[0]
    return "streams pass through", len(times) > 3 and spread > 0.3, f"{len(times)} pieces in {spread:.1f} s"


async def a_client_that_leaves(client: httpx.AsyncClient) -> tuple[str, bool, Any]:
    """Whether it frees its slot long before its speech would have ended."""
    body = {"model": "dia", "voice": "default", "input": LONG * 20, "seed": 1, "response_format": "pcm"}
    async with client.stream("POST", PATH, json=body) as answer:
        pieces = answer.aiter_raw()
        await anext(pieces)
        busy = await cores_used(1.0)
    await asyncio.sleep(0.5)
    later = await cores_used(1.0)
    return "a client that leaves frees its slot", later < busy / 3, f"{busy:.2f} cores before, {later:.2f} after 0.5 s"


async def a_killed_replica(client: httpx.AsyncClient, streams: int) -> list[tuple[str, bool, Any]]:
    """Kill one of the replicas while all streams run."""
    before = replicas()
    running = [asyncio.create_task(events(client, seed)) for seed in range(streams)]
    plain = [asyncio.create_task(speak(client, LONG, seed)) for seed in range(streams // 2)]
    await asyncio.sleep(3.0)
    waiting = [asyncio.create_task(speak(client, "One moment, please.", seed)) for seed in range(streams)]
    await asyncio.sleep(0.05)
    os.kill(before[0], signal.SIGKILL)
    ends = Counter(found[-1] for found in await asyncio.gather(*running))
    cut = Counter(one.error or "whole" for one in await asyncio.gather(*plain))
    begun_later = await asyncio.gather(*waiting)
    failed = [one.error for one in begun_later if one.error]
    allowed = {"speech.audio.done", "speech.audio.error:replica_lost"}
    began = time.perf_counter()
    while len(set(replicas()) - {before[0]}) < len(before) and time.perf_counter() - began < WAIT_SECONDS:
        await asyncio.sleep(1.0)
    after = await speak(client, "One moment, please.", 7)
    return [
        (
            "a killed replica costs its own streams only, each with an event",
            set(ends) <= allowed and len(ends) == 2,
            dict(ends),
        ),
        (
            "a stream without events is cut, which its client reports",
            set(cut) == {"whole", "RemoteProtocolError"},
            dict(cut),
        ),
        ("requests that had not begun run elsewhere", not failed, f"{len(begun_later)} requests, {failed} failed"),
        ("the replica is replaced", not after.error, f"after {time.perf_counter() - began:.0f} s"),
    ]


def main() -> int:
    """Start a cluster, and print what is true."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", type=int, default=12, help="at once when a replica is killed (default: 12)")
    parser.add_argument("--cpus", type=float, default=1.0, help="that Ray counts for a replica (default: 1)")
    arguments = parser.parse_args()
    port = free_port()
    ray.init(num_cpus=4, object_store_memory=STORE_BYTES, include_dashboard=False, log_to_driver=False)
    serve.start(http_options={"host": "127.0.0.1", "port": port})
    serve.run(app(Settings(replicas=2, most_replicas=2, cpus=arguments.cpus, front_cpus=0.2)))
    facts = asyncio.run(check(f"http://127.0.0.1:{port}", arguments.streams))
    for sentence, is_true, seen in facts:
        print(f"{'yes' if is_true else 'NO ':<4}{sentence}: {seen}", flush=True)
    serve.shutdown()
    ray.shutdown()
    return int(not all(is_true for _, is_true, _ in facts))


if __name__ == "__main__":
    sys.exit(main())
