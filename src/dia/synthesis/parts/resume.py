"""Store the finished parts of a long script in a folder, so that an interrupted run can resume.

Independent of how a script is split and how its parts are joined.
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
from dia.synthesis.synthesizer import PassResult, Synthesizer
from dia.synthesis.takes.generation import restore_take
from dia.synthesis.takes.take import Attempt, Line, Take, TakeOptions

_SAMPLES = 64  # of every weight
_EXCERPT_LENGTH = 40  # characters of a value in a message
_NESTED = ("settings", "take_options")
_OPAQUE = ("model", "voice", "codec", "defaults", "timing")  # values that are hashes or too long for a message


class FolderPartStore:
    """A folder of finished parts: their codes and seeds, each in a file that is written completely or not at all.

    Args:
        folder: created if needed; its parent must exist.
        plan: everything that determines the parts, as JSON-serializable values. If its seed is None, the seed of the
            stored parts is used.
        synthesizer: decodes stored codes.
        take_options: the options that the parts were generated with.

    Attributes:
        plan: the plan, including its seed.

    Raises:
        ValueError: the folder holds parts of another plan; the message lists the differences.
        OSError: the folder cannot be created or written to.
    """

    def __init__(
        self, folder: str | Path, plan: Mapping[str, Any], synthesizer: Synthesizer, take_options: TakeOptions
    ) -> None:
        self.folder, self._synthesizer, self._take_options = Path(folder), synthesizer, take_options
        self.folder.mkdir(exist_ok=True)
        self.plan = self._checked_plan(json.loads(json.dumps(plan)))
        self._plan_hash = sha256(json.dumps(self.plan, sort_keys=True).encode()).hexdigest()[:16]
        with self._atomic_file(PLAN) as path:
            path.write_text(json.dumps(self.plan, indent=1), encoding="utf-8")

    @property
    def seed(self) -> int:
        """The seed of the first part."""
        return int(self.plan["seed"])

    def load(self, index: tuple[int, ...], line: Line) -> Take | None:
        """The take of a part, or None if it is missing, damaged, or from another plan."""
        try:
            with safe_open(self.folder / part_name(index), framework="pt") as file:
                codes, about = file.get_tensor("codes").long(), json.loads(file.metadata()["take"])
            attempts = tuple(Attempt(one["seed"], tuple(one["faults"]), one["score"]) for one in about["attempts"])
            result, seed, plan_hash = PassResult(codes, about["ended"]), about["seed"], about["plan"]
        except (OSError, SafetensorError, KeyError, TypeError, ValueError):
            return None
        if plan_hash != self._plan_hash:
            return None
        return restore_take(self._synthesizer, line, result, seed, attempts, self._take_options)

    def save(self, index: tuple[int, ...], take: Take) -> None:
        """Store a take.

        Raises:
            OSError: the file cannot be written, for example on a full disk; earlier parts are preserved.
        """
        about = {"seed": take.seed, "ended": take.ended, "attempts": [asdict(attempt) for attempt in take.attempts]}
        content = save({"codes": take.codes.to(torch.int32)}, {"take": json.dumps({**about, "plan": self._plan_hash})})
        with self._atomic_file(part_name(index)) as path:
            path.write_bytes(content)

    def remove(self) -> None:
        """Remove all parts, and the folder if it is then empty."""
        remove_parts(self.folder)

    @contextmanager
    def _atomic_file(self, name: str) -> Iterator[Path]:
        try:
            with atomic_file(self.folder / name) as path:
                yield path
        except OSError as error:
            raise OSError(
                f"{self.folder / name} cannot be written: {error.strerror or error}. Free some disk space and repeat "
                f"the same request: it resumes after the finished parts."
            ) from error

    def _checked_plan(self, plan: dict[str, Any]) -> dict[str, Any]:
        """The plan with its seed, by default that of the stored parts; an error if those are of another plan."""
        stored = plan_in(self.folder)
        if plan["seed"] is None:
            plan["seed"] = int(torch.randint(2**31, ())) if stored is None else stored["seed"]
        has_parts = stored is not None and finished_parts(self.folder) > 0
        differences = _differences(stored, plan) if stored is not None and has_parts else []
        if differences:
            raise ValueError(
                f"{self.folder} contains finished parts of another request: {'; '.join(differences)}. Repeat the "
                f"earlier request to resume it, choose another output, or delete this folder to start again."
            )
        if not has_parts:  # parts without a plan are left over from an interrupted removal
            remove_parts(self.folder)
            self.folder.mkdir(exist_ok=True)
        return plan


def _differences(stored: Mapping[str, Any], requested: Mapping[str, Any]) -> list[str]:
    """The differences between two plans, with both values if a reader can understand them."""
    before, after = _flat(stored), _flat(requested)
    names = sorted(name for name in {*before, *after} if before.get(name) != after.get(name))
    return [
        f"another {name}"
        if name in _OPAQUE
        else f"{name} was {_excerpt(before, after, name)}, now {_excerpt(after, before, name)}"
        for name in names
    ]


def _flat(plan: Mapping[str, Any]) -> dict[str, Any]:
    """A plan with its nested settings and take options at the top level."""
    nested = {name: value for group in _NESTED for name, value in (plan.get(group) or {}).items()}
    return {name: value for name, value in plan.items() if name not in _NESTED} | nested


def _excerpt(own: Mapping[str, Any], other: Mapping[str, Any], name: str) -> str:
    """A value for a message; for long texts, the part around the first difference."""
    value, against = own.get(name), other.get(name)
    if not isinstance(value, str) or not isinstance(against, str):
        return "unset" if value is None else repr(value)
    same = next((i for i, pair in enumerate(zip(value, against, strict=False)) if pair[0] != pair[1]), len(against))
    start = max(0, min(same, len(value)) - _EXCERPT_LENGTH // 2)
    text = value[start : start + _EXCERPT_LENGTH]
    return repr(f"{'…' if start else ''}{text}{'…' if len(value) > start + _EXCERPT_LENGTH else ''}")


def fingerprint(synthesizer: Synthesizer) -> str:
    """A hash of a few values from every weight, to tell models apart."""
    digest = sha256()
    for name, weight in synthesizer.model.state_dict().items():
        if isinstance(weight, torch.Tensor):
            digest.update(f"{name} {tuple(weight.shape)}".encode())
            digest.update(weight.flatten()[:: weight.numel() // _SAMPLES + 1].cpu().float().numpy().tobytes())
    return digest.hexdigest()[:16]


__all__ = ["FolderPartStore", "fingerprint"]
