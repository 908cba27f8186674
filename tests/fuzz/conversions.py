"""Reads mutated native checkpoints, native codecs and voices.

    python -m tests.fuzz.conversions --count 500 --seed 0

Readable files must be converted, others refused with the file's name, and no code may be executed.
"""

import random
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.fuzz import mutations
from tests.fuzz.mutations import Mutation
from tests.fuzz.run import Named, chosen, import_helpers, parser, run
from tests.fuzz.sandbox import Unnamed, deliberate
from tests.fuzz.values import hostile

REFUSALS = (ValueError, OSError)
SOURCES = ("safetensors", "sharded", "pth", "bin", "second", "codec", "voice")


class Trap:
    """An object whose pickle runs code when it is loaded. The code creates a file."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> Any:
        return Path.touch, (self.file,)


def pickled(folder: Path, draw: random.Random) -> str:
    """Replace a pickled state dict or one of its tensors with another object."""
    import torch

    file = mutations.of_kind(folder, draw, ".pth", ".bin")
    held = torch.load(file, weights_only=True)
    weights = held.get("state_dict", held)
    name = draw.choice(sorted(weights))
    kind = draw.choice(sorted(_KINDS))
    new = _KINDS[kind](weights[name], folder)
    if kind.startswith("file of"):
        held = new
    elif new is None:
        del weights[name]
    else:
        weights[name] = new
    file.unlink()
    torch.save(held, file, _use_new_zipfile_serialization=draw.random() < 0.8)
    return f"pickled {file.name} {name} {kind}"


def metadata(folder: Path, draw: random.Random) -> str:
    """Change the metadata of a codec."""
    import torch

    file = mutations.of_kind(folder, draw, ".pth")
    held = torch.load(file, weights_only=True)
    kwargs = held["metadata"]["kwargs"]
    key, new = draw.choice(sorted(kwargs)), hostile(draw)
    places = [
        lambda: kwargs.update({key: new}),
        lambda: held["metadata"].update(kwargs=new),
        lambda: held.update(metadata=new),
    ]
    draw.choice(places[:1] * 8 + places)()
    file.unlink()
    torch.save(held, file)
    return f"metadata {key} {str(new)[:60]}"


def packed(folder: Path, draw: random.Random) -> str:
    """Replace entries of a zip archive, or make it a zip bomb."""
    file = mutations.of_kind(folder, draw, ".pth", ".bin")
    with zipfile.ZipFile(file) as archive:
        entries = {entry.filename: archive.read(entry) for entry in archive.infolist()}
    at = next(name for name in entries if name.endswith("data/0"))
    kind = draw.choice(["bomb", "compressed", "no pickle", "other pickle", "short"])
    if kind == "bomb":
        entries[at] = bytes(400_000_000)
    elif kind == "short":
        entries[at] = entries[at][:3]
    elif kind != "compressed":
        pickle = next(name for name in entries if name.endswith("data.pkl"))
        entries[pickle] = b"" if kind == "no pickle" else draw.randbytes(200)
    file.unlink()
    form = zipfile.ZIP_DEFLATED if kind in ("bomb", "compressed") else zipfile.ZIP_STORED
    with zipfile.ZipFile(file, "w", form) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return f"packed {file.name} {kind}"


def text_inside(folder: Path, draw: random.Random) -> str:
    """Change the metadata in the header of a safetensors file, where a voice stores its transcript."""
    from safetensors.torch import load_file, save_file

    file = mutations.of_kind(folder, draw, ".safetensors")
    changed = {
        name: draw.choice(["", "x", "[]", "{}", "null", "5", "[" * 50_000, '{"weights": 1}'])
        for name in _VOICE_METADATA
    }
    dropped = draw.choice(_VOICE_METADATA)
    del changed[dropped]
    tensors = load_file(file)
    file.unlink()
    save_file(tensors, file, changed)
    return f"text {file.name} {changed}"[:150]


_VOICE_METADATA = ("kind", "transcript", "consent", "codec", "warnings")
_KINDS: dict[str, Callable[[Any, Path], Any]] = {
    "missing": lambda tensor, folder: None,
    "int": lambda tensor, folder: tensor.long(),
    "bool": lambda tensor, folder: tensor > 0,
    "complex": lambda tensor, folder: tensor.to(dtype=_torch().complex64),
    "sparse": lambda tensor, folder: tensor.to_sparse(),
    "meta": lambda tensor, folder: tensor.to("meta"),
    "quantized": lambda tensor, folder: _torch().quantize_per_tensor(tensor.float(), 0.1, 0, _torch().qint8),
    "expanded": lambda tensor, folder: tensor.flatten()[:1].expand(10**6, 10**6),
    "expanded alike": lambda tensor, folder: tensor.flatten()[:1].expand(tensor.shape),
    "transposed": lambda tensor, folder: tensor.flatten().flip(0).reshape(tensor.shape[::-1]),
    "flat": lambda tensor, folder: tensor.flatten(),
    "empty": lambda tensor, folder: tensor[:0],
    "NaN": lambda tensor, folder: tensor * float("nan"),
    "zeros": lambda tensor, folder: tensor * 0,
    "infinite": lambda tensor, folder: tensor / 0,
    "number": lambda tensor, folder: 5,
    "list": lambda tensor, folder: tensor.tolist(),
    "trap": lambda tensor, folder: Trap(folder / "sprung"),
    "double": lambda tensor, folder: tensor.double(),
    "file of a list": lambda tensor, folder: [tensor],
    "file of a tensor": lambda tensor, folder: tensor,
    "file of a number": lambda tensor, folder: 5,
    "file of a trap": lambda tensor, folder: Trap(folder / "sprung"),
    "file of dicts": lambda tensor, folder: {"state_dict": {"x": {}}, "metadata": {"kwargs": []}},
    "file of numbers": lambda tensor, folder: {5: tensor, None: tensor},
}
_COMMON: list[Mutation] = [
    *(
        mutations.truncated,
        mutations.flipped,
        mutations.garbage,
        mutations.pointer,
        mutations.no_file,
        mutations.missing,
    ),
    *(mutations.flipped, mutations.truncated),
]
_JSON: list[Mutation] = [mutations.value] * 6 + [
    mutations.deleted,
    mutations.renamed,
    mutations.whole_json,
    mutations.added,
]
_PICKLE: list[Mutation] = [pickled] * 10 + [packed] * 2
MUTATIONS: dict[str, list[Mutation]] = {
    "safetensors": [*_COMMON, *_JSON, *[mutations.tensors] * 6],
    "sharded": [*_COMMON, *_JSON, *[mutations.tensors] * 3],
    "second": [*_COMMON, *_JSON],
    "pth": [*_COMMON, *_JSON, *_PICKLE],
    "bin": [*_COMMON, *_JSON, *_PICKLE],
    "codec": [*_COMMON, *_PICKLE, *[metadata] * 10],
    "voice": [*_COMMON, *[mutations.tensors] * 4, *[text_inside] * 4],
}


def write_sources(place: Path) -> None:
    """Write one folder of each kind."""
    import native_checkpoints as checkpoints
    import native_codecs as codecs

    from dia import MINI
    from dia.checkpoints.native import checkpoint as native

    first, second = checkpoints.first_generation(), checkpoints.second_generation()
    (place / "config.json").write_text(checkpoints.json.dumps(first))
    config = native.read_config(place / "config.json")
    weights = checkpoints.to_native(checkpoints.tiny_model(config).state_dict(), config)
    for form in ("safetensors", "sharded", "pth", "bin"):
        checkpoints.write(place / form, first, weights, form)
    checkpoints.write(place / "second", second, weights)
    (place / "codec").mkdir()
    codecs.write(place / "codec" / "weights.pth", codecs.to_native(codecs.tiny_codec()))
    (place / "voice").mkdir()
    shutil.copy(MINI / "voices" / "clara.safetensors", place / "voice" / "clara.safetensors")


def read(folder: Path, source: str) -> str:
    """Read a folder with the converter, or the loader of native checkpoints or of voices."""
    from dia.checkpoints.native import checkpoint as native
    from dia.checkpoints.native import dac as native_dac
    from dia.modeling_dia import DiaForConditionalGeneration
    from dia.voices.voice import Voice

    if source == "codec":
        return f"{len(native_dac.read(folder / 'weights.pth')[1])} tensors"
    if source == "voice":
        return f"{Voice.load(folder / 'clara.safetensors').seconds} s"
    checkpoint = native.find(folder, prefer_native=True)
    if checkpoint is not None:
        checkpoint.state_dict()
    return f"{DiaForConditionalGeneration.from_pretrained(folder).num_parameters()} weights"


def tried(source: Path, folder: Path, seed: int) -> str:
    """Mutate a folder and read it.

    Raises:
        ValueError: it was refused with the name of a file.
        Unnamed: it was refused without the name of a file.
        RuntimeError: code in a pickle was executed, or the error was unintended.
    """
    draw = random.Random(seed)
    shutil.copytree(source, folder)
    mutation = draw.choice(MUTATIONS[source.name])(folder, draw)
    try:
        answer = read(folder, source.name)
    except REFUSALS as error:
        if not deliberate(error):
            raise RuntimeError(f"{mutation}: unintended error: {type(error).__name__}: {error}") from error
        named = any(file.name in str(error) for file in [*folder.rglob("*"), *source.rglob("*")])
        raise (ValueError if named else Unnamed)(f"{mutation}: {type(error).__name__}: {error}") from None
    except Exception as error:
        error.args = (f"{mutation}: {error}",)
        raise
    finally:
        sprung = (folder / "sprung").exists()
        shutil.rmtree(folder, ignore_errors=True)
        if sprung:
            raise RuntimeError(f"{mutation}: code in a pickle was executed")
    return f"{mutation}: {answer}"


def drawn(count: int, seed: int) -> list[tuple[str, int]]:
    """Draw the names of `count` sources and the seeds of their mutations."""
    draw = random.Random(seed)
    return [(draw.choice(SOURCES), draw.randrange(2**32)) for _ in range(count)]


def calls(sources: Path, place: Path, inputs: list[tuple[str, int]]) -> Iterator[Named]:
    """One call per mutation, each with its own folder."""
    for number, (name, seed) in enumerate(inputs):
        yield f"{name}:{seed}", _later(sources / name, place / f"{name}-{seed}-{number}", seed)


def _later(source: Path, folder: Path, seed: int) -> Callable[[], str]:
    return lambda: tried(source, folder, seed)


def _torch() -> Any:
    import torch

    return torch


def main() -> int:
    """Run the script; the exit status is 1 if a call was uncaught, unnamed, hung or killed."""
    given = parser(__doc__, 500).parse_args()
    import_helpers()
    with tempfile.TemporaryDirectory(prefix="dia-fuzz-") as place:
        sources = Path(place) / "sources"
        sources.mkdir()
        write_sources(sources)
        for name in SOURCES:
            read(sources / name, name)
        inputs = chosen(given, drawn(given.count, given.seed))
        return run(given, calls(sources, Path(place), inputs), REFUSALS)


if __name__ == "__main__":
    sys.exit(main())
