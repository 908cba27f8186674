"""Decodes a codec's rows to samples, piece by piece, in one call on a CPU: `codec.c`, in float32, with AMX nearly so.

Independent of codecs: knows stages of Snakes and convolutions. The samples are the same bit for bit in pieces of any
size. `is_used` tells whether the kernel is used on this CPU; elsewhere, the caller uses PyTorch's operations.
"""

import ctypes
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dia.kernels.blocks import in_tiles, padded, whole_blocks
from dia.kernels.compile import load_with_tiles

SOURCE = Path(__file__).with_name("codec.c")
_FEW = 4  # outputs, as in the C file
_VECTORS = (2, 3)  # widths of a panel; the one that fills the last panel best is used
_PIECE = 64  # rows of the first stage at a time; the rows of many would not stay in the cache
_KEPT = 2**20  # numbers of scratch memory that a thread keeps, 4 MB
_memory = threading.local()
_Address, _Long, _Int = ctypes.c_void_p, ctypes.c_long, ctypes.c_int


@dataclass(frozen=True)
class StageWeights:
    """A layer that maps rows to rows: a Snake and a convolution, which a residual unit has twice.

    Attributes:
        weight: of the convolution, [O, I, K].
        bias: [O].
        width: columns of the result; if O is larger, each row becomes several.
        around: rows of silence to add before and after a clip.
        span: by how many rows the result is shorter than the input, before upsampling; as many are kept for later.
        crop: rows to drop from both ends of the result of a clip.
        dilation: distance between the taps of the convolution, in rows.
        slope: of the Snake before the convolution, [I], or None without one.
        narrow: weight [I, O, 1] and bias [I] of a unit's second convolution, whose Snake has the slope 1. Its result
            is added to the rows.
    """

    weight: Tensor
    bias: Tensor
    width: int
    around: int = 3
    span: int = 6
    crop: int = 0
    dilation: int = 1
    slope: Tensor | None = None
    narrow: tuple[Tensor, Tensor] | None = None


class Kernel:
    """The packed weights of all stages.

    Args:
        stages: in their order; the last one has a single column.

    Raises:
        ValueError: a stage has more rows of silence than it keeps.
    """

    def __init__(self, stages: Sequence[StageWeights]) -> None:
        if any(stage.around > stage.span for stage in stages):
            raise ValueError("stages: a stage has more rows of silence than it keeps.")
        self._tensors: list[Tensor] = []
        self._lanes, self._tiled = int(_load().lanes()), bool(_load().tiled())
        self.stages = (_Stage * len(stages))(*map(self._stage, stages))
        self.inputs = stages[0].weight.shape[1]
        self.kept = sum(stage.span * stage.weight.shape[1] for stage in stages)

    def _stage(self, stage: StageWeights) -> "_Stage":
        narrow = _Convolution() if stage.narrow is None else self._convolution(*stage.narrow, 1)
        slope = None if stage.slope is None else self._keep(stage.slope.float())
        sizes = stage.width, stage.around, stage.span, stage.crop
        return _Stage(self._convolution(stage.weight, stage.bias, stage.dilation), narrow, slope, *sizes)

    def _convolution(self, weight: Tensor, bias: Tensor, dilation: int) -> "_Convolution":
        outputs, inputs, taps = weight.shape
        vectors = min(_VECTORS, key=lambda vectors: whole_blocks(outputs, vectors * self._lanes))
        block = 1 if outputs <= _FEW else vectors * self._lanes
        biases = padded(bias[:, None], whole_blocks(outputs, block))[:, 0]
        tiled = self._tiled and outputs > _FEW
        packed = self._keep(_tiles(weight.detach().float()) if tiled else _panels(weight.float(), block))
        return _Convolution(packed, self._keep(biases.float()), inputs, outputs, taps, dilation, vectors)

    def _keep(self, tensor: Tensor) -> int:
        self._tensors.append(tensor.detach().contiguous().clone())
        return self._tensors[-1].data_ptr()


def _panels(weight: Tensor, block: int) -> Tensor:
    """A convolution's weights [O, I, K] in panels of `block` outputs, [O / block, K, I, block]."""
    outputs, inputs, taps = weight.shape
    taps_first = padded(weight.permute(0, 2, 1), whole_blocks(outputs, block))  # [O, K, I]
    return taps_first.reshape(-1, block, taps, inputs).permute(0, 2, 3, 1)


def _tiles(weight: Tensor) -> Tensor:
    """A convolution's weights [O, I, K] as pairs of bfloat16 numbers in tiles, [O / 32, K, I / 32, 2, 1024]."""
    large = weight.bfloat16()
    parts = large, weight - large.float()
    taps = [torch.stack([in_tiles(part[..., tap]) for part in parts], 2) for tap in range(weight.shape[2])]
    return torch.stack(taps, 1)


class ClipState:
    """Decodes one clip. Stores the rows that every stage keeps.

    Args:
        kernel: of the codec.
    """

    def __init__(self, kernel: Kernel) -> None:
        self._kernel, count = kernel, len(kernel.stages)
        self._begun, self._kept, self._rows = (_Long * count)(), (_Long * count)(), _floats(kernel.kept)
        self._state = _State(self._begun, self._kept, self._rows.data_ptr())

    def push(self, rows: Tensor, last: bool) -> Tensor:
        """Decode the next rows as far as their context is available.

        Args:
            rows: float32 [T, I], contiguous.
            last: whether the clip ends here.

        Returns:
            The next samples [N], before the final tanh.

        Raises:
            ValueError: `rows` has another dtype, device or shape.
        """
        kernel = self._kernel
        if rows.dtype != torch.float32 or rows.device.type != "cpu" or rows.shape[1:] != (kernel.inputs,):
            found = f"{rows.dtype} {list(rows.shape)} on {rows.device}"
            raise ValueError(f"rows is {found}; the kernel needs float32 [T, {kernel.inputs}] on the CPU.")
        pieces = rows.contiguous().split(_PIECE)
        made = [self._push(piece, last and at == len(pieces) - 1) for at, piece in enumerate(pieces)]
        return made[0] if len(made) == 1 else torch.cat(made)

    def _push(self, rows: Tensor, last: bool) -> Tensor:
        kernel, library, count, most = self._kernel, _load(), len(self._kernel.stages), _Long()
        state = ctypes.byref(self._state)
        made = library.samples_of(kernel.stages, count, state, len(rows), last, ctypes.byref(most))
        samples, scratch = _floats(made), _scratch(4 * most.value)
        library.decode(
            *(kernel.stages, count, state, rows.data_ptr(), len(rows), last),
            *(scratch.data_ptr(), most, samples.data_ptr(), torch.get_num_threads()),
        )
        return samples


def is_used() -> bool:
    """Whether the kernel is used on this CPU."""
    return _load() is not None


def snake_function() -> Any:
    """The Snake of the C file, with the arguments of `snake.c`; None where it cannot be used."""
    library = _load()
    return None if library is None else library.snake_float


@cache
def _load() -> Any:
    """The compiled functions, or None. Loaded at most once per process."""
    library = load_with_tiles(SOURCE, _ARGUMENTS)
    if library is not None:
        library.samples_of.restype = library.lanes.restype = _Long
    return library


def _floats(count: int) -> Tensor:
    """Memory for the kernel, whatever the default dtype and device are."""
    return torch.empty(count, dtype=torch.float32, device="cpu")


def _scratch(count: int) -> Tensor:
    """Memory for intermediate results. Each thread keeps a little, as new memory costs time in every call."""
    if count > _KEPT:
        return _floats(count)
    if len(getattr(_memory, "scratch", ())) < count:
        _memory.scratch = _floats(count)
    scratch: Tensor = _memory.scratch
    return scratch


class _Convolution(ctypes.Structure):
    _fields_ = [
        *((name, _Address) for name in ("weight", "bias")),
        *((name, _Long) for name in ("inputs", "outputs", "taps", "dilation", "vectors")),
    ]


class _Stage(ctypes.Structure):
    _fields_ = [
        *(("wide", _Convolution), ("narrow", _Convolution), ("slope", _Address)),
        *((name, _Long) for name in ("width", "around", "span", "crop")),
    ]


class _State(ctypes.Structure):
    _fields_ = [("begun", ctypes.POINTER(_Long)), ("kept", ctypes.POINTER(_Long)), ("rows", _Address)]


_Stages, _StateAddress = ctypes.POINTER(_Stage), ctypes.POINTER(_State)
_ARGUMENTS: dict[str, list[Any]] = {
    "samples_of": [_Stages, _Long, _StateAddress, _Long, _Int, ctypes.POINTER(_Long)],
    "decode": [_Stages, _Long, _StateAddress, _Address, _Long, _Int, _Address, _Long, _Address, _Int],
    "lanes": [],
    "snake_float": [_Address, _Address, _Address, _Long, _Long, _Int],
}

__all__ = ["ClipState", "Kernel", "StageWeights", "is_used", "snake_function"]
