"""`dia say` is killed at random moments; after every kill the folder must hold what can be resumed, and nothing else.

    python tests/fuzz/interrupt.py --kills 200              the embedded model, signals at random times
    python tests/fuzz/interrupt.py --kills 2000 --tiny      a tiny model of the tests, signals at random calls

Every kill is followed by the same command again, killed again or not, until it ends by itself: then the sound must be
that of a command that nobody has disturbed. The commands run in forks of this process, which has imported everything.
`tests/commands/test_interruption.py` runs a few of these kills.
"""

import argparse
import itertools
import os
import random
import re
import signal
import sys
import tempfile
import threading
import time
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
    """`dia say` of a long script into `folder`/a.wav, run in forks.

    Attributes:
        folder: holds nothing else.
        model: for --model.
        script: what to say.
        expected: the sound of an undisturbed run.
        old: what stands at a.wav before.
        kills: how many have been tried, by signal and exit code.
    """

    folder: Path
    model: str
    script: str = SCRIPT
    expected: np.ndarray = field(default_factory=lambda: np.zeros(0))
    old: bytes = b""
    seconds: float = 0.0
    calls: int = 0
    kills: Counter = field(default_factory=Counter)

    @property
    def output(self) -> Path:
        return self.folder / "a.wav"

    @property
    def parts(self) -> Path:
        return self.folder / ".a.wav.parts"

    def arguments(self) -> list[str]:
        return ["say", self.script, "-o", str(self.output), "--model", self.model, "--seed", "7"]

    def undisturbed(self) -> None:
        """Run once, to know what is expected and how long it takes."""
        counted = self.folder.parent / "calls"
        began = time.monotonic()
        assert self.run(lambda: _count_calls(counted))[0] == 0
        self.seconds, self.calls = time.monotonic() - began, int(counted.read_text())
        self.expected = soundfile.read(self.output)[0]
        self.renew()

    def renew(self) -> None:
        """Put something old where the sound goes."""
        soundfile.write(self.output, np.zeros(100), 8000)
        self.old = self.output.read_bytes()

    def run(
        self, prepare: Callable[[], Callable[[], object] | None], watch: Callable[[int], object] | None = None
    ) -> tuple[int, str]:
        """Run in a fork; returns the exit code, negative for a signal, and what was printed to standard error."""
        log = self.folder.parent / "errors"
        process = os.fork()
        if process == 0:
            _become_command(self.arguments(), log, prepare)
        if watch is not None:
            watch(process)
        code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
        return code, log.read_text(encoding="utf-8", errors="replace")

    def kill_after(self, seconds: float, number: int) -> None:
        """Send a signal at a moment, and look at what is left."""

        def watch(process: int) -> None:
            time.sleep(seconds)
            os.kill(process, number)

        self._killed(number, *self.run(lambda: None, watch))

    def kill_at(self, call: int, number: int) -> None:
        """Send a signal at the so-manieth call of a function of this package, and look at what is left."""
        self._killed(number, *self.run(lambda: _signal_at(call, number)))

    def finish(self) -> None:
        """Run undisturbed to the end, and compare."""
        code, printed = self.run(lambda: None)
        assert code == 0, printed
        self._check_whole()
        self.renew()

    def _killed(self, number: int, code: int, printed: str) -> None:
        self.kills[signal.Signals(number).name, code] += 1
        allowed = {-signal.SIGKILL} if number == signal.SIGKILL else {128 + number, -number}
        assert code in allowed | {0}, (code, printed)
        assert "Traceback" not in printed, printed
        if code == 0 or self.output.read_bytes() != self.old:
            self._check_whole(dead=number == signal.SIGKILL)
            self.renew()
        left = sorted(path.name for path in self.folder.iterdir() if path not in (self.output, self.parts))
        if number != signal.SIGKILL:
            assert left == [], (left, printed)
        kept, told = self._kept(), _KEPT.search(printed)
        if told or "nothing was written" in printed:  # before the command has taken its output it says neither
            assert kept == (int(told[1]) if told else 0), (kept, printed)
            assert told or not self.parts.exists(), printed

    def _kept(self) -> int:
        """How many parts are kept; nothing else may lie among them after a clean end."""
        return len(list(self.parts.glob("part-*.safetensors")))

    def _check_whole(self, dead: bool = False) -> None:
        np.testing.assert_allclose(soundfile.read(self.output)[0], self.expected, atol=1e-3)
        left = sorted(path.name for path in self.folder.iterdir() if path != self.output)
        assert dead or left == [], left


def _become_command(arguments: list[str], log: Path, prepare: Callable[[], Callable[[], object] | None]) -> None:
    """Be `dia` from here on."""
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
    except KeyboardInterrupt:  # before the command began, or after it had ended
        code = 130
    finally:
        sys.setprofile(None)
        if done is not None:
            done()
        import dia.runtime.atomic as atomic

        atomic._remove_unfinished()  # as at exit, which a fork must not run for its parent
        sys.stderr.flush()
        os._exit(code)


def _profile(count: Callable[[], object]) -> None:
    """Call `count` at every call and return of a function that has to do with files, or leads to one."""
    import dia

    home = Path(dia.__file__).parent
    places = tuple(str(home / name) for name in _COUNTED)

    def profile(frame: Any, event: str, _: object) -> None:
        if event in ("call", "return") and frame.f_code.co_filename.startswith(places):
            count()

    sys.setprofile(profile)


def _count_calls(to: Path) -> Callable[[], object]:
    """Count until what is returned is called, which writes the number to a file."""
    counter = itertools.count()
    _profile(lambda: next(counter))
    return lambda: to.write_text(str(next(counter)))


def _signal_at(call: int, number: int) -> None:
    left = [call]

    def count() -> None:
        left[0] -= 1
        if left[0] == 0:
            sys.setprofile(None)
            os.kill(os.getpid(), number)

    _profile(count)


def ready_to_fork() -> None:
    """Import what the command needs, and leave nothing that forks would share or miss."""
    import torch
    from tqdm import tqdm

    import dia.model  # noqa: F401

    torch.set_num_threads(1)  # a fork has no other threads
    tqdm.set_lock(threading.RLock())  # its own is shared by forks: one that is killed while it draws would keep it


def tiny_model(folder: Path) -> str:
    """The tests' tiny model, on a disk; its speech is nothing, so that nothing is said about it."""
    sys.path.insert(0, str(Path(__file__).parents[1]))
    from tiny_speech import tiny_speech

    from dia.synthesis.takes import analysis

    analysis.faults = lambda performance: ()
    synthesizer = tiny_speech(pass_seconds=5.0)
    synthesizer.model.save_pretrained(folder)
    synthesizer.processor.save_pretrained(folder)
    return str(folder)


def disturb(command: Command, kills: int, chance: random.Random, at_calls: bool) -> None:
    """Kill so often; after about every third kill the command may end by itself."""
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
    """Run as the arguments say; an invariant that is broken is an AssertionError."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--tiny", action="store_true", help="a tiny model, and kills at calls instead of times")
    arguments = parser.parse_args()
    ready_to_fork()

    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "output"
        folder.mkdir()
        model = tiny_model(Path(place) / "model") if arguments.tiny else "mini"
        command = Command(folder, model)
        command.undisturbed()
        print(f"undisturbed: {command.seconds:.1f} s, {command.calls} calls", flush=True)
        disturb(command, arguments.kills, random.Random(arguments.seed), arguments.tiny)
    for (name, code), count in sorted(command.kills.items()):
        print(f"{name}: exit code {code}: {count}")
    print(f"{arguments.kills} kills, 0 invariants broken")


if __name__ == "__main__":
    main()
