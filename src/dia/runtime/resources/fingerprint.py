"""Detects that weights have changed since something was computed from them. Independent of models."""

from collections.abc import Iterable
from typing import Any

from torch import Tensor, nn

_SAMPLED = 64  # values of a tensor
_STATELESS_PACKAGES = ("dia", "torch", "transformers")


def is_stateless(modules: Iterable[nn.Module]) -> bool:
    """Whether the output of modules depends on their weights only.

    Adapters, for example, can be switched off, and hooks or a replaced `forward` can do anything.
    """
    return all(map(_is_stateless, modules))


def _is_stateless(module: nn.Module) -> bool:
    hooks = [*module._forward_hooks.values(), *module._forward_pre_hooks.values()]
    known = type(module).__module__.partition(".")[0] in _STATELESS_PACKAGES
    return known and "forward" not in vars(module) and all(_is_harmless(hook) for hook in hooks)


def _is_harmless(hook: Any) -> bool:
    """Whether a hook does nothing unless outputs are requested."""
    return getattr(hook, "__module__", None) == "transformers.utils.output_capturing"


def fingerprint(weights: Iterable[Tensor]) -> tuple[Any, ...]:
    """A value that differs after weights were replaced, moved, converted or written to.

    Writes through `.data` do not change a tensor's version, so 64 values of each tensor are part of the fingerprint. A
    write through `.data` to a few other values is not noticed.
    """
    tensors = [weight.detach() for weight in weights]
    versions = [0 if weight.is_inference() else weight._version for weight in tensors]
    places = [(weight.data_ptr(), weight.dtype, weight.device, weight.shape) for weight in tensors]
    return versions, places, [_sample(weight) for weight in tensors if weight.numel()]


def _sample(weight: Tensor) -> list[float]:
    values = weight.flatten()
    values = values[:: max(1, len(values) // _SAMPLED)][:_SAMPLED]
    found: list[float] = values.float().tolist()
    return found


__all__ = ["fingerprint", "is_stateless"]
