"""The folder in which the finished parts of a long speech wait, so that an interrupted one goes on where it stopped.

Knows takes, safetensors and the folder. Knows nothing of how a script is cut, nor of what becomes of the parts.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from dia.runtime.files.atomic import atomic_file
from dia.synthesis.parts.folder import PLAN, finished_parts, part_name, plan_in, remove_parts
from dia.synthesis.synthesizer import Spoken, Synthesizer
from dia.synthesis.takes.generation import made_take
from dia.synthesis.takes.take import Attempt, Line, Take, TakeOptions

_SAMPLED = 64  # of every weight
_SHOWN = 40  # characters of a value in a message
_NESTED = ("settings", "take_options")
_OPAQUE = ("model", "voice", "codec", "defaults")  # whose values mean nothing to a reader


class KeptParts:
    """A folder of finished parts: their codes and seeds, each in a file that is whole or not there.

    Args:
        folder: made if it is not there; its parents must exist.
        plan: what is spoken, and how: everything on which the parts depend, as JSON can write it. Where its seed is
            None, that of the parts which are there is taken over.
        synthesizer: makes takes of codes again.
        take_options: as it was when the parts were made.

    Attributes:
        plan: the plan with its seed.

    Raises:
        ValueError: the folder holds parts of another plan; the message names what differs.
        OSError: it cannot be made, or written to.
    """

    def __init__(
        self, folder: str | Path, plan: Mapping[str, Any], synthesizer: Synthesizer, take_options: TakeOptions
    ) -> None:
        self.folder, self._synthesizer, self._take_options = Path(folder), synthesizer, take_options
        self.folder.mkdir(exist_ok=True)
        self.plan = self._agreed(json.loads(json.dumps(plan)))
        self._mark = sha256(json.dumps(self.plan, sort_keys=True).encode()).hexdigest()[:16]
        with self._writing(PLAN) as path:
            path.write_text(json.dumps(self.plan, indent=1), encoding="utf-8")

    @property
    def seed(self) -> int:
        """The first part's."""
        return int(self.plan["seed"])

    def kept(self, place: tuple[int, ...], line: Line) -> Take | None:
        """The take of a part, or None where it is still to be made, was damaged, or belongs to another plan."""
        try:
            with safe_open(self.folder / part_name(place), framework="pt") as file:
                codes, about = file.get_tensor("codes").long(), json.loads(file.metadata()["take"])
            attempts = tuple(Attempt(one["seed"], tuple(one["faults"]), one["score"]) for one in about["attempts"])
            spoken, seed, mark = Spoken(codes, about["ended"]), about["seed"], about["plan"]
        except (OSError, SafetensorError, KeyError, TypeError, ValueError):
            return None
        return (
            made_take(self._synthesizer, line, spoken, seed, attempts, self._take_options)
            if mark == self._mark
            else None
        )

    def keep(self, place: tuple[int, ...], take: Take) -> None:
        """Keep a take. Raises OSError, as for a full disk; the parts before stay."""
        about = {"seed": take.seed, "ended": take.ended, "attempts": [asdict(attempt) for attempt in take.attempts]}
        content = save({"codes": take.codes.to(torch.int32)}, {"take": json.dumps({**about, "plan": self._mark})})
        with self._writing(part_name(place)) as path:
            path.write_bytes(content)

    def remove(self) -> None:
        """Remove the folder and all parts in it."""
        remove_parts(self.folder)

    @contextmanager
    def _writing(self, name: str) -> Iterator[Path]:
        try:
            with atomic_file(self.folder / name) as path:
                yield path
        except OSError as error:
            raise OSError(
                f"{self.folder / name} cannot be written: {error.strerror or error}. Make room there and ask for the "
                f"same speech again: it continues after the finished parts."
            ) from error

    def _agreed(self, plan: dict[str, Any]) -> dict[str, Any]:
        """The plan with a seed, that of the parts which are there if there are any; an error where that differs."""
        there = plan_in(self.folder)
        if plan["seed"] is None:
            plan["seed"] = int(torch.randint(2**31, ())) if there is None else there["seed"]
        begun = there is not None and finished_parts(self.folder) > 0
        differ = _differences(there, plan) if there is not None and begun else []
        if differ:
            raise ValueError(
                f"{self.folder} holds finished parts of another speech: "
                f"{'; '.join(differ)}. Ask for the same speech as then to continue it, choose another output, or "
                f"delete this folder to begin anew."
            )
        if not begun:  # parts without a plan are of a speech whose parts were being removed
            remove_parts(self.folder)
            self.folder.mkdir(exist_ok=True)
        return plan


def _differences(there: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What differs between two plans, with both values where they mean something to a reader."""
    before, after = _flat(there), _flat(now)
    names = sorted(name for name in {*before, *after} if before.get(name) != after.get(name))
    return [
        f"another {name}"
        if name in _OPAQUE
        else f"{name} was {_shown_value(before, after, name)}, now {_shown_value(after, before, name)}"
        for name in names
    ]


def _flat(plan: Mapping[str, Any]) -> dict[str, Any]:
    """A plan with its settings and its care as values of their own."""
    nested = {name: value for group in _NESTED for name, value in (plan.get(group) or {}).items()}
    return {name: value for name, value in plan.items() if name not in _NESTED} | nested


def _shown_value(own: Mapping[str, Any], other: Mapping[str, Any], name: str) -> str:
    """A value as a message shows it; of long texts the place where they differ."""
    value, against = own.get(name), other.get(name)
    if not isinstance(value, str) or not isinstance(against, str):
        return "unset" if value is None else repr(value)
    same = next((i for i, pair in enumerate(zip(value, against, strict=False)) if pair[0] != pair[1]), len(against))
    start = max(0, min(same, len(value)) - _SHOWN // 2)
    text = value[start : start + _SHOWN]
    return repr(f"{'…' if start else ''}{text}{'…' if len(value) > start + _SHOWN else ''}")


def fingerprint(synthesizer: Synthesizer) -> str:
    """Tells models apart: a hash of a few numbers out of every weight."""
    digest = sha256()
    for name, weight in synthesizer.model.state_dict().items():
        if isinstance(weight, torch.Tensor):
            digest.update(f"{name} {tuple(weight.shape)}".encode())
            digest.update(weight.flatten()[:: weight.numel() // _SAMPLED + 1].cpu().float().numpy().tobytes())
    return digest.hexdigest()[:16]


__all__ = ["KeptParts", "fingerprint"]
