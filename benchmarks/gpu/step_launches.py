"""A profile of one step: launches, time by kind of kernel, the longest kernels, and the time of a replay by length.

Launches are counted in a step that runs eagerly, since a recording is one launch. Replays are timed with all slots at
the same row.
"""

import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from models import Results, config_for, forget_steps, inputs_for, part_options, random_model, sampling, synchronize
from torch.profiler import ProfilerActivity, profile

from dia.decoding.engine import config_for as engine_config
from dia.decoding.step.runner import GraphRunner, runner_for

KINDS = {  # parts of the names of kernels on a GPU, and of operations on a CPU
    "attention": ("attend_part", "join_parts", "fmha", "flash", "attention", "softmax"),
    "matrix products": (
        "gemm",
        "gemv",
        "nvjet",
        "cutlass",
        "splitk",
        "aten::mm",
        "aten::addmm",
        "aten::bmm",
        "skinny",
    ),
    "norms": ("norm",),
    "sampling": ("topk", "sort", "scan", "cumsum", "gather", "radix", "bitonic", "argmax", "reduce"),
}
STEPS, REPLAYS = 3, 30


def kind_of(kernel: str) -> str:
    """The kind of a kernel, by its name."""
    name = kernel.lower()
    return next((kind for kind, parts in KINDS.items() if any(part in name for part in parts)), "the rest")


def fill(runner: GraphRunner, model: Any) -> None:
    """Let a clip join in every slot."""
    runner.step.refresh()
    for slot in range(runner.step.config.slots):
        request = model.slot_request(**inputs_for(model, [slot]), **sampling(), max_new_tokens=64)
        runner.step.join(slot, request.prefill())


def count_launches(runner: GraphRunner, device: str, trace: Path | None) -> dict[str, Any]:
    """Launches and time of an eager step, by kind of kernel; the trace is written to a file."""
    step = runner.step
    step(step.span)  # compiles what it needs
    synchronize(device)
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if device == "cuda" else [])]
    with profile(activities=activities) as taken:
        for _ in range(STEPS):
            step(step.span)
        synchronize(device)
    if trace is not None:
        taken.export_chrome_trace(str(trace))
    wanted = torch.autograd.DeviceType.CUDA if device == "cuda" else torch.autograd.DeviceType.CPU
    launches: Counter[str] = Counter()
    micros: Counter[str] = Counter()
    for event in taken.key_averages():
        spent = event.self_device_time_total if device == "cuda" else event.self_cpu_time_total
        if event.device_type == wanted and spent > 0:
            launches[event.key] += event.count
            micros[event.key] += spent
    kinds: Counter[str] = Counter()
    for name, spent in micros.items():
        kinds[kind_of(name)] += spent
    total = sum(micros.values()) or 1
    longest = [
        {"kernel": name[:90], "us": spent / STEPS, "launches": launches[name] / STEPS, "share": spent / total}
        for name, spent in micros.most_common(15)
    ]
    shares = {kind: spent / total for kind, spent in kinds.most_common()}
    return {"launches": sum(launches.values()) / STEPS, "us": total / STEPS, "shares": shares, "longest": longest}


def time_replays(runner: GraphRunner, row: int, device: str) -> float:
    """Milliseconds of a step with all slots at one row, the median of several."""
    step, found = runner.step, []
    for _ in range(REPLAYS):
        step.row.fill_(row)
        step.written = [row] * step.config.slots
        synchronize(device)
        began = time.perf_counter()
        runner()
        synchronize(device)
        found.append(1e3 * (time.perf_counter() - began))
    return sorted(found)[len(found) // 2]


@torch.no_grad()
def examine(model: Any, slots: int, results: Results, device: str, folder: Path | None) -> None:
    """Profile the engine's step with a number of slots."""
    trace = folder / "trace.json.gz" if folder is not None and slots == 1 else None
    request = model.slot_request(**inputs_for(model, [0]), **sampling(), max_new_tokens=64)
    config = replace(engine_config(model, request.config, slots), slots=slots)
    with runner_for(model, config) as runner:
        fill(runner, model)
        runner()
        found = count_launches(runner, device, trace)
        runner.prepare()
        most = runner.step.config.rows
        rows = sorted({row for row in (64, 512, 1024, 2048, 3000) if row < most} | {most // 2})
        replays = {row: time_replays(runner, row, device) for row in rows}
        report = vars(runner.report())
    results.add(slots=slots, replay_ms=replays, report=report, **found)
    forget_steps(model)


def main(arguments: Sequence[str] | None = None) -> int:
    """Profile steps of 1 and 32 slots."""
    options = part_options(arguments, __doc__ or "")
    results = Results(options.json, options.device)
    model = random_model(config_for(options.tiny), options.device, torch.bfloat16)
    for slots in (1, 2) if options.tiny else (1, 32):
        work = partial(examine, model, slots, results, options.device, options.folder)
        results.attempt(f"{slots} slots", work)
    return int(bool(results.content["errors"]))


if __name__ == "__main__":
    sys.exit(main())
