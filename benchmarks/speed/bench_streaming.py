"""Measure the latency and the cost of streaming: `Dia.stream` compared with `Dia.generate`, in one process.

    python benchmarks/speed/bench_streaming.py
    python benchmarks/speed/bench_streaming.py --model FOLDER --repeat 9 --json streaming.json
    python benchmarks/speed/bench_streaming.py --max-tokens 60 --repeat 1                            for a quick trial

Every result is the median of several calls after a warm-up. `first audio` is the time from the call of `Dia.stream` to
the first chunk. Its stages: `prompt` ends when text and prompt are read; `first row` is the encoder and the first
step; `rows` are those until the first window is final; `codec` is the rest, including the hand-over between threads.
`ahead` is the least audio left to play if playback starts with the first chunk; below 0 it stutters. The same is then
measured for a script of several parts.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from dia.codec import dac as codec
from dia.model import Dia
from dia.streaming import DiaAudioStreamer

TEXT = "[S1] Hello there, how are you today? [S2] I am fine, thank you. And what are you doing here?"
LONG = " ".join(f"[S{1 + turn % 2}] This is a sentence of a script that is longer than a pass." for turn in range(12))
GOAL_MS = 300.0


class Clock:
    """Notes when rows come to streamers."""

    def __init__(self) -> None:
        self.rows: list[float] = []
        put = DiaAudioStreamer.put

        def noted(streamer: DiaAudioStreamer, value: Any) -> None:
            self.rows.append(time.perf_counter())
            put(streamer, value)

        DiaAudioStreamer.put = noted  # type: ignore[method-assign]


def heard(dia: Dia, text: str, options: dict[str, Any]) -> dict[str, float]:
    """One stream, heard to its end without a pause: milliseconds to the first piece and of the least lead, seconds."""
    started, arrived = time.perf_counter(), list[tuple[float, int]]()
    for piece in dia.stream(text, **options):
        arrived.append((time.perf_counter(), len(piece)))
    over, samples, leads = time.perf_counter(), 0, []
    for at, length in arrived:
        leads.append(arrived[0][0] + samples / dia.sample_rate - at)
        samples += length
    return {
        "first audio": 1e3 * (arrived[0][0] - started),
        "ahead": 1e3 * min(leads[1:], default=0.0),
        "seconds": samples / dia.sample_rate,
        "realtime": samples / dia.sample_rate / (over - started),
    }


def streamed(dia: Dia, clock: Clock, options: dict[str, Any]) -> dict[str, float]:
    """One pass as a stream, with the milliseconds of its stages."""
    clock.rows.clear()
    started = time.perf_counter()
    found = heard(dia, TEXT, options)
    arrived = started + found["first audio"] / 1e3
    return {
        **found,
        "prompt": 1e3 * (clock.rows[0] - started),
        "first row": 1e3 * (clock.rows[1] - clock.rows[0]),
        "rows": 1e3 * (clock.rows[needed(dia)] - clock.rows[1]),
        "codec": 1e3 * (arrived - clock.rows[needed(dia)]),
    }


def needed(dia: Dia) -> int:
    """Rows after the prompt until the first window is certain: window, the codec's context and the longest delay."""
    streamer = DiaAudioStreamer(dia.processor)
    ahead = codec.decode_context(dia.processor.audio_tokenizer)[1]
    return int(streamer._window) + ahead + max(dia.processor.delay_pattern)


def generated(dia: Dia, options: dict[str, Any]) -> dict[str, float]:
    """One call of `generate`."""
    started = time.perf_counter()
    seconds = len(dia.generate(TEXT, **options)) / dia.sample_rate
    return {"seconds": seconds, "realtime": seconds / (time.perf_counter() - started)}


def medians(measure: Callable[[], dict[str, float]], repeat: int) -> dict[str, float]:
    """After one warm call."""
    measure()
    found = [measure() for _ in range(repeat)]
    return {name: statistics.median(one[name] for one in found) for name in found[0]}


def main() -> None:
    """Read the command line; measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="mini", help="folder or Hub id (default: the embedded model)")
    parser.add_argument("--device", help="device, as in `dia say`")
    parser.add_argument("--max-tokens", type=int, help="maximum number of rows")
    parser.add_argument("--repeat", type=int, default=5, help="timed runs; the median is reported (default: 5)")
    parser.add_argument("--threads", type=int, default=0, help="number of CPU threads (default: chosen by torch)")
    parser.add_argument("--json", type=Path, help="file for the results")
    given = parser.parse_args()
    if given.threads:
        torch.set_num_threads(given.threads)
    dia, clock = Dia.from_pretrained(given.model, device=given.device), Clock()
    options = {"seed": 7, "max_tokens": given.max_tokens}
    stream = medians(lambda: streamed(dia, clock, options), given.repeat)
    whole = medians(lambda: generated(dia, options), given.repeat)
    long = medians(lambda: heard(dia, LONG, {**options, "long_form": True}), given.repeat)
    print(f"{stream['seconds']:.2f} s of speech, {torch.get_num_threads()} threads, {dia.device}\n")
    print("| stage | ms |\n|---|---|")
    for name in ("prompt", "first row", "rows", "codec", "first audio", "ahead"):
        print(f"| {name} | {stream[name]:.0f} |")
    for name in ("first audio", "ahead"):
        print(f"| a long script: {name} | {long[name]:.0f} |")
    print(f"\n{needed(dia)} rows are needed for the first audio, goal {GOAL_MS:.0f} ms")
    print(f"x realtime: stream {stream['realtime']:.2f}, generate {whole['realtime']:.2f}")
    if given.json:
        found = {"stream": stream, "generate": whole, "long": long}
        given.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
