"""Detects that weights have changed since something was computed from them. Independent of models."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

_STATELESS_PACKAGES = ("dia", "torch", "transformers")


def is_stateless(modules: Iterable[nn.Module]) -> bool:
    """Whether the output of modules depends on their weights only. Adapters, for example, can be switched off."""
    return all(type(module).__module__.partition(".")[0] in _STATELESS_PACKAGES for module in modules)


def fingerprint(weights: Iterable[Tensor]) -> tuple[Any, ...]:
    """A value that differs after weights were replaced, moved, converted or written to.

    Writes through `.data` do not change a tensor's version, so one value of each tensor is part of the fingerprint.
    """
    tensors = [weight.detach() for weight in weights]
    versions = [0 if weight.is_inference() else weight._version for weight in tensors]
    places = [(weight.data_ptr(), weight.dtype, weight.device, weight.shape) for weight in tensors]
    sample = [weight.flatten()[weight.numel() // 2].float() for weight in tensors if weight.numel()]
    return versions, places, torch.stack(sample).tolist() if sample else []


__all__ = ["fingerprint", "is_stateless"]
