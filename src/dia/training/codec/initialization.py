"""New codecs: a checked config, and initial weights that also work for narrow layers."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from transformers import DacConfig, DacModel

from dia.runtime import limits
from dia.runtime.ranges import Range, check_numbers, shown

MINI_CODEC = DacConfig(
    sampling_rate=16_000,
    encoder_hidden_size=16,
    decoder_hidden_size=384,
    downsampling_ratios=[4, 2, 10, 6],
    n_codebooks=8,
    codebook_size=256,
    codebook_dim=8,
)


def codec_config(
    rate: int = 24_000,
    ratios: Sequence[int] = (2, 4, 5, 8),
    codebooks: int = 8,
    codebook_size: int = 1024,
    codebook_width: int = 8,
    encoder_width: int = 32,
    decoder_width: int = 512,
) -> DacConfig:
    """The config of a new codec.

    Args:
        rate: sampling rate in Hz.
        ratios: downsampling of each encoder block; their product is the number of samples per frame.
        codebooks: number of codebooks, which is the number of codes per frame.
        codebook_size: number of codes per codebook.
        codebook_width: dimensions of a code vector.
        encoder_width: channels of the first encoder block; each block doubles them.
        decoder_width: channels of the first decoder block; each block halves them.

    Raises:
        TypeError: a size is not a whole number.
        ValueError: a size is out of range, the decoder's width cannot be halved in every block, or a code has more
            dimensions than the encoder's output.
    """
    if not isinstance(ratios, Sequence):
        raise TypeError(f"ratios is {shown(ratios)}; pass one for each block, such as 2,4,5,8.")
    limits.RATIOS.check("the number of ratios", len(ratios), ValueError)
    sizes = {"rate": rate, "codebooks": codebooks, "encoder_width": encoder_width, "decoder_width": decoder_width}
    ranges = {"rate": limits.SAMPLING_RATE, "codebooks": limits.CHANNELS}
    check_numbers(ranges | dict.fromkeys(("encoder_width", "decoder_width"), limits.WIDTH), sizes)
    Range(2, limits.CODEBOOK.most, whole=True).check("codebook_size", codebook_size)
    # DAC finds a code by its direction, which takes at least 2 numbers.
    Range(2, limits.WIDTH.most, whole=True).check("codebook_width", codebook_width)
    for index, ratio in enumerate(ratios):
        limits.RATIO.check(f"ratios[{index}]", ratio)
    halvings = 2 ** len(ratios)
    if decoder_width < halvings or decoder_width % halvings:
        raise ValueError(f"decoder_width is {decoder_width}; {len(ratios)} ratios need a multiple of {halvings}.")
    if codebook_width > encoder_width * halvings:
        raise ValueError(f"codebook_width is {codebook_width}; the encoder ends {encoder_width * halvings} wide.")
    return DacConfig(
        sampling_rate=rate,
        downsampling_ratios=list(ratios),
        n_codebooks=codebooks,
        codebook_size=codebook_size,
        codebook_dim=codebook_width,
        encoder_hidden_size=encoder_width,
        decoder_hidden_size=decoder_width,
    )


def build_codec(config: DacConfig, seed: int = 0) -> DacModel:
    """A new codec with torch's default initialization of convolutions and scaled-down residual branches.

    The initialization of `DacModel` has a standard deviation of 0.02 everywhere. In narrow layers the signal vanishes.
    """
    torch.manual_seed(seed)
    codec = DacModel(config)
    for name, module in codec.named_modules():
        if isinstance(module, nn.Conv1d):
            module.reset_parameters()
            if ".res_unit" in name and name.endswith("conv2"):
                module.weight.data.mul_(0.3)
    return codec


def in_half_precision(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """fp32 weights rounded to fp16, so that the frozen codes match a codec that is saved in fp16."""
    return {name: value.half().float() for name, value in weights.items()}
