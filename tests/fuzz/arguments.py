"""Calls all public functions with invalid numbers, objects and scripts.

    python -m tests.fuzz.arguments --count 2000 --seed 0

A call must return, or raise an error that names the argument. Uses the tests' tiny model.
"""

import random
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.fuzz.entry_points import EntryPoint, entry_points_of
from tests.fuzz.run import Named, chosen, import_helpers, parser, run
from tests.fuzz.sandbox import REFUSALS, Unnamed, deliberate
from tests.fuzz.values import hostile, script


def drawn(entry_points: list[EntryPoint], count: int, seed: int) -> list[tuple[str, int]]:
    """Draw `count` names of entry points, weighted by their number of arguments, and seeds."""
    draw = random.Random(seed)
    weights = [1 + len(entry_point.arguments) for entry_point in entry_points]
    return [(entry_point.name, draw.randrange(2**32)) for entry_point in draw.choices(entry_points, weights, k=count)]


def tried(entry_point: EntryPoint, seed: int) -> str:
    """Call an entry point with one or two invalid arguments.

    Raises:
        Unnamed: they were refused without naming either of them.
    """
    draw = random.Random(seed)
    names = draw.sample(entry_point.arguments, min(len(entry_point.arguments), draw.choice([1, 1, 1, 2])))
    given = {name: script(draw) if name in entry_point.scripts else hostile(draw) for name in names}
    call = ", ".join(f"{name}={ascii(value)[:80]}" for name, value in given.items())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            entry_point.call(given)
        except entry_point.refusals as error:
            if not deliberate(error):
                raise RuntimeError(f"{call}: unintended error: {type(error).__name__}: {error}") from error
            if entry_point.names and not any(_names(str(error), name) for name in names):
                raise Unnamed(f"{call}: {type(error).__name__}: {error}") from error
            raise ValueError(f"{call}: {error}") from None
        except Exception as error:
            error.args = (f"{call}: {error}",)
            raise
    return call


def _names(message: str, argument: str) -> bool:
    """Whether a message names an argument. Those of transformers say "penalty" for `repetition_penalty`."""
    return argument in message or any(part in message for part in argument.split("_") if len(part) > 3)


def calls(entry_points: list[EntryPoint], inputs: list[tuple[str, int]]) -> Iterator[Named]:
    """One call per input."""
    by_name = {entry_point.name: entry_point for entry_point in entry_points}
    for name, seed in inputs:
        yield f"{name}:{seed}", _later(by_name[name], seed)


def _later(entry_point: EntryPoint, seed: int) -> Callable[[], str]:
    return lambda: tried(entry_point, seed)


def main() -> int:
    """Run the script; the exit status is 1 if a call was uncaught, unnamed, hung or killed."""
    options = parser(__doc__, 2000)
    given = options.parse_args()
    import_helpers()
    with tempfile.TemporaryDirectory(prefix="dia-fuzz-") as place:
        entry_points = entry_points_of(Path(place))
        return run(given, calls(entry_points, chosen(given, drawn(entry_points, given.count, given.seed))), REFUSALS)


if __name__ == "__main__":
    sys.exit(main())
