"""Runs the parts of `benchmarks/gpu.sh`, each in a process with a time limit, and writes results after every part.

Imports neither torch nor Dia. A part that fails or runs out of time keeps what it has measured.
"""

import argparse
import importlib
import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from summary import summary

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
# Seconds; together less than nine minutes.
LIMITS = {"tests": 110, "parity": 70, "invariance": 90, "speed": 180, "profile": 60}
SCRIPTS = {"parity": "parity.py", "invariance": "invariance.py", "speed": "speed.py", "profile": "step_launches.py"}
NEEDED = ("torch", "transformers", "tokenizers", "safetensors", "huggingface_hub", "numpy", "platformdirs", "tqdm")
FOR_TESTS = (
    *("pytest", "hypothesis", "soundfile", "soxr", "pyloudnorm", "num2words", "anyascii"),
    *("charset_normalizer", "markdown_it", "scipy"),
)
GPU_MARK = "@pytest.mark.gpu"
FOR_SPEED = ("triton",)
SLOWER = "Attention of the step is slower without it. It comes with torch for CUDA on Linux."


def missing(names: Sequence[str]) -> list[str]:
    """Those of some packages that cannot be imported."""
    return [name for name in names if importlib.util.find_spec(name) is None]


def add_wheels(folder: Path) -> None:
    """Install the wheels of a folder for this run, without a network."""
    target = tempfile.mkdtemp(prefix="dia-wheels-")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--target", target]
    subprocess.run([*command, *map(str, sorted(folder.glob("*.whl")))], check=True)
    os.environ["PYTHONPATH"] = f"{os.environ.get('PYTHONPATH', '')}:{target}"
    sys.path.append(target)
    importlib.invalidate_caches()


def advice(names: Sequence[str]) -> str:
    """How to bring packages to a machine without a network."""
    listed = " ".join(name.replace("_", "-") for name in names)
    return f"On a machine with a network: pip download --no-deps -d wheels {listed}; then pass --wheels wheels."


def command_of(part: str, options: argparse.Namespace, found: Path) -> list[str]:
    """The command of a part, which writes what it finds to a file."""
    if part == "tests":
        files = sorted(
            str(file) for file in (ROOT / "tests").rglob("test_*.py") if GPU_MARK in file.read_text(encoding="utf-8")
        )
        how = ["-q", "--collect-only"] if options.tiny else ["-v", "--tb=short", "--continue-on-collection-errors"]
        return [sys.executable, "-m", "pytest", "-m", "gpu", "-p", "no:cacheprovider", *how, *files]
    tiny = ["--tiny"] if options.tiny else []
    files = ["--json", str(found), "--folder", str(options.out.resolve())]
    return [sys.executable, "-W", "ignore", str(HERE / SCRIPTS[part]), *files, *tiny]


def ended(process: subprocess.Popen[bytes], seconds: float) -> int | None:
    """The exit status of a process; None if it had to be ended, with all processes that it has started."""
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        return None
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def run_part(part: str, options: argparse.Namespace, seconds: float) -> dict[str, Any]:
    """Run a part; returns its state and what it has found. Its output goes to a log."""
    with tempfile.TemporaryDirectory() as folder:
        found, log = Path(folder) / "found", options.out / f"{part}.log"
        began = time.monotonic()
        with log.open("wb") as output:
            command = command_of(part, options, found)
            how: dict[str, Any] = {"cwd": ROOT, "start_new_session": True, "stdin": subprocess.DEVNULL}
            process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, **how)
            status = ended(process, seconds)
        state = "ran out of time" if status is None else "finished" if status == 0 else f"failed, status {status}"
        result = {"state": state, "seconds": round(time.monotonic() - began, 1), "limit": seconds}
        content = counted_tests(log) if part == "tests" else read_found(found)
        return result | {"found": content, "last_lines": last_lines(log)}


def read_found(file: Path) -> Any:
    """What a part has written; None if nothing. A part replaces its file whole."""
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else None


def counted_tests(log: Path) -> dict[str, int]:
    """The number of tests by outcome, also of a run that was ended."""
    text = log.read_text(encoding="utf-8", errors="replace")
    outcomes = re.findall(r"^tests/\S+\.py::.* (PASSED|FAILED|ERROR|SKIPPED)\b", text, re.MULTILINE)
    collected = re.findall(r"^(\d+)(?:/\d+)? tests? collected", text, re.MULTILINE)
    counts = {name.lower(): outcomes.count(name) for name in ("PASSED", "FAILED", "ERROR", "SKIPPED")}
    return {"collected": int(collected[0])} if collected else counts


def last_lines(log: Path) -> list[str]:
    """The end of a log, for the summary."""
    return log.read_text(encoding="utf-8", errors="replace").splitlines()[-12:]


def chosen(names: str) -> list[str]:
    """The parts of a comma-separated list."""
    parts = [name.strip() for name in names.split(",") if name.strip()]
    unknown = [name for name in parts if name not in LIMITS]
    if unknown or not parts:
        raise argparse.ArgumentTypeError(f"{names!r} is not a list of {', '.join(LIMITS)}")
    return parts


def read_options(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(prog="benchmarks/gpu.sh", description=__doc__)
    parser.add_argument("--parts", type=chosen, default=list(LIMITS), help="comma-separated; default: all")
    parser.add_argument("--out", type=Path, default=Path(os.environ.get("OUT") or "gpu-results"), help="output folder")
    parser.add_argument("--tiny", action="store_true", help="a small model on the CPU; tests are only collected")
    parser.add_argument("--wheels", type=Path, help="folder with wheels to install for this run")
    parser.add_argument("--check", action="store_true", help="say what is missing, and stop")
    return parser.parse_args(arguments)


def check(parts: Sequence[str]) -> dict[str, list[str]]:
    """The missing packages: those that all parts need, those of the tests, and those for speed."""
    return {
        "needed": missing(NEEDED),
        "tests": missing(FOR_TESTS) if "tests" in parts else [],
        "speed": missing(FOR_SPEED),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the parts; returns 1 if a part did not finish, 2 if packages are missing."""
    options = read_options(arguments)
    if options.wheels:
        add_wheels(options.wheels)
    lacking = check(options.parts)
    for purpose, names in lacking.items():
        if names:
            print(f"missing ({purpose}): {', '.join(names)}. {advice(names) if purpose != 'speed' else SLOWER}")
    if lacking["needed"] or options.check:
        return 2 if lacking["needed"] else 0
    options.out.mkdir(parents=True, exist_ok=True)
    results: dict[str, Any] = {"tiny": options.tiny, "missing": lacking, "parts": {}}
    for part in options.parts:
        print(f"{part}: at most {LIMITS[part]} s", flush=True)
        results["parts"][part] = run_part(part, options, LIMITS[part])
        (options.out / "results.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
        (options.out / "summary.md").write_text(summary(results), encoding="utf-8")
    print((options.out / "summary.md").read_text(encoding="utf-8"))
    return int(any(part["state"] != "finished" for part in results["parts"].values()))


if __name__ == "__main__":
    sys.exit(main())
