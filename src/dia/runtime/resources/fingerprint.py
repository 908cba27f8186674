"""Whether what was computed from weights is still right: changed weights, hooks, other state. Knows no model."""

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

_SAMPLED = 64  # values of a tensor
_CAPTURES = "transformers.utils.output_capturing"  # its hooks do nothing unless outputs are requested
_STATELESS_PACKAGES = ("dia", "torch", "transformers")


def is_stateless(modules: Iterable[nn.Module]) -> bool:
    """Whether the output of modules depends on their weights only."""
    return all(has_known_class(module) and not is_hooked(module) for module in modules)


def has_known_class(module: nn.Module) -> bool:
    """Whether a module has no other state than its weights. Adapters, for example, can be switched off."""
    return type(module).__module__.partition(".")[0] in _STATELESS_PACKAGES


def is_hooked(module: nn.Module) -> bool:
    """Whether a module has hooks or a replaced `forward`, which can do anything."""
    hooks = [*module._forward_hooks.values(), *module._forward_pre_hooks.values()]
    return "forward" in vars(module) or any(getattr(hook, "__module__", None) != _CAPTURES for hook in hooks)


def fingerprint(weights: Iterable[Tensor]) -> tuple[Any, ...]:
    """A value that differs after weights were replaced, moved, converted or written to.

    Writes through `.data` do not change a tensor's version, so 64 values of each tensor are part of the fingerprint. A
    write through `.data` to a few other values is not noticed.
    """
    tensors = [weight.detach() for weight in weights]
    versions = [0 if weight.is_inference() else weight._version for weight in tensors]
    places = [(weight.data_ptr(), weight.dtype, weight.device, weight.shape) for weight in tensors]
    return versions, places, _samples([weight for weight in tensors if weight.numel()])


def _samples(weights: Sequence[Tensor]) -> bytes:
    """Some values of each tensor, as bytes: they are copied together, since each copy takes as long as a layer."""
    devices: dict[torch.device, list[Tensor]] = {}
    for weight in weights:
        devices.setdefault(weight.device, []).append(_some(weight))
    return b"".join(torch.cat(values).cpu().numpy().tobytes() for values in devices.values())


def _some(weight: Tensor) -> Tensor:
    """Values at equal distances, float32."""
    values = weight if weight.is_contiguous() else weight.contiguous()
    step = max(1, values.numel() // _SAMPLED)
    values = values.as_strided((min(_SAMPLED, -(-values.numel() // step)),), (step,))
    return values if values.dtype == torch.float32 else values.float()


__all__ = ["fingerprint", "has_known_class", "is_hooked", "is_stateless"]
