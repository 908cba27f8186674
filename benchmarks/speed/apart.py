"""Run each variant in its own process, so that none affects the caches or the memory of another."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any


class Memory(threading.Thread):
    """The peak resident memory of this process in KiB, sampled every 10 ms."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.most = 0

    def run(self) -> None:
        while True:
            lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
            self.most = max(self.most, next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")))
            time.sleep(0.01)


def found_by_child(script: str, arguments: Sequence[str], told: str, aloud: bool = False) -> dict[str, Any] | None:
    """What `python script --child …` prints as JSON in its last line; None, and its last words printed, if it fails.

    Args:
        script: the benchmark's file.
        arguments: after `--child`.
        told: what is being measured, for the message.
        aloud: let what it writes to stderr through, such as a profile.
    """
    run = subprocess.run(
        [sys.executable, "-W", "ignore", script, "--child", *arguments],
        stdout=subprocess.PIPE,
        stderr=None if aloud else subprocess.PIPE,
        text=True,
        env={**os.environ, "HF_HUB_DISABLE_PROGRESS_BARS": "1"},
    )
    if run.returncode:
        print(f"{told}: failed\n{(run.stderr or '')[-600:]}", file=sys.stderr)
        return None
    return json.loads(run.stdout.splitlines()[-1])
