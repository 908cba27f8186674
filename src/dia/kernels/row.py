"""Chooses and writes the next ids of clips on a CPU in one call: `row.c`. Without a library there is no kernel.

Independent of models; it computes what `dia.decoding.step` does with a `Sampler` and its own state. The library rounds
after every operation, as PyTorch's separate operations do.
"""

import ctypes
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dia.kernels.compile import load_functions, runs_plain_kernels
from dia.kernels.sources import UNFUSED_FLAGS

_SOURCE = Path(__file__).with_name("row.c")
_Long = ctypes.c_long
# The dtypes that `row.c` expects, in its order.
_STATE = {
    **dict.fromkeys(("ids", "forced"), torch.int64),
    **dict.fromkeys(("ended", "finite"), torch.bool),
    **dict.fromkeys(("row", "live", "last_end", "first_row", "keys", "delays"), torch.int64),
    **dict.fromkeys(("guidance", "temperature", "excluded", "shortest"), torch.float32),
}
_MOST_IDS = 4096
_SIZES = ("channels", "rows", "size", "eos", "pad")


class _State(ctypes.Structure):
    _fields_ = [*((name, ctypes.c_void_p) for name in _STATE), *((name, _Long) for name in _SIZES)]


class Kind(ctypes.Structure):
    """How the ids of a clip are drawn: sample, guided, candidates, top_k, top_p; 0 turns a rule off."""

    _fields_ = [(name, _Long) for name in ("sample", "guided", "candidates", "top_k", "top_p")]


class RowWriter:
    """Writes rows into the state of some slots.

    Args:
        state: the tensors of `_STATE`, contiguous on the CPU, which are changed in place: [slots, channels, rows],
            [slots, channels], [slots]; "delays" [channels].
        sizes: channels, rows, size (ids of a channel), eos and pad.
        library: of `load`.

    Raises:
        ValueError: a tensor has another dtype, or gaps, or there are too many ids.
    """

    def __init__(self, state: Mapping[str, Tensor], sizes: Mapping[str, int], library: Any) -> None:
        for name, dtype in _STATE.items():
            if state[name].dtype != dtype or not state[name].is_contiguous():
                raise ValueError(f"{name} is {state[name].dtype}; the kernel needs contiguous {dtype}.")
        if not supports(sizes["size"]):
            raise ValueError(f"size is {sizes['size']}; the kernel has room for {_MOST_IDS} ids of a channel.")
        self._kept, self._library = dict(state), library
        self._state = _State(
            **{name: state[name].data_ptr() for name in _STATE}, **{name: sizes[name] for name in _SIZES}
        )
        self._least = sizes["channels"] * sizes["size"]

    def __call__(self, logits: Tensor, slots: Any, kinds: Any) -> None:
        """Write the next row of each clip.

        Args:
            logits: float32 [B, halves, channels · size or more], conditional first; rows may have gaps.
            slots: of the clips, from `slots_of`.
            kinds: of the clips, from `kinds_of`.
        """
        clips, halves, width = logits.shape
        if width < self._least or logits.dtype != torch.float32 or logits.stride(2) != 1:
            raise ValueError(f"logits is {logits.dtype} {list(logits.shape)}, strides {logits.stride()}.")
        if logits.stride(0) != halves * logits.stride(1):
            logits = logits.contiguous()
        state = ctypes.byref(self._state)
        self._library.write_rows(state, clips, slots, kinds, logits.data_ptr(), halves, logits.stride(1))


def supports(size: int) -> bool:
    """Whether the kernel, which keeps the candidates on its stack, chooses from so many ids."""
    return size <= _MOST_IDS


def slots_of(slots: Sequence[int]) -> Any:
    """Slots as the kernel reads them."""
    return (_Long * len(slots))(*slots)


def kinds_of(kinds: Sequence[Kind]) -> Any:
    """Kinds as the kernel reads them."""
    return (Kind * len(kinds))(*kinds)


@cache
def load() -> Any:
    """The compiled functions, or None. Loaded at most once per process."""
    return load_functions(_SOURCE, UNFUSED_FLAGS, _ARGUMENTS) if runs_plain_kernels() else None


_ARGUMENTS: dict[str, list[Any]] = {
    "write_rows": [
        *(ctypes.POINTER(_State), _Long, ctypes.POINTER(_Long), ctypes.POINTER(Kind)),
        *(ctypes.c_void_p, _Long, _Long),
    ],
}

__all__ = ["Kind", "RowWriter", "kinds_of", "load", "slots_of", "supports"]
