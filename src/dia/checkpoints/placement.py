"""Selects device and dtypes, and moves model and codec there. Independent of checkpoints."""

import warnings
from dataclasses import dataclass

import torch

from dia.kernels.half import multiplies_half
from dia.modeling_dia import DiaForConditionalGeneration
from dia.processing_dia import DiaProcessor
from dia.quantization.config import count_weights, pack
from dia.quantization.half import hold_half
from dia.runtime.ranges import shown
from dia.runtime.resources.memory import copy_mapped_weights
from dia.runtime.resources.processor import multiplies_bfloat16

# Parameters. Smaller models are computed in float32 by a kernel of their own, `kernels/network.py`. Single operations
# in bfloat16 are slower, also on CPUs with instructions for it.
_LARGE = 100_000_000
_LARGE_CODEC = 20_000_000  # parameters; a smaller codec is faster in float32


@dataclass(frozen=True)
class Dtypes:
    """What a model is computed in.

    Attributes:
        compute: dtype of activations, keys and values, embeddings and norms.
        matrices: dtype in which the weights of matrix products are kept. They are added in float32 or in `compute`.
    """

    compute: torch.dtype
    matrices: torch.dtype


def choose_device(device: str | torch.device | None = None) -> torch.device:
    """The requested device, or the first available one of cuda, mps and cpu.

    Raises:
        ValueError: the requested device is unknown or not available.
    """
    available = [name for name in ("cuda", "mps") if getattr(torch, name).is_available()] + ["cpu"]
    try:
        chosen = torch.device(available[0] if device is None else device)
    except (RuntimeError, TypeError, ValueError) as error:
        raise ValueError(f"device={shown(device)} is unknown; available: {', '.join(available)}.") from error
    if chosen.type in ("cuda", "mps", "cpu"):
        count = int(getattr(torch, chosen.type).device_count()) if chosen.type in available else 0
        if (chosen.index or 0) >= count:
            numbers = f" ({chosen.type}:0 to {chosen.type}:{count - 1})" if count else ""
            raise ValueError(f"device={device!r} is not available; available: {', '.join(available)}{numbers}.")
    return chosen


def compiled(model: DiaForConditionalGeneration) -> None:
    """Compile a model on first use, unless it is already compiled."""
    if model.device.type == "cpu" and getattr(model, "is_quantized", False):
        warnings.warn("torch.compile is skipped: quantized weights use precompiled kernels on CPUs.", stacklevel=4)
    elif getattr(model, "_compiled_call_impl", None) is None:
        model.compile(dynamic=True)


def choose_dtype(device: torch.device, parameters: int, large: int | None = None) -> torch.dtype:
    """The fastest safe dtype: half precision if the hardware supports it and, on a CPU, there are `large` parameters.

    Args:
        device: that computes.
        parameters: their number.
        large: number of parameters from which half precision is faster on a CPU; None for that of language models.
    """
    if device.type == "cuda":
        return torch.bfloat16 if multiplies_bfloat16(device) else torch.float16
    fast = device.type == "cpu" and parameters >= (_LARGE if large is None else large) and _cpu_has_bf16()
    return torch.bfloat16 if fast else torch.float32


def check_dtype(name: str, wanted: str | torch.dtype | None) -> torch.dtype | None:
    """The dtype that an argument requests; None, the default, for None and "auto".

    Raises:
        ValueError: it is not supported; the message names the argument.
    """
    if wanted is None or wanted == "auto":
        return None
    dtype = getattr(torch, wanted, None) if isinstance(wanted, str) else wanted
    if dtype not in (torch.float32, torch.bfloat16, torch.float16):
        raise ValueError(f"{name}={shown(wanted)} must be float32, bfloat16, float16 or auto.")
    return dtype


def resolve_dtype(
    wanted: str | torch.dtype | None, device: torch.device, parameters: int, large: int | None = None
) -> torch.dtype:
    """The requested dtype, given as a name or a dtype, or the result of `choose_dtype`.

    Raises:
        ValueError: `wanted` is not supported.
    """
    return check_dtype("compute_dtype", wanted) or choose_dtype(device, parameters, large)


def resolve_dtypes(wanted: str | torch.dtype | None, device: torch.device, parameters: int) -> Dtypes:
    """The requested dtype for everything, or the fastest safe ones.

    PyTorch emulates bfloat16 on CPUs without instructions for it. There the weights of large models are kept in
    bfloat16, as on other devices, and everything else is computed in float32.

    Raises:
        ValueError: `wanted` is not supported.
    """
    compute = resolve_dtype(wanted, device, parameters)
    by_default = check_dtype("compute_dtype", wanted) is None and device.type == "cpu" and compute == torch.float32
    half = by_default and parameters >= _LARGE and multiplies_half()
    return Dtypes(compute, torch.bfloat16 if half else compute)


def place(
    model: DiaForConditionalGeneration, device: torch.device, dtype: str | torch.dtype | None, exact: bool = False
) -> DiaForConditionalGeneration:
    """Move a model to a device and dtype, by default the fastest safe dtypes. Dispatched models are not moved.

    Args:
        model: the model; it is changed in place.
        device: the device.
        dtype: of everything; None for `resolve_dtypes`'s choice.
        exact: keep all weights in the dtype that is computed in, because they are quantized afterwards.

    Raises:
        ValueError: `dtype` is not supported.
    """
    if getattr(model, "hf_device_map", None) is not None:
        return model.eval()
    dtypes = resolve_dtypes(dtype, device, count_weights(model))
    if dtypes.matrices != dtypes.compute and not exact and getattr(model, "hf_quantizer", None) is None:
        hold_half(model)
    model.to(device, dtypes.compute).eval()
    if device.type == "cpu":
        copy_mapped_weights(model)
    pack(model, dtypes.compute)
    return model


def place_codec(processor: DiaProcessor, device: torch.device, dtype: str | torch.dtype | None) -> DiaProcessor:
    """Move a processor's codec, if it has one, to a device. Its weights stay float32, also if it decodes in bfloat16.

    Raises:
        ValueError: `dtype` is not supported.
    """
    if (codec := processor.audio_tokenizer) is not None:
        codec.to(device, torch.float32).eval()
        wanted = resolve_dtype(dtype, device, codec.num_parameters(), _LARGE_CODEC)
        if device.type == "cpu" and wanted == torch.bfloat16:
            processor.codec_dtype = torch.bfloat16
    return processor


def _cpu_has_bf16() -> bool:
    return multiplies_bfloat16() or bool(getattr(torch.cpu, "_is_amx_tile_supported", bool)())


__all__ = [
    "Dtypes",
    "check_dtype",
    "choose_device",
    "choose_dtype",
    "place",
    "place_codec",
    "resolve_dtype",
    "resolve_dtypes",
]
