"""Measure many clips at once: streams from many threads, requests that arrive at random, steps and joins.

    python benchmarks/speed/bench_engine.py
    python benchmarks/speed/bench_engine.py --parts streams,arrivals --streams 1,4,16 --json engine.json
    python benchmarks/speed/bench_engine.py --parts steps --repeat 1                     a quick trial
    python benchmarks/speed/bench_engine.py --model FOLDER --threads 2                   another model

`steps` is the time of a step with so many clips in it, `streams` speaks a script in each of so many threads at once,
`arrivals` starts requests at random times (Poisson) whatever the state of the others, and `joins` is the time that a
clip in the step loses when another joins, beyond the time of computing that clip's prompt. The first sound is the
first chunk with a sample above -50 dB. A stream has an underrun if a player that starts with the first chunk runs out
of sound. CPU seconds tell how far other processes disturbed the measurement. Run this on an otherwise idle machine.
"""

import argparse
import json
import random
import statistics
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

SCRIPTS = (
    "[S1] Good morning, how are you today? [S2] I am fine, thank you, and you?",
    "[S1] The ferry leaves at nine. [S2] Then we have to hurry, it is half past eight.",
    "[S1] Nobody on the pier expected the harbor to freeze this early in the winter.",
    "[S1] Did you lock the door? [S2] Yes. [S1] And the window? [S2] That, too.",
)
PARTS = ("steps", "streams", "arrivals", "joins")
AUDIBLE = 10 ** (-50 / 20)
PROMPT_ROWS = 200  # rows of a step in which times are taken


def stream(model: Any, number: int) -> dict[str, float]:
    """Stream a script and play it: seconds to the first sound, seconds of sound, seconds of waiting for sound."""
    began, first, played, missing = time.perf_counter(), None, 0.0, 0.0
    for chunk in model.stream(SCRIPTS[number % len(SCRIPTS)], seed=number):
        now = time.perf_counter() - began
        if first is None and np.abs(chunk).max() > AUDIBLE:
            first = now
        if first is not None:
            missing = max(missing, now - first - played)
            played += len(chunk) / model.sample_rate
    return {"first": now if first is None else first, "sound": played, "missing": missing}


def at_once(model: Any, starts: Sequence[float]) -> dict[str, float]:
    """Start a stream at each of some times in seconds; figures of all of them together."""
    found: list[dict[str, float]] = []

    def run(number: int, start: float) -> None:
        time.sleep(start)
        found.append(stream(model, number))

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(starts)]
    began, cpu = time.perf_counter(), time.process_time()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds, sound = time.perf_counter() - began, sum(one["sound"] for one in found)
    first = sorted(one["first"] for one in found)
    return {
        "streams": len(starts),
        "seconds": seconds,
        "cpu": time.process_time() - cpu,
        "realtime": sound / seconds,
        "first_p50": first[len(first) // 2],
        "first_p95": first[min(len(first) - 1, int(0.95 * len(first)))],
        "underruns": sum(one["missing"] > 0.0 for one in found),
    }


def streams(model: Any, counts: Sequence[int], repeat: int) -> list[dict[str, float]]:
    """All streams begin at once; the fastest of some runs."""
    return [min((at_once(model, [0.0] * count) for _ in range(repeat)), key=_seconds) for count in counts]


def arrivals(model: Any, rates: Sequence[float], requests: int) -> list[dict[str, float]]:
    """Requests arrive at random, `rate` per second on average."""
    found = []
    for rate in rates:
        choose, start, starts = random.Random(0), 0.0, []
        for _ in range(requests):
            start += choose.expovariate(rate)
            starts.append(start)
        found.append({"rate": rate, **at_once(model, starts)})
    return found


def _seconds(figures: dict[str, float]) -> float:
    return figures["seconds"]


class Slots:
    """A step with clips in it."""

    def __init__(self, model: Any, count: int) -> None:
        from dia.decoding.engine import config_for
        from dia.decoding.step.runner import GraphRunner
        from dia.decoding.step.step import Step

        self.model = model
        self.config = config_for(model.model, self.request(0).config, count)
        self.runner = GraphRunner(Step(model.model, self.config))
        self.runner.step.refresh()

    def request(self, number: int) -> Any:
        """A clip that does not end before `PROMPT_ROWS` rows."""
        import torch

        inputs = self.model.processor(text=[SCRIPTS[number % len(SCRIPTS)]])
        limits = {"max_new_tokens": PROMPT_ROWS + 50, "min_new_tokens": PROMPT_ROWS + 20}
        return self.model.model.slot_request(**inputs, **limits, generator=torch.Generator().manual_seed(number))

    def join(self, slot: int) -> tuple[float, float]:
        """Seconds of computing a clip's prompt, and of joining the step."""
        request = self.request(slot)
        began = time.perf_counter()
        start = request.prefill()
        computed = time.perf_counter()
        self.runner.step.join(slot, start)
        if start.logits is not None:
            self.runner.step.begin([slot], [start])
        return computed - began, time.perf_counter() - computed

    def step(self) -> float:
        """Seconds of a step."""
        began = time.perf_counter()
        self.runner()
        return time.perf_counter() - began


def steps(model: Any, counts: Sequence[int], repeat: int) -> list[dict[str, float]]:
    """The median time of a step with some clips, over rows 20 to `PROMPT_ROWS`."""
    import torch

    found = []
    for count in counts:
        with torch.no_grad():
            slots = Slots(model, count)
            for slot in range(count):
                slots.join(slot)
            times = [slots.step() for _ in range(min(PROMPT_ROWS, 20 + 20 * repeat))][20:]
        median = statistics.median(times)
        found.append({"clips": count, "ms": 1e3 * median, "realtime": count / median / model.processor.frame_rate})
    return found


def joins(model: Any, repeat: int) -> list[dict[str, float]]:
    """What the clips in a step of 4 lose when a fifth joins: the time of the prompt, and the rest in steps."""
    import torch

    prompts, rest, plain = [], [], []
    with torch.no_grad():
        slots = Slots(model, 5)
        for slot in range(4):
            slots.join(slot)
        for _ in range(max(3, repeat)):
            plain += [slots.step() for _ in range(10)]
            prompt, joined = slots.join(4)
            prompts.append(prompt)
            rest.append(joined)
            slots.runner.step.leave(4)
    step = statistics.median(plain)
    return [
        {
            "prompt_ms": 1e3 * statistics.median(prompts),
            "join_ms": 1e3 * statistics.median(rest),
            "step_ms": 1e3 * step,
            "join_steps": statistics.median(rest) / step,
        }
    ]


def show(part: str, rows: list[dict[str, float]]) -> None:
    """Print a table of figures."""
    print(f"\n{part}\n" + "".join(f"{name:>12}" for name in rows[0]))
    for row in rows:
        print("".join(f"{value:12.2f}" if isinstance(value, float) else f"{value:12}" for value in row.values()))


def _numbers(kind: Callable[[str], Any]) -> Callable[[str], list[Any]]:
    return lambda text: [kind(part) for part in text.split(",")]


def main() -> None:
    """Measure, and print tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="mini", help="folder or Hub id (default: the embedded model)")
    parser.add_argument("--parts", default=",".join(PARTS), help=f"of {', '.join(PARTS)} (default: all)")
    parser.add_argument("--streams", type=_numbers(int), default=[1, 4, 16], help="clips at once (default: 1,4,16)")
    parser.add_argument("--rates", type=_numbers(float), default=[1.0, 2.0, 4.0], help="per second (default: 1,2,4)")
    parser.add_argument("--requests", type=int, default=32, help="of `arrivals` at each rate (default: 32)")
    parser.add_argument("--repeat", type=int, default=3, help="runs of each measurement (default: 3)")
    parser.add_argument("--threads", type=int, help="of torch (default: what `dia say` chooses)")
    parser.add_argument("--json", help="file for the results")
    arguments = parser.parse_args()
    chosen = arguments.parts.split(",")
    if unknown := set(chosen) - set(PARTS):
        parser.error(f"--parts: {', '.join(sorted(unknown))} is not one of {', '.join(PARTS)}")
    from dia.runtime.resources.threads import apply, choose_threads, wait_passively

    wait_passively()
    from dia import Dia

    model = Dia.from_pretrained(arguments.model)
    apply(choice := choose_threads(model.model.num_parameters(), wanted=arguments.threads))
    print(f"{choice}; {model.dtype} on {model.model.device}")
    stream(model, 0)  # warm up
    run = {
        "steps": lambda: steps(model, arguments.streams, arguments.repeat),
        "streams": lambda: streams(model, arguments.streams, arguments.repeat),
        "arrivals": lambda: arrivals(model, arguments.rates, arguments.requests),
        "joins": lambda: joins(model, arguments.repeat),
    }
    found = {}
    for part in chosen:
        found[part] = run[part]()
        show(part, found[part])
    if arguments.json:
        with open(arguments.json, "w", encoding="utf-8") as file:
            json.dump(found, file, indent=1)


if __name__ == "__main__":
    main()
