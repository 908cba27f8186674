"""What the tests need of ComfyUI: it imports a folder of nodes, checks a prompt before it runs it, and runs it.

A prompt is in ComfyUI's API format: `{"1": {"class_type": …, "inputs": {…}}}`, where `["1", 0]` is the first output of
node "1". Nodes run in inference mode.
"""

import importlib.util
import inspect
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

Prompt = dict[str, dict[str, Any]]


def import_nodes(folder: Path) -> ModuleType:
    """Import a folder as ComfyUI does: by its path, under a name that contains it."""
    name = str(folder).replace(".", "_x_")
    spec = importlib.util.spec_from_file_location(name, folder / "__init__.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def is_link(value: Any) -> bool:
    return isinstance(value, list)


def faults(nodes: dict[str, type], prompt: Prompt) -> list[str]:
    """What is wrong with a prompt, found before any node runs."""
    found = []
    for node in prompt.values():
        cls: Any = nodes[node["class_type"]]
        declared, given = cls.INPUT_TYPES(), node["inputs"]
        checked = inspect.getfullargspec(cls.VALIDATE_INPUTS).args if hasattr(cls, "VALIDATE_INPUTS") else []
        found += [f"{name} is missing" for name in declared["required"] if name not in given]
        for name, (kind, *rest) in {**declared["required"], **declared.get("optional", {})}.items():
            if name in given:
                found += _fault(nodes, prompt, name, given[name], kind, rest[0] if rest else {}, name in checked)
        typed = {name: value for name, value in given.items() if name in checked and not is_link(value)}
        if typed and (answer := cls.VALIDATE_INPUTS(**typed)) is not True:
            found.append(answer)
    return found


def _fault(
    nodes: dict[str, type], prompt: Prompt, name: str, value: Any, kind: Any, settings: dict[str, Any], checked: bool
) -> list[str]:
    """What is wrong with one input; values that a node checks itself are checked by it alone."""
    if is_link(value):
        source: Any = nodes[prompt[value[0]]["class_type"]]
        return [] if source.RETURN_TYPES[value[1]] == kind else [f"{name} is linked to another type"]
    if checked:
        return []
    if isinstance(kind, list) and value not in kind:
        return [f"{name} is not in the list"]
    if not settings.get("min", value) <= value <= settings.get("max", value):
        return [f"{name} is out of range"]
    return []


def run(nodes: dict[str, type], prompt: Prompt) -> dict[str, tuple[Any, ...]]:
    """The outputs of every node of a prompt that is written in the order of its links."""
    assert faults(nodes, prompt) == []
    outputs: dict[str, tuple[Any, ...]] = {}
    with torch.inference_mode():
        for name, node in prompt.items():
            inputs = {
                key: outputs[value[0]][value[1]] if is_link(value) else value for key, value in node["inputs"].items()
            }
            cls: Any = nodes[node["class_type"]]
            outputs[name] = getattr(cls(), cls.FUNCTION)(**inputs)
    return outputs
