"""Loads mutated checkpoint folders with `Dia.from_pretrained`, and generates a few frames of speech.

    python -m tests.fuzz.folders --count 300 --seed 0

Prints a table of counts, and every mutation that fails without naming a file, with the seed to reproduce it:
`--only value:1234567`.
"""

import shutil
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.fuzz.mutations import drawn, mutate
from tests.fuzz.run import Named, chosen, import_helpers, parser, run
from tests.fuzz.sandbox import Unnamed, deliberate

REFUSALS = (ValueError, OSError)


def load_and_speak(folder: Path) -> str:
    """Load a folder and generate a few words; returns a description of the audio."""
    from dia.model import Dia

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dia = Dia.from_pretrained(folder, device="cpu")
        rows = max(dia.model.config.delay_pattern) + 12
        try:
            sound = dia.generate("[S1] Hello there.", max_tokens=rows, seed=0)
        except ValueError as error:
            if not str(error).startswith("text"):
                raise
            return f"no text: {error}"  # a tokenizer's limit can be lower than its model's
    return f"{len(sound)} samples, {float(abs(sound).sum()):.4f}"


def named(folder: Path, message: str) -> bool:
    """Whether a message names a file in the folder or in a subfolder."""
    names = {"config.json", "model.safetensors", "audio_tokenizer", "pronunciations.txt.gz", "processor_config.json"}
    names |= {entry.name for entry in folder.rglob("*")}
    return any(name in message for name in names)


def tried(source: Path, folder: Path, name: str, seed: int) -> str:
    """Mutate a folder, load it and generate speech.

    Raises:
        ValueError: the folder was refused with the name of a file.
        Unnamed: the folder was refused without the name of a file.
    """
    mutation = mutate(source, folder, name, seed)
    try:
        return f"{mutation}: {load_and_speak(folder)}"
    except REFUSALS as error:
        if not deliberate(error):
            raise RuntimeError(f"{mutation}: unintended error: {type(error).__name__}: {error}") from error
        kind = ValueError if named(folder, str(error)) else Unnamed
        raise kind(f"{mutation}: {type(error).__name__}: {error}") from None
    except Exception as error:
        error.args = (f"{mutation}: {error}",)
        raise
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def calls(source: Path, place: Path, inputs: list[tuple[str, int]]) -> Iterator[Named]:
    """One call per mutation, each with its own folder."""
    for number, (name, seed) in enumerate(inputs):
        folder = place / f"{name}-{seed}-{number}"
        yield f"{name}:{seed}", _later(source, folder, name, seed)


def _later(source: Path, folder: Path, name: str, seed: int) -> Callable[[], str]:
    return lambda: tried(source, folder, name, seed)


def main() -> int:
    """Run the script; the exit status is 1 if a call was uncaught, unnamed, hung or killed."""
    options = parser(__doc__, 300)
    options.add_argument("--folder", type=Path, help="folder to mutate; by default the embedded model")
    options.add_argument("--place", type=Path, help="folder for copies; on the same disk they are hard links")
    given = options.parse_args()
    import_helpers()
    from dia import MINI

    source = given.folder or MINI
    load_and_speak(source)  # imports everything before forking
    with tempfile.TemporaryDirectory(prefix="dia-fuzz-", dir=given.place) as place:
        return run(given, calls(source, Path(place), chosen(given, drawn(given.count, given.seed))), REFUSALS)


if __name__ == "__main__":
    sys.exit(main())
