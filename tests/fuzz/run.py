"""What the three scripts have in common: their options, the loop over children, the table of counts."""

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
    """The options of every script."""
    options = argparse.ArgumentParser(description=(description or "").partition("\n")[0])
    options.add_argument("--count", type=int, default=count, help="how many inputs")
    options.add_argument("--seed", type=int, default=0, help="which; the same seed gives the same")
    options.add_argument("--only", nargs="*", help="these alone, such as value:123")
    options.add_argument("--jobs", type=int, default=2, help="children at once")
    options.add_argument("--seconds", type=float, default=60.0, help="after which one has hung")
    options.add_argument("--gigabytes", type=float, default=4.0, help="of memory for each")
    options.add_argument("--verbose", action="store_true", help="print every outcome")
    return options


def import_helpers() -> None:
    """Let the tests' own helpers be imported, as pytest does, and children use one thread."""
    sys.path.insert(0, str(Path(__file__).parents[1]))
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    import torch

    torch.set_num_threads(1)


def run(options: argparse.Namespace, calls: Iterable[Named], refusals: tuple[type[Exception], ...] = REFUSALS) -> int:
    """Make every call in a child, tell what was wrong and count; 1 where anything was, else 0."""
    counts = Counter[tuple[str, str]]()
    limits = {"jobs": options.jobs, "seconds": options.seconds, "gigabytes": options.gigabytes}
    for name, outcome in run_all(calls, refusals, **limits):
        counts[name.partition(":")[0], outcome.kind] += 1
        if options.verbose or outcome.kind not in GOOD:
            _tell(name, outcome)
    _table(counts)
    return int(any(kind not in GOOD for _, kind in counts))


def chosen(options: argparse.Namespace, drawn: list[tuple[str, int]]) -> list[tuple[str, int]]:
    """The inputs to try, as pairs of a name and a seed."""
    if not options.only:
        return drawn
    return [(name, int(seed)) for name, _, seed in (one.partition(":") for one in options.only)]


def _tell(name: str, outcome: Outcome) -> None:
    said = f"{outcome.kind:9} {name} ({outcome.seconds:.1f} s, {outcome.megabytes} MB): {outcome.detail}"
    print(said.encode("ascii", "backslashreplace").decode(), flush=True)
    if outcome.kind == "uncaught":
        print(outcome.trace.encode("ascii", "backslashreplace").decode(), file=sys.stderr)


def _table(counts: Counter[tuple[str, str]]) -> None:
    print(f"{'input':20}{'tried':>8}" + "".join(f"{kind:>10}" for kind in KINDS))
    for name in [*sorted({name for name, _ in counts}), "all"]:
        row = [sum(n for (one, k), n in counts.items() if k == kind and name in (one, "all")) for kind in KINDS]
        print(f"{name:20}{sum(row):>8}" + "".join(f"{number:>10}" for number in row))


__all__ = ["GOOD", "KINDS", "chosen", "import_helpers", "parser", "run"]
