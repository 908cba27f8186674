"""What the processors can compute fast, as torch sees them: `ATEN_CPU_CAPABILITY` applies. Knows no kernels."""

import torch


def has_avx512() -> bool:
    """Whether torch uses AVX-512 (F, BW, VL and DQ)."""
    return torch.backends.cpu.get_cpu_capability() == "AVX512"


def has_amx() -> bool:
    """Whether the CPU multiplies tiles of bfloat16 numbers (AMX, beside AVX512-BF16), and torch uses AVX-512."""
    return has_avx512() and multiplies_bfloat16() and bool(getattr(torch.cpu, "_is_amx_tile_supported", bool)())


def multiplies_bfloat16(device: torch.device | None = None) -> bool:
    """Whether a CUDA device, or by default the CPU, multiplies in bfloat16.

    Others convert every operand, and float32 is faster.
    """
    if device is not None and device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return bool(getattr(torch.cpu, "_is_avx512_bf16_supported", bool)())


def multiplies_bytes() -> bool:
    """Whether the CPU multiplies four bytes at once (AVX512-VNNI)."""
    return bool(getattr(torch.cpu, "_is_vnni_supported", bool)())


__all__ = ["has_amx", "has_avx512", "multiplies_bfloat16", "multiplies_bytes"]
