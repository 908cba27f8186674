"""Kills `dia say` at random times. After every kill the folder must contain only files that allow resuming.

    python tests/fuzz/interrupt.py --kills 200              the embedded model, signals at random times
    python tests/fuzz/interrupt.py --kills 2000 --tiny      a tiny model of the tests, signals at random calls

After every kill the same command runs again, killed again or not, until it finishes. Its audio must then equal that of
an uninterrupted run. The commands run in forks of this process, which has imported everything.
`tests/commands/test_interruption.py` runs a few of these kills.
"""

import argparse
import inspect
import itertools
import os
import random
import re
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL)
SCRIPT = " ".join(f"[S{1 + number % 2}] These are words. [pause:200ms]" for number in range(6)) + " [S1] The end."
_COUNTED = ("runtime", "commands", "cli", "synthesis/parts", "audio/files")
_KEPT = re.compile(r"(\d+) finished parts? (?:is|are) kept; the same command continues from there")


@dataclass
class Command:
    """Runs `dia say` with a long script and the output `folder`/a.wav in forks.

    Attributes:
        folder: a folder for this command only.
        model: value of --model.
        script: the script.
        expected: the audio of an uninterrupted run.
        old: content of a.wav before the run.
        kills: number of kills by signal and exit code.
        before: names of files in the folder before the last run.
    """

    folder: Path
    model: str
    script: str = SCRIPT
    expected: np.ndarray = field(default_factory=lambda: np.zeros(0))
    old: bytes = b""
    seconds: float = 0.0
    calls: int = 0
    kills: Counter = field(default_factory=Counter)
    before: set[str] = field(default_factory=set)

    @property
    def output(self) -> Path:
        return self.folder / "a.wav"

    @property
    def parts(self) -> Path:
        return self.folder / ".a.wav.parts"

    def arguments(self) -> list[str]:
        return ["say", self.script, "-o", str(self.output), "--model", self.model, "--seed", "7"]

    def run_uninterrupted(self) -> None:
        """Run once to get the expected audio and the duration."""
        counted = self.folder.parent / "calls"
        began = time.monotonic()
        assert self.run(lambda: _count_calls(counted))[0] == 0
        self.seconds, self.calls = time.monotonic() - began, int(counted.read_text())
        self.expected = soundfile.read(self.output)[0]
        self.renew()

    def renew(self) -> None:
        """Write an old file to the output path."""
        soundfile.write(self.output, np.zeros(100), 8000)
        self.old = self.output.read_bytes()

    def run(
        self, prepare: Callable[[], Callable[[], object] | None], watch: Callable[[int], object] | None = None
    ) -> tuple[int, str]:
        """Run in a fork; returns the exit code, negative for a signal, and the output to standard error."""
        log = self.folder.parent / "errors"
        self.before = {path.name for path in self.folder.iterdir()}
        process = os.fork()
        if process == 0:
            _become_command(self.arguments(), log, prepare)
        if watch is not None:
            watch(process)
        code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
        return code, log.read_text(encoding="utf-8", errors="replace")

    def kill_after(self, seconds: float, number: int) -> None:
        """Send a signal after some seconds, and check the remaining files."""

        def watch(process: int) -> None:
            time.sleep(seconds)
            os.kill(process, number)

        self._killed(number, *self.run(lambda: None, watch))

    def kill_at(self, call: int, number: int) -> None:
        """Send a signal at the given call of a function of this package, and check the remaining files."""
        place = self.folder.parent / "place"
        try:
            self._killed(number, *self.run(lambda: _signal_at(call, number, place)))
        except AssertionError as error:
            error.add_note(f"{signal.Signals(number).name} at call {call}, {place.read_text(encoding='utf-8')}")
            raise

    def finish(self) -> None:
        """Run to the end without interruption, and check the audio."""
        code, printed = self.run(lambda: None)
        assert code == 0, printed
        self._check_output()
        self.renew()

    def _killed(self, number: int, code: int, printed: str) -> None:
        self.kills[signal.Signals(number).name, code] += 1
        allowed = {-signal.SIGKILL} if number == signal.SIGKILL else {128 + number, -number}
        assert code in allowed | {0}, (code, printed)
        assert "Traceback" not in printed, printed
        if code == 0 or self.output.read_bytes() != self.old:
            self._check_output(dead=number == signal.SIGKILL)
            self.renew()
        left = {path.name for path in self.folder.iterdir() if path not in (self.output, self.parts)}
        if number != signal.SIGKILL:  # a command that ends before it opens its output leaves what SIGKILL has left
            assert left <= self.before, (left - self.before, printed)
        kept, reported = self._kept(), _KEPT.search(printed)
        if reported or "nothing was written" in printed:  # neither is printed before the command opens its output
            assert kept == (int(reported[1]) if reported else 0), (kept, printed)
            assert reported or not self.parts.exists(), printed

    def _kept(self) -> int:
        """Number of parts that are kept."""
        return len(list(self.parts.glob("part-*.safetensors")))

    def _check_output(self, dead: bool = False) -> None:
        np.testing.assert_allclose(soundfile.read(self.output)[0], self.expected, atol=1e-3)
        left = sorted(path.name for path in self.folder.iterdir() if path != self.output)
        assert dead or left == [], left


def _become_command(arguments: list[str], log: Path, prepare: Callable[[], Callable[[], object] | None]) -> None:
    """Replace this process with `dia`."""
    code, done = 70, None
    try:
        for number, to in ((0, os.devnull), (1, os.devnull), (2, str(log))):
            opened = os.open(to, os.O_RDWR | os.O_CREAT | (os.O_TRUNC if number == 2 else 0), 0o644)
            os.dup2(opened, number)
        sys.stdin, sys.stdout, sys.stderr = (open(n, "r" if n == 0 else "w", closefd=False) for n in range(3))  # noqa: SIM115
        from dia.cli import main

        for each in SIGNALS[:-1]:
            signal.signal(each, signal.default_int_handler if each == signal.SIGINT else signal.SIG_DFL)
        done = prepare()
        code = main(arguments)
    except KeyboardInterrupt:  # before the command starts, or after it has ended
        code = 130
    finally:
        sys.setprofile(None)
        if done is not None:
            done()
        import dia.runtime.files.atomic as atomic

        atomic._remove_unfinished()  # as at exit; a fork must not run its parent's exit handlers
        sys.stderr.flush()
        os._exit(code)


def _profile(count: Callable[[], object]) -> None:
    """Call `count` at every call and return of functions in the modules of `_COUNTED`.

    The end and the yield of a generator are left out: an error of the profile function there ends the generator
    without its `finally`, which a signal never does.
    """
    import dia

    home = Path(dia.__file__).parent
    places = tuple(str(home / name) for name in _COUNTED)

    def profile(frame: Any, event: str, _: object) -> None:
        ends = event == "return" and not frame.f_code.co_flags & inspect.CO_GENERATOR
        if (event == "call" or ends) and frame.f_code.co_filename.startswith(places):
            count()

    sys.setprofile(profile)


def _count_calls(to: Path) -> Callable[[], object]:
    """Start counting calls. The returned function writes the count to a file."""
    counter = itertools.count()
    _profile(lambda: next(counter))
    return lambda: to.write_text(str(next(counter)))


def _signal_at(call: int, number: int, place: Path) -> None:
    """Send a signal at a call, and write where that is to `place`."""
    left = [call]

    def count() -> None:
        left[0] -= 1
        if left[0] == 0:
            sys.setprofile(None)
            place.write_text("".join(traceback.format_stack()[-6:-2]), encoding="utf-8")
            os.kill(os.getpid(), number)

    _profile(count)


def ready_to_fork() -> None:
    """Import what the command needs, and remove state that forks cannot share."""
    import torch
    from tqdm import tqdm

    import dia.model  # noqa: F401

    torch.set_num_threads(1)  # forks do not copy threads
    tqdm.set_lock(threading.RLock())  # the default lock is shared by forks, and a killed fork could hold it forever


def tiny_model(folder: Path) -> str:
    """Save the tests' tiny model and return its path. Its output is noise, so the check for faults is turned off."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "support"))
    from tiny_speech import saved_tiny_speech

    from dia.synthesis.takes import analysis

    analysis.faults = lambda performance: ()
    return saved_tiny_speech(folder)


def kill_repeatedly(command: Command, kills: int, chance: random.Random, at_calls: bool) -> None:
    """Kill the command `kills` times. After about every third kill it runs to the end."""
    for number in range(kills):
        which = chance.choice(SIGNALS)
        if at_calls:
            command.kill_at(chance.randrange(1, command.calls + 1), which)
        else:
            command.kill_after(chance.uniform(0, 1.05 * command.seconds), which)
        if chance.random() < 1 / 3:
            command.finish()
        if (number + 1) % 25 == 0:
            print(f"{number + 1} kills", flush=True)
    command.finish()


def main() -> None:
    """Run the script. A violated invariant is an AssertionError."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200, help="number of kills (default: 200)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the kills (default: 0)")
    parser.add_argument("--tiny", action="store_true", help="a tiny model, and kills at calls instead of times")
    arguments = parser.parse_args()
    ready_to_fork()

    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "output"
        folder.mkdir()
        model = tiny_model(Path(place) / "model") if arguments.tiny else "mini"
        command = Command(folder, model)
        command.run_uninterrupted()
        print(f"uninterrupted: {command.seconds:.1f} s, {command.calls} calls", flush=True)
        kill_repeatedly(command, arguments.kills, random.Random(arguments.seed), arguments.tiny)
    for (name, code), count in sorted(command.kills.items()):
        print(f"{name}: exit code {code}: {count}")
    print(f"{arguments.kills} kills, no invariant violated")


if __name__ == "__main__":
    main()
