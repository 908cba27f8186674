"""How the package is laid out, and how far a text travels through it.

    python scripts/structure.py                         of this checkout
    python scripts/structure.py --source ../other/src   of another one, with this environment

Prints files per folder, the imports between folders and between files with the longest chain of them, and for
`Dia.generate` and `Dia.stream` of one short text with the embedded model: the calls of functions of the package that
are passed the text, or a list, tuple or dataclass that holds it, until the codec decodes; and in how many files.
"""

import argparse
import ast
import inspect
import json
import os
import subprocess
import sys
import threading
from collections import Counter
from dataclasses import fields, is_dataclass
from pathlib import Path
from types import FrameType
from typing import Any

WORD = "harbor"  # of the text, found in no message and no file
TEXT = f"[S1] The ships of the {WORD} are here. [S2] Good."
DEPTH = 3  # of lists and dataclasses that are looked into


def main() -> None:
    """Print the figures of a source folder."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--source", type=Path, default=Path(__file__).parents[1] / "src", help="holds `dia`")
    parser.add_argument("--traced", choices=("generate", "stream"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.traced:
        print(json.dumps(traced(arguments.source, arguments.traced)))
        return
    for line in layout(arguments.source / "dia"):
        print(line)
    for call in ("generate", "stream"):
        command = [sys.executable, __file__, "--source", str(arguments.source), "--traced", call]
        environment = {**os.environ, "PYTHONPATH": str(arguments.source), "PYTHONWARNINGS": "ignore"}
        done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
        found = json.loads(done.stdout.splitlines()[-1])
        print(f"Dia.{call}: {found['calls']} calls with the text in {found['files']} files")


def layout(package: Path) -> list[str]:
    """Lines about the files and imports of a package."""
    modules = {_name(path, package): path for path in sorted(package.rglob("*.py"))}
    sizes = Counter(path.parent.relative_to(package).as_posix() for path in modules.values())
    edges = {name: _imports(path, modules) - {name} for name, path in modules.items()}
    folder = {name: path.parent.relative_to(package).as_posix() for name, path in modules.items()}
    between = {(folder[name], folder[other]) for name in edges for other in edges[name]} - {
        (place, place) for place in sizes
    }
    crossing = sum(folder[name] != folder[other] for name in edges for other in edges[name])
    listed = ", ".join(f"{place} {size}" for place, size in sizes.items())
    return [
        f"{len(modules)} files in {len(sizes)} folders: {listed}",
        f"imports between files: {sum(map(len, edges.values()))}, of them {crossing} between folders",
        f"pairs of folders with imports: {len(between)}",
        f"longest chain of imports: {_depth(edges)} files",
    ]


def _name(path: Path, package: Path) -> str:
    parts = ("dia", *path.relative_to(package).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _imports(path: Path, modules: dict[str, Path]) -> set[str]:
    """Modules of the package that a file imports, anywhere in it."""
    found = set[str]()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            whole = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= whole & modules.keys() or {node.module}
    return found & modules.keys()


def _depth(edges: dict[str, set[str]]) -> int:
    """Files in the longest chain of imports; one that leads back to its beginning counts once."""
    known = dict[str, int]()

    def depth(name: str, above: frozenset[str]) -> int:
        if name not in known:
            below = [depth(other, above | {name}) for other in sorted(edges[name] - above)]
            known[name] = 1 + max(below, default=0)
        return known[name]

    return max(depth(name, frozenset()) for name in sorted(edges))


def traced(source: Path, call: str) -> dict[str, int]:
    """Calls that are passed the text between the facade and the codec, and their files."""
    from dia import MINI
    from dia.model import Dia

    speaker = Dia.from_pretrained(MINI, device="cpu")
    calls, files, generators, decoding = 0, set[str](), list[FrameType](), False

    def watch(frame: FrameType, event: str, _: Any) -> None:
        nonlocal calls, decoding
        code = frame.f_code
        if event != "call" or decoding or not code.co_filename.startswith(str(source.resolve() / "dia")):
            return
        if "codec" in code.co_filename and code.co_name == "decode":
            decoding = True
            return
        names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
        if code.co_flags & inspect.CO_GENERATOR:
            if any(frame is other for other in generators):  # it goes on
                return
            generators.append(frame)
        if any(_holds(frame.f_locals.get(name)) for name in names):
            calls += 1
            files.add(code.co_filename)

    threading.setprofile(watch)
    sys.setprofile(watch)
    try:
        made = getattr(speaker, call)(TEXT, seed=1)
        if call == "stream":
            next(iter(made))  # the codec has decoded it
    finally:
        sys.setprofile(None)
    return {"calls": calls, "files": len(files)}


def _holds(value: Any, depth: int = DEPTH) -> bool:
    if isinstance(value, str):
        return WORD in value
    if depth and isinstance(value, list | tuple):
        return any(_holds(item, depth - 1) for item in value[:4])
    if depth and is_dataclass(value) and not isinstance(value, type):
        return any(_holds(getattr(value, field.name, None), depth - 1) for field in fields(value))
    return False


if __name__ == "__main__":
    main()
