"""Hostile numbers, objects and scripts through everything public that takes them.

    python -m tests.fuzz.arguments --count 2000 --seed 0

A call answers, or refuses by the argument's name. The model is the tests' tiny one, with every door of the large.
"""

import random
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.fuzz.doors import Door, doors_of
from tests.fuzz.run import Named, chosen, import_helpers, parser, run
from tests.fuzz.sandbox import REFUSALS, Unnamed, deliberate
from tests.fuzz.values import hostile, script


def drawn(doors: list[Door], count: int, seed: int) -> list[tuple[str, int]]:
    """Names of `count` doors, the more arguments the oftener, and the seeds of what goes through."""
    draw = random.Random(seed)
    often = [1 + len(door.arguments) for door in doors]
    return [(door.name, draw.randrange(2**32)) for door in draw.choices(doors, often, k=count)]


def tried(door: Door, seed: int) -> str:
    """One or two hostile arguments through a door.

    Raises:
        Unnamed: they were refused, and neither of them is named.
    """
    draw = random.Random(seed)
    names = draw.sample(door.arguments, min(len(door.arguments), draw.choice([1, 1, 1, 2])))
    given = {name: script(draw) if name in door.scripts else hostile(draw) for name in names}
    told = ", ".join(f"{name}={ascii(value)[:80]}" for name, value in given.items())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            door.call(given)
        except door.refusals as error:
            if not deliberate(error):
                raise RuntimeError(f"{told}: stumbled: {type(error).__name__}: {error}") from error
            if door.names and not any(_names(str(error), name) for name in names):
                raise Unnamed(f"{told}: {type(error).__name__}: {error}") from error
            raise ValueError(f"{told}: {error}") from None
        except Exception as error:
            error.args = (f"{told}: {error}",)
            raise
    return told


def _names(message: str, argument: str) -> bool:
    """Whether a message names an argument; transformers' own say "penalty" for `repetition_penalty`."""
    return argument in message or any(part in message for part in argument.split("_") if len(part) > 3)


def calls(doors: list[Door], inputs: list[tuple[str, int]]) -> Iterator[Named]:
    """Every input as a call of its own."""
    by_name = {door.name: door for door in doors}
    for name, seed in inputs:
        yield f"{name}:{seed}", _later(by_name[name], seed)


def _later(door: Door, seed: int) -> Callable[[], str]:
    return lambda: tried(door, seed)


def main() -> int:
    """Run it; the exit status is 1 where anything was uncaught, unnamed, hung or killed."""
    options = parser(__doc__, 2000)
    given = options.parse_args()
    import_helpers()
    with tempfile.TemporaryDirectory(prefix="dia-fuzz-") as place:
        doors = doors_of(Path(place))
        return run(given, calls(doors, chosen(given, drawn(doors, given.count, given.seed))), REFUSALS)


if __name__ == "__main__":
    sys.exit(main())
