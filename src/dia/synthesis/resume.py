"""The folder in which the finished parts of a long speech wait, so that an interrupted one goes on where it stopped.

Knows takes, safetensors and the folder. Knows nothing of how a script is cut, nor of what becomes of the parts.
"""

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from dia.runtime.atomic import atomic_file
from dia.synthesis.synthesizer import Speech, Spoken
from dia.synthesis.take import Attempt, Care, Line, Take
from dia.synthesis.takes import made_take

_PLAN = "speech.json"
_SAMPLED = 64  # of every weight


class KeptParts:
    """A folder of finished parts: their codes and seeds, each in a file that is whole or not there.

    Args:
        folder: made if it is not there; its parents must exist.
        plan: what is spoken, and how: everything on which the parts depend, as JSON can write it. Where its seed is
            None, that of the parts which are there is taken over.
        speech: makes takes of codes again.
        care: as it was when the parts were made.

    Attributes:
        plan: the plan with its seed.

    Raises:
        ValueError: the folder holds parts of another plan; the message names what differs.
        OSError: it cannot be made, or written to.
    """

    def __init__(self, folder: str | Path, plan: Mapping[str, Any], speech: Speech, care: Care) -> None:
        self.folder, self._speech, self._care = Path(folder), speech, care
        self.plan = self._agreed(json.loads(json.dumps(plan)))
        self.folder.mkdir(exist_ok=True)
        with atomic_file(self.folder / _PLAN) as path:
            path.write_text(json.dumps(self.plan, indent=1), encoding="utf-8")

    @property
    def seed(self) -> int:
        """The first part's."""
        return int(self.plan["seed"])

    def kept(self, place: tuple[int, ...], line: Line) -> Take | None:
        """The take of a part, or None where it is still to be made, or was damaged."""
        try:
            with safe_open(self._path(place), framework="pt") as file:
                codes, told = file.get_tensor("codes").long(), json.loads(file.metadata()["take"])
            attempts = tuple(Attempt(one["seed"], tuple(one["faults"]), one["score"]) for one in told["attempts"])
            spoken, seed = Spoken(codes, told["ended"]), told["seed"]
        except (FileNotFoundError, SafetensorError, KeyError, TypeError, ValueError):
            return None
        return made_take(self._speech, line, spoken, seed, attempts, self._care)

    def keep(self, place: tuple[int, ...], take: Take) -> None:
        """Keep a take. Raises OSError, as for a full disk; the parts before stay."""
        told = {"seed": take.seed, "ended": take.ended, "attempts": [asdict(attempt) for attempt in take.attempts]}
        with atomic_file(self._path(place)) as path:
            path.write_bytes(save({"codes": take.codes.to(torch.int32)}, {"take": json.dumps(told)}))

    def remove(self) -> None:
        """Remove the folder and all parts in it."""
        shutil.rmtree(self.folder)

    def _path(self, place: tuple[int, ...]) -> Path:
        number, *within = place
        return self.folder / f"{'-'.join([f'part-{number:05d}', *map(str, within)])}.safetensors"

    def _agreed(self, plan: dict[str, Any]) -> dict[str, Any]:
        """The plan, and the seed of the one that is there; an error where that differs."""
        there = _plan_in(self.folder) or {}
        if plan["seed"] is None:
            plan["seed"] = there.get("seed", int(torch.randint(2**31, ())))
        differ = sorted(name for name in {*plan, *there} if plan.get(name) != there.get(name))
        if there and differ:
            raise ValueError(
                f"{self.folder} holds parts of another speech: {', '.join(differ)} differ. Remove it to begin anew, "
                "or ask for what was asked then."
            )
        return plan


def seed_in(folder: Path) -> int | None:
    """The seed of the speech whose parts are in a folder; None where there are none."""
    plan = _plan_in(folder)
    return None if plan is None else int(plan["seed"])


def _plan_in(folder: Path) -> dict[str, Any] | None:
    """The plan of the parts in a folder; None where there is none."""
    path = folder / _PLAN
    if not path.is_file():
        return None
    try:
        plan: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        plan["seed"] = int(plan["seed"])
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} is damaged ({error!r}); remove {folder} to begin anew.") from error
    return plan


def fingerprint(speech: Speech) -> str:
    """Tells models apart: a hash of a few numbers out of every weight."""
    told = hashlib.sha256()
    for name, weight in speech.model.state_dict().items():
        if isinstance(weight, torch.Tensor):
            told.update(f"{name} {tuple(weight.shape)}".encode())
            told.update(weight.flatten()[:: weight.numel() // _SAMPLED + 1].cpu().float().numpy().tobytes())
    return told.hexdigest()[:16]


__all__ = ["KeptParts", "fingerprint", "seed_in"]
