"""Mutations that damage a copy of a checkpoint folder, as failed downloads, disks, editors and attackers do.

A mutation is a function of the folder and a random number generator. Its name and seed reproduce it.
"""

import codecs
import gzip
import json
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.fuzz.values import hostile
from tests.fuzz.weights import tensors

Mutation = Callable[[Path, random.Random], str]  # returns a description

POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize 19480864\n"
# Settings that the files do not have, but that some code reads.
ADDED = [
    *("num_labels", "id2label", "dtype", "torch_dtype", "quantization_config", "attn_implementation", "auto_map"),
    *(
        "model_type",
        "to_dict",
        "validate",
        "__class__",
        "rope_scaling",
        "rope_theta",
        "per_layer_config",
        "layer_types",
    ),
    *(
        "tie_word_embeddings",
        "output_attentions",
        "return_dict",
        "transformers_version",
        "num_beams",
        "max_new_tokens",
    ),
    *("num_return_sequences", "return_dict_in_generate", "cache_implementation", "compile_config", "max_time"),
    *("repetition_penalty", "bad_words_ids", "suppress_tokens", "watermarking_config", "stop_strings", "min_length"),
    *("typical_p", "min_p", "use_cache", "num_hidden_layers", "audio_tokenizer", "tokenizer_class", "chat_template"),
    *("additional_special_tokens", "added_tokens_decoder", "padding_side", "model_max_length", "truncation_side"),
    *(
        "sampling_rate",
        "hop_length",
        "feature_size",
        "max_seconds",
        "padding_value",
        "feature_extractor_type",
        "offset",
    ),
]


def of_kind(folder: Path, draw: random.Random, *suffixes: str) -> Path:
    """A random file with one of the suffixes in the folder or its subfolders."""
    return draw.choice(sorted(file for file in folder.rglob("*") if file.suffix in suffixes and file.is_file()))


def any_file(folder: Path, draw: random.Random) -> Path:
    return of_kind(folder, draw, ".json", ".safetensors", ".gz", ".pth", ".bin")


def replaced(file: Path, content: bytes) -> None:
    """Replace a file, which may be a hard link to the original."""
    file.unlink()
    file.write_bytes(content)


# Values in JSON


def value(folder: Path, draw: random.Random) -> str:
    """Change the value of a setting."""

    def change(holder: Any, key: Any) -> Any:
        holder[key] = hostile(draw)
        return holder[key]

    return _edited(folder, draw, "value", change)


def deleted(folder: Path, draw: random.Random) -> str:
    """Delete a setting."""
    return _edited(folder, draw, "deleted", lambda holder, key: holder.pop(key))


def renamed(folder: Path, draw: random.Random) -> str:
    """Rename a setting."""

    def change(holder: Any, key: Any) -> Any:
        if isinstance(holder, dict):
            holder[f"{key}_"] = holder.pop(key)

    return _edited(folder, draw, "renamed", change)


def added(folder: Path, draw: random.Random) -> str:
    """Add a setting."""

    def change(holder: Any, key: Any) -> Any:
        if isinstance(holder, dict):
            key, new = draw.choice(ADDED), hostile(draw)
            holder[key] = new
            return key, new
        holder.append(hostile(draw))
        return holder[-1]

    return _edited(folder, draw, "added", change)


def twice(folder: Path, draw: random.Random) -> str:
    """Duplicate a setting, with another value."""
    file = of_kind(folder, draw, ".json")
    text = file.read_text(encoding="utf-8")
    key = draw.choice(list(json.loads(text)))
    replaced(file, text.rstrip().rstrip("}").encode() + f', "{key}": {json.dumps(hostile(draw))}}}'.encode())
    return f"twice {file.name} {key}"


def _edited(folder: Path, draw: random.Random, what: str, change: Callable[[Any, Any], Any]) -> str:
    file = of_kind(folder, draw, ".json")
    data = json.loads(file.read_text(encoding="utf-8"))
    places = list(_places(data, ()))
    path = draw.choice(places[:400])
    holder = data
    for key in path[:-1]:
        holder = holder[key]
    changed = change(holder, path[-1])
    replaced(file, json.dumps(data).encode("utf-8", "surrogatepass"))
    return f"{what} {file.relative_to(folder)} {'.'.join(map(str, path))} {str(changed)[:60]}"


def _places(data: Any, path: tuple[Any, ...]) -> Any:
    keys = data if isinstance(data, dict) else range(len(data)) if isinstance(data, list) else ()
    for key in keys:
        yield (*path, key)
        yield from _places(data[key], (*path, key))


# Whole files of JSON


def whole_json(folder: Path, draw: random.Random) -> str:
    """Replace a JSON file with other content."""
    file = of_kind(folder, draw, ".json")
    whole = file.read_bytes()
    forms = {
        "list": b"[]",
        "list of it": b"[" + whole + b"]",
        "number": b"5",
        "string": b'"config"',
        "null": b"null",
        "empty object": b"{}",
        "huge number": b'{"hidden_size": ' + b"9" * 5000 + b"}",
        "deep list": b"[" * 100_000 + b"]" * 100_000,
        "deep object": b'{"a":' * 5000 + b"1" + b"}" * 5000,
        "long": whole.rstrip()[:-1] + b"," + b" " * 30_000_000 + b'"x": 1}',
        "many keys": b"{" + b",".join(b'"k%d": 1' % number for number in range(300_000)) + b"}",
        "byte order mark": codecs.BOM_UTF8 + whole,
        "UTF-16": whole.decode().encode("utf-16"),
        "Latin-1": whole.rstrip()[:-1] + ', "é": 1}'.encode("latin-1"),
        "comment": b"// mine\n" + whole,
        "trailing comma": whole.rstrip()[:-1] + b",}",
        "two objects": whole + whole,
        "HTML": b"<!DOCTYPE html><title>404</title>",
        "NUL": whole + b"\0",
    }
    form = draw.choice(sorted(forms))
    replaced(file, forms[form])
    return f"json {file.relative_to(folder)} {form}"


# Whole files of any kind


def missing(folder: Path, draw: random.Random) -> str:
    """Delete a file."""
    file = any_file(folder, draw)
    file.unlink()
    return f"missing {file.relative_to(folder)}"


def truncated(folder: Path, draw: random.Random) -> str:
    """Truncate a file."""
    file = any_file(folder, draw)
    whole = file.read_bytes()
    kept = draw.choice([0, 1, 7, 8, 9, 100, len(whole) // 2, len(whole) - 1, draw.randrange(len(whole))])
    replaced(file, whole[:kept])
    return f"truncated {file.relative_to(folder)} {kept}"


def flipped(folder: Path, draw: random.Random) -> str:
    """Change bytes, mostly near the beginning."""
    file = any_file(folder, draw)
    whole = bytearray(file.read_bytes())
    for _ in range(draw.choice([1, 1, 10])):
        whole[draw.randrange(draw.choice([8, min(200, len(whole)), len(whole)]))] = draw.randrange(256)
    replaced(file, bytes(whole))
    return f"flipped {file.relative_to(folder)}"


def garbage(folder: Path, draw: random.Random) -> str:
    """Replace a file with random bytes, or append random bytes."""
    file = any_file(folder, draw)
    noise = draw.randbytes(draw.choice([1, 100, 5000]))
    behind = draw.random() < 0.3
    replaced(file, (file.read_bytes() if behind else b"") + noise)
    return f"{'appended' if behind else 'garbage'} {file.relative_to(folder)}"


def pointer(folder: Path, draw: random.Random) -> str:
    """Replace a file with a Git LFS pointer."""
    file = any_file(folder, draw)
    replaced(file, POINTER.format("0" * 64).encode())
    return f"pointer {file.relative_to(folder)}"


def no_file(folder: Path, draw: random.Random) -> str:
    """Replace a file with something that is not a regular file."""
    file = any_file(folder, draw)
    content = file.read_bytes()
    file.unlink()
    kinds: dict[str, Callable[[], Any]] = {
        "folder": file.mkdir,
        "full folder": lambda: (file.mkdir(), (file / file.name).write_bytes(content)),
        "pipe": lambda: os.mkfifo(file),
        "dangling link": lambda: file.symlink_to("/nowhere/at/all"),
        "link to itself": lambda: file.symlink_to(file.name),
        "link to endless zeros": lambda: file.symlink_to("/dev/zero"),
        "link to nothing": lambda: file.symlink_to("/dev/null"),
        "link to a folder": lambda: file.symlink_to("/usr"),
        "other's file": lambda: file.symlink_to("/etc/hostname"),
        "unreadable": lambda: (file.write_bytes(content), file.chmod(0)),
    }
    kind = draw.choice(sorted(kinds))
    kinds[kind]()
    return f"no file {file.relative_to(folder)} {kind}"


def swapped(folder: Path, draw: random.Random) -> str:
    """Swap two files."""
    one, other = any_file(folder, draw), any_file(folder, draw)
    contents = one.read_bytes(), other.read_bytes()
    replaced(one, contents[1])
    if other != one:
        replaced(other, contents[0])
    return f"swapped {one.relative_to(folder)} {other.relative_to(folder)}"


def codec_folder(folder: Path, draw: random.Random) -> str:
    """Remove the codec's folder, or replace it with an empty folder, a file, or the model's folder."""
    inside = folder / "audio_tokenizer"
    kind = draw.choice(["missing", "empty", "file", "the model"])
    shutil.rmtree(inside)
    if kind == "empty":
        inside.mkdir()
    elif kind == "file":
        inside.write_bytes(b"x")
    elif kind == "the model":
        inside.symlink_to(".")
    return f"codec {kind}"


def more_files(folder: Path, draw: random.Random) -> str:
    """Add a file that some code reads."""
    files: dict[str, bytes] = {
        "model.safetensors.index.json": json.dumps(_index(draw)).encode(),
        "adapter_config.json": json.dumps({"peft_type": hostile(draw)}, default=str).encode("utf-8", "replace"),
        "audio_tokenizer_config.json": json.dumps(
            {"audio_tokenizer_class": draw.choice(["DacModel", "X", 3]), "audio_tokenizer_name_or_path": "nowhere"}
        ).encode(),
        "special_tokens_map.json": b'{"pad_token": 5}',
        "added_tokens.json": b'{"x": -1}',
        "chat_template.jinja": b"{% for %}",
        "pytorch_model.bin": b"no pickle",
        "dia-v0_1.pth": b"no pickle",
        "other.safetensors": b"no weights",
    }
    name = draw.choice(sorted(files))
    if name.endswith("index.json") and draw.random() < 0.7:
        (folder / "model.safetensors").unlink()
    (folder / name).write_bytes(files[name])
    return f"more {name}"


def _index(draw: random.Random) -> Any:
    file = draw.choice(
        ["nowhere.safetensors", "../model.safetensors", "/etc/passwd", "", 5, None, ["x"], "config.json"]
    )
    maps = [{"logits_dense.weight": file}, {}, [], None, "x", hostile(draw)]
    return draw.choice(
        [{"metadata": {}, "weight_map": draw.choice(maps[:1] * 3 + maps)}, [], 5, {}, {"weight_map": 1}]
    )


# Pronunciations


def pronunciations(folder: Path, draw: random.Random) -> str:
    """Replace the dictionary with invalid content, or with a gzip bomb."""
    file = of_kind(folder, draw, ".gz")
    lines = gzip.decompress(file.read_bytes()).decode().split("\n")
    texts: dict[str, Callable[[], bytes]] = {
        "bomb": lambda: b"\0" * 2_000_000_000,
        "bomb of lines": lambda: b"a b\nc\n" + b"x y\n" * 60_000_000,
        "empty lines": lambda: b"a\nb" + b"\n" * 50_000_000,
        "empty": lambda: b"",
        "one line": lambda: lines[0].encode(),
        "no words": lambda: "\n".join(lines[:2]).encode(),
        "no blanks": lambda: "\n".join([*lines[:2], "word"]).encode(),
        "other phones": lambda: "\n".join([lines[0][:20], *lines[1:]]).encode(),
        "too many phones": lambda: "\n".join([" ".join(f"p{number}" for number in range(400)), *lines[1:]]).encode(),
        "fewer words": lambda: "\n".join(lines[:500]).encode(),
        "not UTF-8": lambda: b"\xff\xfe" + lines[0].encode(),
        "NUL": lambda: "\n".join([*lines[:2], "\0 \0"]).encode(),
    }
    kind = draw.choice(sorted(texts))
    replaced(file, gzip.compress(texts[kind](), 1))
    return f"pronunciations {kind}"


MUTATIONS: dict[str, tuple[Mutation, int]] = {  # with their weights
    "value": (value, 30),
    "deleted": (deleted, 8),
    "renamed": (renamed, 4),
    "added": (added, 14),
    "twice": (twice, 2),
    "whole_json": (whole_json, 12),
    "missing": (missing, 3),
    "truncated": (truncated, 6),
    "flipped": (flipped, 6),
    "garbage": (garbage, 3),
    "pointer": (pointer, 3),
    "no_file": (no_file, 8),
    "swapped": (swapped, 2),
    "codec_folder": (codec_folder, 1),
    "more_files": (more_files, 5),
    "pronunciations": (pronunciations, 4),
    "tensors": (tensors, 14),
}


def drawn(count: int, seed: int) -> list[tuple[str, int]]:
    """Draw the names and seeds of `count` mutations, reproducible by `seed`."""
    draw = random.Random(seed)
    names, weights = list(MUTATIONS), [weight for _, weight in MUTATIONS.values()]
    return [(name, draw.randrange(2**32)) for name in draw.choices(names, weights, k=count)]


def mutate(source: Path, folder: Path, name: str, seed: int) -> str:
    """Copy `source` to `folder` with hard links and apply one mutation. Returns its description."""
    shutil.copytree(source, folder, copy_function=os.link)
    return MUTATIONS[name][0](folder, random.Random(seed))


__all__ = ["MUTATIONS", "drawn", "mutate"]
