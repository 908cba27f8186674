"""Measure `dia serve` under load, over real sockets, in a process of its own.

    pip install "dia-tts[serve,benchmark]"
    python benchmarks/serving/load.py
    python benchmarks/serving/load.py --parts streams --streams 8,16 --seconds 20      a quick trial
    python benchmarks/serving/load.py --parts seeds                                    500 seeds, alone and with others
    python benchmarks/serving/load.py --parts soak --minutes 20 --json soak.json       64 clients for 20 minutes
    taskset -c 0,1 python benchmarks/serving/load.py --json load.json                  two cores for server and clients

`streams`    so many players at once; each asks for the next script when it has played the one before
`arrivals`   requests come at random (Poisson), so many a second, whatever the state of the others: an open loop
`saturated`  each of 64 clients asks again as soon as it has an answer
`seeds`      the bytes of 500 seeds, one after another and at 64 clients
`soak`       as `saturated` for --minutes, with memory and failed requests; only if asked for
`baseline`   the first three against the library in a thread pool behind FastAPI (`baseline.py`)

Each trial of the first three has a server process of its own. A player starts with the first piece of audio and has an
underrun when it has played everything before the next one comes. The first sound is the arrival of the first sample
above -50 dB. The server's share is the CPU time of its threads beside those of engine and codec, for each second of
those; it covers HTTP, reading scripts, the watermark, resampling and encoding. Server and clients share the cores: the
CPU time of the clients is reported, too. Run this on an otherwise idle machine.
"""

import argparse
import asyncio
import json
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
from playing import arrivals, client_for, digests, measured, players, saturate
from processes import Processor, Server, dia_serve, thread_pool_server

PARTS = ("streams", "arrivals", "saturated", "seeds", "baseline")
CLIENTS = 64
WARM_SECONDS = 120.0  # of a soak, at most a quarter of it, before its memory is compared
_LINE = "{:<12} {:<10} {:<11} {:<24} {:>11} {:>9} {:>13} {:>7} {:>7}"
Run = Callable[[httpx.AsyncClient], Coroutine[Any, Any, Any]]
Start = Callable[[], AbstractContextManager[Server]]
Ask = Callable[[httpx.AsyncClient, Any, float, int], Coroutine[Any, Any, Any]]  # of a load, seconds and a seed
Trials = list[dict[str, Any]]


async def trial(server: Server, run: Run) -> dict[str, Any]:
    """The figures of a run, with CPU times and memory."""
    before, own = server.memory(), _own_seconds()
    async with client_for(server.address) as client, Processor(server.pid) as used:
        found = await measured(partial(run, client))
    return {
        **found,
        "server_share": used.server_share,
        "cpu": {name: round(seconds, 2) for name, seconds in used.seconds.most_common()},
        "client_cpu": _own_seconds() - own,
        "memory_mb": server.memory(),
        "memory_before_mb": before,
    }


def _own_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def fresh(start: Start, run: Run) -> dict[str, Any]:
    """A trial with a server of its own, which has spoken once."""
    with start() as server:
        asyncio.run(_first(server))
        return {"start_seconds": server.start_seconds, **asyncio.run(trial(server, run))}


async def _first(server: Server) -> None:
    async with client_for(server.address) as client:
        await saturate(client, 1, 0.0, seed=999)
        await saturate(client, 1, 0.1, seed=999)


def trials(start: Start, arguments: argparse.Namespace, name: str, loads: Sequence[float], ask: Ask) -> Trials:
    """A trial for each load and each seed, with the load under `name`."""
    return [
        {name: load, "seed": seed, **fresh(start, lambda client, n=load, s=seed: ask(client, n, arguments.seconds, s))}
        for load in loads
        for seed in arguments.seeds
    ]


def streams(start: Start, arguments: argparse.Namespace) -> Trials:
    """Real-time streams, by their number."""
    return trials(start, arguments, "streams", arguments.streams, players)


def poisson(start: Start, arguments: argparse.Namespace) -> Trials:
    """An open loop, by its rate."""
    return trials(start, arguments, "rate", arguments.rates, arrivals)


def saturated(start: Start, arguments: argparse.Namespace) -> Trials:
    """64 clients that never wait."""
    return trials(start, arguments, "clients", [CLIENTS], saturate)


def seeds(start: Start, arguments: argparse.Namespace) -> dict[str, Any]:
    """How many of some seeds give the same bytes alone and among others."""

    async def compare(server: Server) -> tuple[list[str], list[str]]:
        async with client_for(server.address) as client:
            return await digests(client, arguments.number, 1), await digests(client, arguments.number, CLIENTS)

    with start() as server:
        alone, together = asyncio.run(compare(server))
    same = sum(one == other and len(one) == 64 for one, other in zip(alone, together, strict=True))
    return {"seeds": arguments.number, "identical": same, "different_audio": len(set(alone))}


def soak(start: Start, arguments: argparse.Namespace) -> dict[str, Any]:
    """64 clients for some minutes: memory from the end of the warm-up, and what failed."""
    seconds, memory = 60 * arguments.minutes, list[tuple[float, float]]()

    async def run(server: Server) -> dict[str, Any]:
        began = time.perf_counter()

        async def watch() -> None:
            while True:
                memory.append((time.perf_counter() - began, server.memory()))
                await asyncio.sleep(min(5.0, seconds / 100))

        watching = asyncio.create_task(watch())
        found = await trial(server, lambda client: saturate(client, CLIENTS, seconds, arguments.seeds[0]))
        watching.cancel()
        return found

    with start() as server:
        found = asyncio.run(run(server))
    warm = min(WARM_SECONDS, seconds / 4)
    later = [size for at, size in memory if warm <= at <= seconds]
    tail = max(1, len(later) // 10)
    first, last = max(later[:tail]), max(later[-tail:])
    kept = [[round(at), round(size, 1)] for at, size in memory[:: max(1, len(memory) // 60)]]
    return {
        **found,
        "memory_growth": last / first - 1,
        "memory_first_mb": first,
        "memory_last_mb": last,
        "memory": kept,
    }


def baseline(log: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """The first three parts against the library in a thread pool."""
    start = partial(thread_pool_server, log)
    return {name: part(start, arguments) for name, part in TRIALS.items()}


TRIALS = {"streams": streams, "arrivals": poisson, "saturated": saturated}


def table(found: dict[str, Any]) -> str:
    """The figures, a line for each trial."""
    columns = (
        "server",
        "part",
        "load",
        "first p50 / p95 / p99",
        "underruns",
        "missing",
        "s of audio/s",
        "share",
        "errors",
    )
    lines = [_LINE.format(*columns)]
    for server, parts in (("dia serve", found), ("thread pool", found.get("baseline", {}))):
        for part in (*TRIALS, "soak"):
            rows = parts.get(part, [])
            lines += [_line(server, part, row) for row in (rows if isinstance(rows, list) else [rows])]
    if "seeds" in found:
        row = found["seeds"]
        lines.append(f"same bytes alone and at {CLIENTS} clients: {row['identical']} of {row['seeds']} seeds")
    if "soak" in found:
        row = found["soak"]
        grown = f"{row['memory_first_mb']:.0f} to {row['memory_last_mb']:.0f} MB ({row['memory_growth']:+.1%})"
        lines.append(f"memory: {grown}; failed requests: {sum(row['errors'].values())} of {row['requests']}")
    return "\n".join(lines)


def _line(server: str, part: str, row: dict[str, Any]) -> str:
    load = next((f"{row[name]:g} {name}" for name in ("streams", "rate", "clients") if name in row), "")
    first = " / ".join(f"{1000 * row[f'first_p{share}']:.0f}" for share in (50, 95, 99))
    late = f"{row['streams_with_underruns']} of {row['requests']}"
    figures = (f"{row['missing_seconds']:.1f} s", f"{row['realtime']:.1f}", f"{row['server_share']:.1%}")
    return _LINE.format(server, part, load, f"{first} ms", late, *figures, sum(row["errors"].values()))


def main() -> None:
    """Run the parts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--parts", type=lambda text: text.split(","), default=list(PARTS), help="see above; with commas"
    )
    parser.add_argument("--streams", type=_integers, default=[8, 16], help="numbers of players (default: 8,16)")
    parser.add_argument("--rates", type=_numbers, default=[1.0, 2.0], help="requests a second (default: 1,2)")
    parser.add_argument("--seconds", type=float, default=30.0, help="of each trial (default: 30)")
    parser.add_argument(
        "--seeds", type=_integers, default=[0], help="of the order of scripts, one trial each (default: 0)"
    )
    parser.add_argument("--number", type=int, default=500, help="of seeds in the part `seeds` (default: 500)")
    parser.add_argument("--minutes", type=float, default=20.0, help="of the part `soak` (default: 20)")
    parser.add_argument("--options", type=str.split, default=[], help="of `dia serve`, such as '--slots 8'")
    parser.add_argument("--log", type=Path, help="file for the output of the servers")
    parser.add_argument("--json", type=Path, help="file for the figures")
    arguments = parser.parse_args()
    if unknown := set(arguments.parts) - {*PARTS, "soak"}:
        parser.error(f"--parts: there is no {', '.join(sorted(unknown))}; choose from {', '.join(PARTS)}, soak")
    with tempfile.TemporaryDirectory() as folder:
        log = arguments.log or Path(folder) / "server.log"
        start = partial(dia_serve, log, ("--voices", folder, *arguments.options))
        works = {**TRIALS, "seeds": seeds, "soak": soak}
        found: dict[str, Any] = {}
        for part in arguments.parts:
            found[part] = baseline(log, arguments) if part == "baseline" else works[part](start, arguments)
            print(json.dumps({part: found[part]}), file=sys.stderr, flush=True)
    print(table(found))
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(found, indent=1))


def _integers(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


def _numbers(text: str) -> list[float]:
    return [float(part) for part in text.split(",")]


if __name__ == "__main__":
    main()
