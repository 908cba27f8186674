"""Compare numbers of threads and wait policies, on an idle machine and beside busy processes.

    python benchmarks/speed/bench_threads.py
    python benchmarks/speed/bench_threads.py --neighbors 0,1,2 --repeat 5 --json threads.json
    python benchmarks/speed/bench_threads.py --neighbors 0 --repeat 1 --rows 60         a quick trial
    python benchmarks/speed/bench_threads.py --model FOLDER --rows 100                   another model

`default` is torch's default: one thread per core, which spins while it waits. `one` is one thread. `passive` is one
thread per core, which sleeps while it waits. `chosen` is what `dia say` does: passive, with the number of threads that
`choose_threads` returns at that moment. Every run is its own process, which loads the model, speaks once to warm up
and is timed when it speaks again. The variants take turns, so that other load affects all of them alike. A neighbor is
a process that only counts. Run this on an otherwise idle machine.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

VARIANTS = ("default", "one", "passive", "chosen")
TEXT = "[S1] Dia is an open weights text to dialogue model. [S2] You get full control over scripts and voices."
_SET = ("OMP_NUM_THREADS", "OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "MKL_NUM_THREADS")


def measure(variant: str, model: str, rows: int) -> dict[str, object]:
    """Speak in this process; returns seconds, seconds of speech, seconds of CPU time and the threads."""
    from dia.runtime.resources.cores import CoreTimes
    from dia.runtime.resources.threads import ThreadChoice, apply, choose_threads, wait_passively

    if variant in ("passive", "chosen"):
        wait_passively()
    began = CoreTimes.now()
    from dia import Dia

    dia = Dia.from_pretrained(model, device="cpu")
    import torch

    choice = ThreadChoice(torch.get_num_threads(), "torch's own number")
    if variant == "one":
        choice = ThreadChoice(1, "one")
    elif variant == "chosen":
        choice = choose_threads(dia.model.num_parameters(), began)
    apply(choice)
    dia.generate(TEXT, max_tokens=40, seed=7, long_form=False)
    started, before = time.perf_counter(), time.process_time()
    sound = dia.generate(TEXT, max_tokens=rows, seed=7, long_form=False)
    return {
        "seconds": time.perf_counter() - started,
        "cpu": time.process_time() - before,
        "speech": len(sound) / dia.sample_rate,
        "threads": str(choice),
    }


def measured(variant: str, model: str, rows: int) -> dict[str, object]:
    """The same in a process of its own, in which nothing about threads is set."""
    clean = {name: value for name, value in os.environ.items() if name not in _SET}
    command = [sys.executable, __file__, "--child", variant, "--model", model, "--rows", str(rows)]
    done = subprocess.run(command, env=clean, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr)
    return dict(json.loads(done.stdout.splitlines()[-1]))


@contextmanager
def neighbors(count: int) -> Iterator[None]:
    """Busy processes, which end with the block."""
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        time.sleep(0.5 if busy else 0.0)
        yield
    finally:
        for process in busy:
            process.kill()
            process.wait()


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="mini", help="folder or Hub id (default: the embedded model)")
    parser.add_argument(
        "--neighbors", default="0,1,2", help="numbers of busy processes, separated by commas (default: 0,1,2)"
    )
    parser.add_argument("--variants", default=",".join(VARIANTS), help="separated by commas (default: all)")
    parser.add_argument("--repeat", type=int, default=3, help="timed runs per variant (default: 3)")
    parser.add_argument("--rows", type=int, default=400, help="max_tokens of every take (default: 400)")
    parser.add_argument("--json", help="file for the results")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        print(json.dumps(measure(arguments.child, arguments.model, arguments.rows)))
        return
    variants, found = arguments.variants.split(","), []
    print("neighbors  variant  median s   min s   max s   CPU s realtime  threads")
    for count in map(int, arguments.neighbors.split(",")):
        with neighbors(count):
            turns = [
                (variant, measured(variant, arguments.model, arguments.rows))
                for _ in range(arguments.repeat)
                for variant in variants
            ]
        for variant in variants:
            found.append(told(count, variant, [figures for name, figures in turns if name == variant]))
    if arguments.json:
        with open(arguments.json, "w", encoding="utf-8") as file:
            json.dump(found, file, indent=1)


def told(count: int, variant: str, runs: list[dict[str, object]]) -> dict[str, object]:
    """Print a line of the table; returns its figures."""
    seconds = [float(str(run["seconds"])) for run in runs]
    median = statistics.median(seconds)
    line = {
        "neighbors": count,
        "variant": variant,
        "median": median,
        "min": min(seconds),
        "max": max(seconds),
        "cpu": statistics.median(float(str(run["cpu"])) for run in runs),
        "realtime": float(str(runs[0]["speech"])) / median,
        "threads": runs[-1]["threads"],
    }
    numbers = f"{line['median']:8.2f} {line['min']:7.2f} {line['max']:7.2f} {line['cpu']:7.2f} {line['realtime']:8.2f}"
    print(f"{count:10}  {variant:8} {numbers}  {line['threads']}", flush=True)
    return line


if __name__ == "__main__":
    main()
