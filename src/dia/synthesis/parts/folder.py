"""The folder of a long script's finished parts: its path, its files, and their removal. Does not import torch."""

import json
import os
import re
from contextlib import suppress
from pathlib import Path
from typing import Any

from dia.runtime.files.atomic import sweep
from dia.runtime.files.locks import beside

PLAN = "speech.json"
_PART = re.compile(r"part-\d{5}(-\d+)*\.safetensors")


def parts_folder(output: str | Path) -> Path:
    """The folder for the finished parts of an audio file. If the file is a link, the folder is next to its target."""
    return beside(Path(os.path.realpath(output)), ".parts")


def finished_parts(folder: Path) -> int:
    """The number of finished parts in a folder."""
    return len(_parts_in(folder))


def remove_parts(folder: Path) -> None:
    """Remove the parts in a folder, and the folder itself if it is then empty. Does nothing if there are none."""
    sweep(folder)
    for path in (folder / PLAN, *_parts_in(folder)):  # the plan first: without it, remaining parts are ignored
        path.unlink(missing_ok=True)
    with suppress(OSError):
        folder.rmdir()


def seed_in(folder: Path) -> int | None:
    """The seed of the parts in a folder; None if there are none."""
    plan = plan_in(folder)
    return None if plan is None else int(plan["seed"])


def _parts_in(folder: Path) -> list[Path]:
    with suppress(FileNotFoundError, NotADirectoryError):
        return [folder / name for name in sorted(os.listdir(folder)) if _PART.fullmatch(name)]
    return []


def part_name(index: tuple[int, ...]) -> str:
    """The file name of a part, or of a part of a part."""
    number, *within = index
    return f"{'-'.join([f'part-{number:05d}', *map(str, within)])}.safetensors"


def plan_in(folder: Path) -> dict[str, Any] | None:
    """The plan of the parts in a folder; None if there is none.

    Raises:
        ValueError: there are parts, but their plan is damaged.
    """
    path = folder / PLAN
    if not path.is_file():
        return None
    try:
        plan: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        plan["seed"] = int(plan["seed"])
    except (KeyError, TypeError, ValueError) as error:
        if not finished_parts(folder):
            return None
        raise ValueError(f"{path} is damaged ({error!r}). Delete {folder} to start again.") from error
    return plan


__all__ = ["PLAN", "finished_parts", "part_name", "parts_folder", "plan_in", "remove_parts", "seed_in"]
