"""Kill a job at random moments with signal 9, resume it, and compare the result with a job that was not killed.

    python benchmarks/jobs/kills.py --kills 20
    python benchmarks/jobs/kills.py --kills 10 --output webdataset
    python benchmarks/jobs/kills.py --kills 10 --output audiobook

Each run of the job is a process that loads the embedded model. Whenever a job ends, its folder is compared file by
file, rows are counted in its manifest, and the next job begins in a new folder, until enough runs were killed. The
exit code is 1 if a row was lost or doubled, or a file differs.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from rows import mixed_rows

from dia.jobs.manifest import MANIFEST

OUTPUTS = {
    "files": ["out"],
    "webdataset": ["out", "--layout", "webdataset", "--shard-rows", "3"],
    "dataset": ["out", "--layout", "dataset", "--shard-rows", "3"],
    "audiobook": ["out.m4b", "--audiobook"],
}
FAULTS = ("rows lost", "rows doubled", "folders that differ")


def main() -> int:
    """Parse the options and print the result as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--rows", type=int, default=12)
    parser.add_argument("--output", choices=list(OUTPUTS), default="files")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--longest", type=int, default=3, help="sentences in the longest row")
    parser.add_argument("--model", help="a checkpoint in place of the embedded one")
    options = parser.parse_args()
    rows = mixed_rows(options.rows, options.longest)
    with TemporaryDirectory(prefix="dia-kills-") as work:
        found = measure(rows, options, Path(work))
    print(json.dumps(found))
    return 1 if any(found[name] for name in FAULTS) else 0


def measure(rows: list[dict[str, str]], options: argparse.Namespace, work: Path) -> dict[str, object]:
    """Kill runs until `options.kills` were killed; returns what was found."""
    chance, source = random.Random(options.seed), work / "rows.jsonl"
    source.write_text("".join(json.dumps(row) + "\n" for row in rows))
    started = time.perf_counter()
    finished(spawn(source, work / "whole", options))
    length = time.perf_counter() - started
    print(f"a run takes {length:.1f} s", file=sys.stderr, flush=True)
    whole = contents(work / "whole")
    killed, jobs, lost, doubled, different = 0, 0, 0, 0, 0
    while killed < options.kills:
        folder = work / f"job-{jobs}"
        while True:
            process = spawn(source, folder, options)
            if killed < options.kills:
                time.sleep(chance.uniform(0, length))
                process.kill()
            if finished(process):
                break
            killed += 1
            made = sum(1 for path in folder.rglob("*") if path.suffix in (".wav", ".flac"))
            print(f"{killed} runs were killed, the last one after {made} files", file=sys.stderr, flush=True)
        jobs += 1
        (manifest,) = folder.rglob(MANIFEST)
        ids = [json.loads(line)["id"] for line in manifest.read_text().splitlines()]
        lost += len({row["id"] for row in rows} - set(ids))
        doubled += len(ids) - len(set(ids))
        different += contents(folder) != whole
    counts = dict(zip(FAULTS, (lost, doubled, different), strict=True))
    return {"output": options.output, "rows": len(rows), "kills": killed, "jobs": jobs, **counts}


def spawn(rows: Path, folder: Path, options: argparse.Namespace) -> "subprocess.Popen[bytes]":
    """Start `dia batch` in a process of its own."""
    folder.mkdir(exist_ok=True)
    output, *others = OUTPUTS[options.output]
    model = ["--model", options.model] if options.model else []
    model += ["--device", "cpu", "--dtype", "float32", "--threads", "1"]
    command = [sys.executable, "-m", "dia", "batch", str(rows), "-o", str(folder / output), *others, *model]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, env=os.environ | {"OMP_NUM_THREADS": "1"})


def finished(process: "subprocess.Popen[bytes]") -> bool:
    """Wait for a run. Whether it has ended by itself; raises RuntimeError if rows have failed."""
    code = process.wait()
    if code > 0:
        raise RuntimeError(f"dia batch has failed with code {code}")
    return code == 0


def contents(folder: Path) -> dict[str, bytes]:
    """All files of a folder and its subfolders, by their path."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


if __name__ == "__main__":
    sys.exit(main())
