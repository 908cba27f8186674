"""Speed of a job: against the engine's saturated speed, one row at a time, and Ray.

    python benchmarks/jobs/throughput.py --rows 2000 --ray
    torchrun --nproc-per-node 2 -m dia.distributed.batch rows.jsonl -o speech    (rows: --write rows.jsonl)
    python benchmarks/jobs/throughput.py --tiny

Speeds are seconds of speech per second, all measured in this run. The saturated speed is that of as many callers as
there are slots, each of which always has a long clip in a slot; files are not written. Use a quiet machine.
"""

import argparse
import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event

from rows import mixed_rows

from dia.commands.options.models import load_model
from dia.jobs import Batch
from dia.jobs.speaking import DiaSpeaker
from dia.model import Dia

MODEL = {"model": None, "device": None, "dtype": None, "quantization": None}


def main() -> int:
    """Parse the options and print the result as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--alone", type=int, default=100, help="rows that are also spoken one at a time; 0 for none")
    parser.add_argument("--seconds", type=float, default=60, help="to measure the saturated speed for; 0 not to")
    parser.add_argument("--threads", type=int, help="CPU threads (default: chosen by model size and load)")
    parser.add_argument("--ray", action="store_true", help="also run the job on Ray, with one worker")
    parser.add_argument("--tiny", action="store_true", help="a few rows, to try the script; figures mean nothing")
    parser.add_argument("--write", type=Path, help="write the rows into a file and stop")
    options = parser.parse_args()
    if options.tiny:
        options.rows, options.alone, options.seconds = 6, 2, 1.0
    rows = mixed_rows(options.rows, 2 if options.tiny else 8)
    if options.write:
        options.write.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return 0
    print(json.dumps(measure(rows, options)))
    return 0


def measure(rows: list[dict[str, str]], options: argparse.Namespace) -> dict[str, float]:
    """All speeds and their ratios."""
    dia = load(options.threads)
    with TemporaryDirectory(prefix="dia-jobs-") as work:
        found = {"rows": float(len(rows)), "job": shown("job", job_speed(rows, dia, Path(work) / "job"))}
        if options.seconds:
            found["saturated"] = shown("saturated", saturated(dia, options.seconds))
            found["share of saturated"] = found["job"] / found["saturated"]
        if options.alone:
            found["one at a time"] = shown("one at a time", alone(rows[: options.alone], Path(work), options.threads))
            found["against one at a time"] = found["job"] / found["one at a time"]
        if options.ray:
            found["ray"] = shown("ray", ray_speed(rows, Path(work) / "ray", options.threads))
            found["cost of ray"] = 1 - found["ray"] / found["job"]
    return {name: round(value, 3) for name, value in found.items()}


def shown(name: str, speed: float) -> float:
    """Print a speed as soon as it is known."""
    print(f"{name}: {speed:.2f} seconds of speech per second", file=sys.stderr, flush=True)
    return speed


def load(threads: int | None) -> Dia:
    """Load the embedded model."""
    return load_model(argparse.Namespace(**MODEL, threads=threads), hints=False)


def load_speaker(threads: int | None, loaded: Path) -> DiaSpeaker:
    """Load the model in a worker, and say when it was loaded."""
    speaker = DiaSpeaker(load(threads))
    loaded.write_text(str(time.time()))
    return speaker


def saturated(dia: Dia, seconds: float) -> float:
    """Speech per second while every slot is occupied: from when all have ended their first clip."""
    slots, stop = DiaSpeaker(dia).at_once, Event()
    text = mixed_rows(1)[0]["text"] + " [S1] We walked along the cliffs, and had lunch in a small village by the sea."
    ended: list[tuple[float, float]] = []

    def keep_one_slot_full(number: int) -> None:
        seed = number
        while not stop.is_set():
            clip = dia.generate(text, seed=seed)
            ended.append((time.perf_counter(), len(clip) / dia.sample_rate))
            seed += slots

    with ThreadPoolExecutor(slots) as pool:
        running = [pool.submit(keep_one_slot_full, number) for number in range(slots)]
        while len(ended) < slots and not any(one.done() for one in running):
            time.sleep(0.05)
        begun, before = time.perf_counter(), len(ended)
        while (len(ended) == before or time.perf_counter() - begun < seconds) and not any(x.done() for x in running):
            time.sleep(0.05)
        taken, after = time.perf_counter() - begun, len(ended)
        stop.set()
        for one in running:
            one.result()
    return sum(length for _, length in ended[before:after]) / taken


def job_speed(rows: list[dict[str, str]], dia: Dia, folder: Path) -> float:
    """Speech per second of the whole job."""
    started = time.perf_counter()
    results = list(Batch(rows, folder).run(dia))
    return speech(results) / (time.perf_counter() - started)


def alone(rows: list[dict[str, str]], folder: Path, threads: int | None) -> float:
    """`datasets.map` over `Dia.generate` and `Dia.save_audio`, one row after another, by a model of its own."""
    import datasets

    datasets.disable_progress_bars()
    dia = load(threads)
    dia.generate(rows[0]["text"], seed=1)  # prepares the model

    def speak(row: dict[str, str]) -> dict[str, float]:
        clip = dia.generate(row["text"], seed=1)
        dia.save_audio(folder / f"{row['id']}.wav", clip)
        return {"seconds": len(clip) / dia.sample_rate}

    table = datasets.Dataset.from_list(rows)
    started = time.perf_counter()
    spoken = table.map(speak, load_from_cache_file=False, new_fingerprint="alone")
    return sum(spoken["seconds"]) / (time.perf_counter() - started)


def ray_speed(rows: list[dict[str, str]], folder: Path, threads: int | None) -> float:
    """The same job with one worker. The start of Ray and the loading of the model are left out."""
    from dia.distributed.ray_data import Workers, connect, run_on_ray
    from dia.distributed.storage import SharedFolder

    connect(num_cpus=2, object_store_memory=100 * 2**20)
    batch, loaded = Batch(rows, folder), folder.with_name("loaded")
    worker = partial(load_speaker, threads, loaded)
    results = list(run_on_ray(batch, worker, SharedFolder(folder), Workers(1, 2)))
    return speech(results) / (time.time() - float(loaded.read_text()))


def speech(results: list) -> float:
    """Seconds of speech; raises RuntimeError if a row has failed."""
    if failed := [result.error for result in results if result.error]:
        raise RuntimeError(f"rows have failed: {failed[0]}")
    return sum(result.seconds for result in results)


if __name__ == "__main__":
    sys.exit(main())
