"""Shared parts of the three fuzz scripts: options, the loop over child processes, and the table of counts."""

import argparse
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

from tests.fuzz.sandbox import REFUSALS, Outcome, run_all

KINDS = ("loaded", "refused", "unnamed", "uncaught", "hung", "killed")
GOOD = ("loaded", "refused")
Named = tuple[str, Callable[[], str]]


def parser(description: str | None, count: int) -> argparse.ArgumentParser:
    """The options of all scripts."""
    options = argparse.ArgumentParser(description=(description or "").partition("\n")[0])
    options.add_argument("--count", type=int, default=count, help="number of inputs")
    options.add_argument("--seed", type=int, default=0, help="seed of the inputs")
    options.add_argument("--only", nargs="*", help="run only these inputs, such as value:123")
    options.add_argument("--jobs", type=int, default=2, help="number of parallel child processes")
    options.add_argument("--seconds", type=float, default=60.0, help="time limit of a child")
    options.add_argument("--gigabytes", type=float, default=4.0, help="memory limit of a child")
    options.add_argument("--verbose", action="store_true", help="print every outcome")
    return options


def import_helpers() -> None:
    """Make the tests' helper modules importable, as pytest does, and limit child processes to one thread."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "support"))
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    import torch

    torch.set_num_threads(1)


def run(options: argparse.Namespace, calls: Iterable[Named], refusals: tuple[type[Exception], ...] = REFUSALS) -> int:
    """Run every call in a child process and print failures and counts. Returns 1 for failures, otherwise 0."""
    counts = Counter[tuple[str, str]]()
    limits = {"jobs": options.jobs, "seconds": options.seconds, "gigabytes": options.gigabytes}
    for name, outcome in run_all(calls, refusals, **limits):
        counts[name.partition(":")[0], outcome.kind] += 1
        if options.verbose or outcome.kind not in GOOD:
            _report(name, outcome)
    _table(counts)
    return int(any(kind not in GOOD for _, kind in counts))


def chosen(options: argparse.Namespace, drawn: list[tuple[str, int]]) -> list[tuple[str, int]]:
    """The inputs to run, as pairs of a name and a seed."""
    if not options.only:
        return drawn
    return [(name, int(seed)) for name, _, seed in (one.partition(":") for one in options.only)]


def _report(name: str, outcome: Outcome) -> None:
    line = f"{outcome.kind:9} {name} ({outcome.seconds:.1f} s, {outcome.megabytes} MB): {outcome.detail}"
    print(line.encode("ascii", "backslashreplace").decode(), flush=True)
    if outcome.kind == "uncaught":
        print(outcome.trace.encode("ascii", "backslashreplace").decode(), file=sys.stderr)


def _table(counts: Counter[tuple[str, str]]) -> None:
    print(f"{'input':20}{'tried':>8}" + "".join(f"{kind:>10}" for kind in KINDS))
    for name in [*sorted({name for name, _ in counts}), "all"]:
        row = [sum(n for (one, k), n in counts.items() if k == kind and name in (one, "all")) for kind in KINDS]
        print(f"{name:20}{sum(row):>8}" + "".join(f"{number:>10}" for number in row))


__all__ = ["GOOD", "KINDS", "chosen", "import_helpers", "parser", "run"]
