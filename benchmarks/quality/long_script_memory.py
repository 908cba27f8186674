"""Measure the memory of `dia say` while it speaks a long script, to see whether it grows with the script."""

import argparse
import itertools
import json
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import soundfile
from evaluation.held_out import SPEAKERS, sentences

from dia import MINI

GUIDE = """examples:
  python benchmarks/quality/long_script_memory.py --minutes 60 --json hour.json      about ten minutes on 2 cores
  python benchmarks/quality/long_script_memory.py --minutes 1                        a quick trial

Memory is the resident memory of the process on Linux, including model and libraries: the maximum in the second tenth
of the run, when everything is loaded, and in the last tenth.
"""
SECONDS_OF_A_TURN = 2.3
SAMPLES_PER_SECOND = 4


def script_of(minutes: float) -> str:
    """Sentences for about this many minutes, alternating between [S1] and [S2], one turn per line."""
    turns = itertools.islice(sentences("an hour"), max(2, round(60 * minutes / SECONDS_OF_A_TURN)))
    return "\n".join(f"[{SPEAKERS[number % 2]}] {text}" for number, text in enumerate(turns))


def watched(command: list[str]) -> tuple[list[float], float]:
    """Resident gigabytes, sampled until the command ends, and the seconds it took.

    Raises:
        subprocess.CalledProcessError: the command failed.
    """
    began, found = time.perf_counter(), []
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        while process.poll() is None:
            told = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{process.pid}/status").read_text(encoding="ascii"))
            found += [int(told[1]) * 1024 / 1e9] if told else []
            time.sleep(1 / SAMPLES_PER_SECOND)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return found, time.perf_counter() - began


def measured(model: str, minutes: float, seed: int) -> dict[str, Any]:
    """Speak, and return seconds of speech and of computation, and gigabytes early and late."""
    with tempfile.TemporaryDirectory() as place:
        script, sound = Path(place) / "script.txt", Path(place) / "said.flac"
        script.write_text(script_of(minutes), encoding="utf-8")
        said = [sys.executable, "-m", "dia.cli", "say", str(script), "-o", str(sound), "--model", model]
        memory, seconds = watched([*said, "--seed", str(seed), "--device", "cpu"])
        speech = soundfile.info(sound).duration
    tenth = max(1, len(memory) // 10)
    return {
        "speech_seconds": round(speech, 1),
        "seconds": round(seconds, 1),
        "realtime": round(speech / seconds, 2),
        "gigabytes_early": round(max(memory[tenth : 2 * tenth] or memory), 3),
        "gigabytes_late": round(max(memory[-tenth:]), 3),
        "gigabytes_most": round(max(memory), 3),
    }


def main() -> None:
    """Parse arguments, measure, print, write JSON."""
    options = argparse.ArgumentParser(
        description=__doc__, epilog=GUIDE, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--model", default=str(MINI), help="checkpoint folder (default: the embedded one)")
    options.add_argument("--minutes", type=float, default=60.0, help="approximate length of the speech (default: 60)")
    options.add_argument("--seed", type=int, default=0, help="seed of the sampling (default: 0)")
    options.add_argument("--json", type=Path, metavar="FILE", help="file for the results")
    arguments = options.parse_args()
    found = measured(arguments.model, arguments.minutes, arguments.seed)
    print(json.dumps(found, indent=2))
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
