"""Speed of the Dia inside transformers and of ours, at 1, 8, 32 and 64 streams, with random weights of the true shape.

Both run in turn in one process with the same weights, texts and published sampling settings. Time per step is the
difference of two calls of other lengths, so that the text and the start of a call do not count. Ours is warmed up
first, and what that takes is reported.
"""

import sys
import time
from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from models import (
    Results,
    config_for,
    forget_steps,
    inputs_for,
    part_options,
    random_model,
    sampling,
    stock_like,
    synchronize,
)

RATE = 86.13  # rows that make a second of the published codec's sound
SHORT = 17  # rows of the shorter call: the delay and two


def seconds_of(model: Any, streams: int, rows: int) -> float:
    """Seconds of one call of `generate`."""
    device = model.device.type
    inputs = inputs_for(model, range(streams))
    synchronize(device)
    began = time.perf_counter()
    model.generate(**inputs, **sampling(), max_new_tokens=rows)
    synchronize(device)
    return time.perf_counter() - began


def measure(model: Any, streams: int, rows: int) -> dict[str, Any]:
    """Time of a step, time to the first row, and peak memory, after a first call that is not timed."""
    forget_steps(model)
    ready = model.warm_up(slots=streams) if hasattr(model, "warm_up") else None
    seconds_of(model, streams, SHORT)
    first = min(seconds_of(model, streams, 1) for _ in range(3))
    steps = sorted(
        (seconds_of(model, streams, SHORT + rows) - seconds_of(model, streams, SHORT)) / rows for _ in "123"
    )
    memory = torch.cuda.max_memory_allocated() / 1e9 if model.device.type == "cuda" else None
    found = {"step_ms": 1e3 * steps[1], "best_step_ms": 1e3 * steps[0], "first_row_ms": 1e3 * first}
    found |= {"steps_per_second": 1 / steps[1], "x_realtime": streams / steps[1] / RATE, "memory_gb": memory}
    if ready is not None:
        found |= {"warm_up_seconds": ready.seconds, "step": str(ready)}
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure both models at every number of streams, ours first, so that it is measured if time runs out."""
    options = part_options(arguments, __doc__ or "")
    results, sizes = Results(options.json, options.device), (1, 2) if options.tiny else (1, 8, 32, 64)
    rows = {"ours": 6, "stock": 3} if options.tiny else {"ours": 200, "stock": 20}
    ours = random_model(config_for(options.tiny), options.device, torch.bfloat16)
    models, step_ms = {"ours": ours, "stock": stock_like(ours)}, {}

    def work(name: str, streams: int, **settings: Any) -> None:
        kind = name.partition(",")[0]
        found = measure(models[kind], streams, rows[kind], **settings)
        if kind == "ours":
            step_ms[streams] = found["step_ms"]
        elif streams in step_ms:
            found["ours_is_faster_by"] = found["step_ms"] / step_ms[streams]
        results.add(model=name, streams=streams, **found)

    for streams in sizes:
        for name in models:
            results.attempt(f"{name}, {streams} streams", partial(work, name, streams))
    if not options.tiny:  # last, since transformers compiles it, for a minute or more
        static = partial(work, "stock, static cache", 1, cache_implementation="static")
        results.attempt("stock, static cache", static)
    return int(bool(results.content["errors"]))


if __name__ == "__main__":
    sys.exit(main())
