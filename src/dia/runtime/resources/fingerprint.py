"""Whether what was computed from weights is still right: changed weights, hooks, other state. Knows no model."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

_SAMPLED = 64  # values of a tensor
_CAPTURES = "transformers.utils.output_capturing"  # its hooks do nothing unless outputs are requested
_STATELESS_PACKAGES = ("dia", "torch", "transformers")


def modules_of(*roots: nn.Module) -> list[nn.Module]:
    """Modules with all inside them, in the order of `nn.Module.modules`, whose names take most of its time.

    A module that is registered in two places occurs twice.
    """
    found, left = list[nn.Module](), list(reversed(roots))
    while left:
        found.append(module := left.pop())
        if module._modules:
            left.extend(child for child in reversed(module._modules.values()) if child is not None)
    return found


def weights_of(modules: Iterable[nn.Module]) -> list[Tensor]:
    """The parameters that belong to the modules themselves."""
    return [weight for module in modules for weight in module._parameters.values() if weight is not None]


def is_stateless(modules: Iterable[nn.Module]) -> bool:
    """Whether the output of modules depends on their weights only."""
    return all(has_known_class(module) and not is_hooked(module) for module in modules)


def has_known_class(module: nn.Module) -> bool:
    """Whether a module has no other state than its weights. Adapters, for example, can be switched off."""
    return type(module).__module__.partition(".")[0] in _STATELESS_PACKAGES


def is_hooked(module: nn.Module) -> bool:
    """Whether a module has hooks or a replaced `forward`, which can do anything."""
    if "forward" in vars(module):
        return True
    if not module._forward_hooks and not module._forward_pre_hooks:
        return False
    hooks = [*module._forward_hooks.values(), *module._forward_pre_hooks.values()]
    return any(getattr(hook, "__module__", None) != _CAPTURES for hook in hooks)


@dataclass(frozen=True)
class Fingerprint:
    """What tells whether weights were changed. `sampled` are views of the values in `samples`, by device and dtype."""

    versions: list[int]
    places: list[tuple[Any, ...]]
    samples: bytes
    sampled: list[list[Tensor]] = field(compare=False, repr=False)


def fingerprint(weights: Iterable[Tensor], known: Fingerprint | None = None) -> Fingerprint:
    """A value that differs after weights were replaced, moved, converted or written to.

    Writes through `.data` do not change a tensor's version, so 64 values of each tensor are part of the fingerprint. A
    write through `.data` to a few other values is not noticed.

    Args:
        weights: the tensors.
        known: an earlier fingerprint. If the tensors are in the same places, its views are used again, which takes a
            third of the time.
    """
    tensors = list(weights)
    versions = [0 if weight.is_inference() else weight._version for weight in tensors]
    places = [(weight.data_ptr(), weight.dtype, weight.device, weight.shape, weight.stride()) for weight in tensors]
    same = known is not None and known.places == places and all(weight.is_contiguous() for weight in tensors)
    sampled = known.sampled if known is not None and same else _sampled(tensors)
    return Fingerprint(versions, places, _bytes(sampled), sampled)


def _sampled(weights: Sequence[Tensor]) -> list[list[Tensor]]:
    devices: dict[tuple[torch.device, torch.dtype], list[Tensor]] = {}
    for weight in weights:
        if weight.numel():
            devices.setdefault((weight.device, weight.dtype), []).append(_some(weight.detach()))
    return list(devices.values())


def _bytes(sampled: list[list[Tensor]]) -> bytes:
    """Some values of each tensor: they are copied together, since each copy takes as long as a layer."""
    return b"".join(torch.cat(values).float().cpu().numpy().tobytes() for values in sampled)


def _some(weight: Tensor) -> Tensor:
    """Values at equal distances: a view of a contiguous tensor."""
    values = weight if weight.is_contiguous() else weight.contiguous()
    step = max(1, values.numel() // _SAMPLED)
    return values.as_strided((min(_SAMPLED, -(-values.numel() // step)),), (step,), values.storage_offset())


__all__ = ["Fingerprint", "fingerprint", "has_known_class", "is_hooked", "is_stateless", "modules_of", "weights_of"]
