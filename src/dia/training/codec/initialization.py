"""Codecs before their first step: their sizes, checked, and weights from which narrow ones learn.

Knows `DacConfig` and `DacModel`. Knows nothing of audio, losses or training.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from transformers import DacConfig, DacModel

from dia.runtime import limits
from dia.runtime.ranges import Range, check_numbers, shown

MINI_CODEC = DacConfig(
    sampling_rate=16_000,
    encoder_hidden_size=8,
    decoder_hidden_size=256,
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
        rate: Hz of its audio.
        ratios: how much each block of the encoder shortens its input; their product is the samples of one frame.
        codebooks: how many codes a frame has.
        codebook_size: how many codes each codebook has.
        codebook_width: numbers in the vector of one code.
        encoder_width: channels at the encoder's start; each block doubles them.
        decoder_width: channels at the decoder's start; each block halves them.

    Raises:
        TypeError: a size is no whole number.
        ValueError: a size is out of range, there are fewer than two codes or numbers in one, the decoder cannot halve
            its width so often, or a code is wider than what the encoder says.
    """
    if not isinstance(ratios, Sequence):
        raise TypeError(f"ratios is {shown(ratios)}; give one for each block, such as 2,4,5,8.")
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
    """A fresh codec for narrow widths: the convolutions' own default initialisation, small residual branches.

    `DacModel`'s own initialisation has a spread of 0.02 everywhere, which at these widths passes no signal.
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
    """fp32 weights as fp16 can hold them: codes are frozen with the values that are saved, not with finer ones."""
    return {name: value.half().float() for name, value in weights.items()}
