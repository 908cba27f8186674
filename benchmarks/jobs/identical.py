"""The same rows with one process, two processes, two workers of Ray, and after a kill: the files are the same bytes.

    python benchmarks/jobs/identical.py --rows 500 --ray
    python benchmarks/jobs/identical.py --rows 60 --ray --layout webdataset

Each job is a command in processes of its own, with the embedded model. The killed job is ended by signal 9 when about
half of its rows have files, and is finished by two processes. Prints what was compared as JSON; the exit code is 1
if a folder differs.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from kills import contents
from rows import short_rows

OPTIONS = ["--device", "cpu", "--dtype", "float32", "--threads", "1"]
ONE = ["-m", "dia", "batch"]
TWO = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "dia.distributed.batch"]
RAY = ["--ray", "--workers", "2", "--worker-cpus", "0.5"]


def main() -> int:
    """Parse the options and print the result as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=500)
    parser.add_argument("--ray", action="store_true", help="also run the job on Ray")
    parser.add_argument("--layout", default="files", help="of the folder (default: files)")
    parser.add_argument("--model", help="a checkpoint in place of the embedded one")
    options = parser.parse_args()
    with TemporaryDirectory(prefix="dia-identical-") as work:
        found = compare(Path(work), options)
    print(json.dumps(found))
    return 1 if found["folders that differ"] else 0


def compare(work: Path, options: argparse.Namespace) -> dict[str, object]:
    """Run all jobs and compare their folders with that of one process, file by file."""
    rows = work / "rows.jsonl"
    rows.write_text("".join(json.dumps(row) + "\n" for row in short_rows(options.rows)))
    given = ["--layout", options.layout, *(["--model", options.model] if options.model else [])]
    seconds = {"one process": timed(spawn(ONE, rows, work / "one process", given))}
    seconds["two processes"] = timed(spawn(TWO, rows, work / "two processes", given))
    if options.ray:
        seconds["two workers of Ray"] = timed(spawn(ONE, rows, work / "two workers of Ray", [*given, *RAY]))
    killed = kill_when_half_done(spawn(ONE, rows, work / "after a kill", given), options.rows)
    seconds["after a kill"] = timed(spawn(TWO, rows, work / "after a kill", given))
    whole, *others = (contents(work / name) for name in seconds)
    different = [name for name, files in zip(list(seconds)[1:], others, strict=True) if files != whole]
    return {
        "rows": options.rows,
        "files": len(whole),
        "bytes": sum(map(len, whole.values())),
        "rows before the kill": killed,
        "seconds": {name: round(taken) for name, taken in seconds.items()},
        "folders that differ": different,
    }


def spawn(launcher: list[str], rows: Path, folder: Path, options: list[str]) -> "subprocess.Popen[bytes]":
    """Start a job in a group of processes."""
    command = [sys.executable, *launcher, str(rows), "-o", str(folder), *OPTIONS, *options]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, stdout=sys.stderr, env=environment, start_new_session=True)


def timed(process: "subprocess.Popen[bytes]") -> float:
    """Wait for a job, and return the seconds that it took. Raises RuntimeError if it fails."""
    started = time.perf_counter()
    if code := process.wait():
        raise RuntimeError(f"the job has failed with code {code}")
    return time.perf_counter() - started


def kill_when_half_done(process: "subprocess.Popen[bytes]", rows: int) -> int:
    """Kill a job when half of its rows have files; returns how many have. Raises RuntimeError if it ends before."""
    folder = Path(process.args[process.args.index("-o") + 1])
    while process.poll() is None:
        made = len(list(folder.rglob("*.wav"))) if folder.exists() else 0  # with shards in a folder of its own
        if made >= rows // 2:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            return made
        time.sleep(0.05)
    raise RuntimeError(f"the job ended with code {process.returncode} before it was killed")


if __name__ == "__main__":
    sys.exit(main())
