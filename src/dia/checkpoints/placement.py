"""Where a model computes and in what: devices and dtypes, and putting model and codec there. Knows no checkpoints."""

import warnings

import torch

from dia.modeling_dia import DiaForConditionalGeneration
from dia.processing_dia import DiaProcessor
from dia.quantization.config import count_weights, pack
from dia.runtime.memory import copy_mapped_weights
from dia.runtime.ranges import shown

_SMALL = 4_000_000  # parameters below which a step waits for calls, not for memory, and half precision gains nothing


def choose_device(device: str | torch.device | None = None) -> torch.device:
    """The device asked for, or the first of cuda, mps and cpu that is there.

    Raises:
        ValueError: the device asked for is not there.
    """
    there = [name for name in ("cuda", "mps") if getattr(torch, name).is_available()] + ["cpu"]
    try:
        chosen = torch.device(there[0] if device is None else device)
    except (RuntimeError, TypeError, ValueError) as error:
        raise ValueError(f"device={shown(device)} is not known; here are {', '.join(there)}.") from error
    if chosen.type in ("cuda", "mps", "cpu"):
        count = int(getattr(torch, chosen.type).device_count()) if chosen.type in there else 0
        if (chosen.index or 0) >= count:
            numbers = f" ({chosen.type}:0 to {chosen.type}:{count - 1})" if count else ""
            raise ValueError(f"device={device!r} is not available; here are {', '.join(there)}{numbers}.")
    return chosen


def compiled(model: DiaForConditionalGeneration) -> None:
    """Have a model compiled on its first use, unless it is already."""
    if model.device.type == "cpu" and getattr(model, "is_quantized", False):
        warnings.warn("quantised weights on a CPU have kernels that are compiled already.", stacklevel=4)
    elif getattr(model, "_compiled_call_impl", None) is None:
        model.compile(dynamic=True)


def choose_dtype(device: torch.device, parameters: int) -> torch.dtype:
    """The fastest dtype that is safe: half precision where the hardware computes in it and the model is large."""
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16
    if device.type == "cpu" and parameters >= _SMALL and _cpu_has_bf16():
        return torch.bfloat16
    return torch.float32


def settled_dtype(wanted: str | torch.dtype | None, device: torch.device, parameters: int) -> torch.dtype:
    """The dtype asked for, by name or itself, or what `choose_dtype` chooses.

    Raises:
        ValueError: `wanted` is none that a model computes in.
    """
    if wanted is None:
        return choose_dtype(device, parameters)
    dtype = getattr(torch, wanted, None) if isinstance(wanted, str) else wanted
    if dtype not in (torch.float32, torch.bfloat16, torch.float16):
        raise ValueError(f"compute_dtype={shown(wanted)} must be float32, bfloat16 or float16.")
    return dtype


def place(
    model: DiaForConditionalGeneration, device: torch.device, dtype: str | torch.dtype | None
) -> DiaForConditionalGeneration:
    """Move a model to its device and dtype, by default the fastest that is safe; one that is spread out stays so.

    Raises:
        ValueError: `dtype` is none that a model computes in.
    """
    if getattr(model, "hf_device_map", None) is not None:
        return model.eval()
    chosen = settled_dtype(dtype, device, count_weights(model))
    model.to(device, chosen).eval()
    if device.type == "cpu":
        copy_mapped_weights(model)
    pack(model, chosen)
    return model


def place_codec(processor: DiaProcessor, device: torch.device, dtype: str | torch.dtype | None) -> DiaProcessor:
    """Move a processor's codec, if it has one, to its device; its weights stay float32, whatever it decodes in.

    Raises:
        ValueError: `dtype` is none that a model computes in.
    """
    if (codec := processor.audio_tokenizer) is not None:
        codec.to(device, torch.float32).eval()
        if device.type == "cpu" and settled_dtype(dtype, device, codec.num_parameters()) == torch.bfloat16:
            processor.codec_dtype = torch.bfloat16
    return processor


def _cpu_has_bf16() -> bool:
    return any(getattr(torch.cpu, name, bool)() for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"))


__all__ = ["choose_device", "choose_dtype", "place", "place_codec", "settled_dtype"]
