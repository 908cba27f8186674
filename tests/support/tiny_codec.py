"""A codec of a few thousand weights and a processor around it, both fitting the tiny model."""

import torch
from tiny import BOS, CHANNELS, EOS, PAD, PATTERN, TEXT_LIMIT
from transformers import DacConfig, DacModel

from dia.codec.dac import hop_length
from dia.feature_extraction_dia import DiaFeatureExtractor
from dia.processing_dia import DiaProcessor
from dia.tokenization_dia import DiaTokenizer

RATE, HOP, CODES = 8000, 6, EOS


def tiny_codec(ratios: tuple[int, ...] = (2, 3), channels: int = CHANNELS, seed: int = 0) -> DacModel:
    """Odd ratios, so that T frames give a little less than T · hop samples."""
    config = DacConfig(
        encoder_hidden_size=4,
        decoder_hidden_size=16 * 2 ** len(ratios) // 4,
        downsampling_ratios=list(ratios),
        n_codebooks=channels,
        codebook_size=CODES,
        codebook_dim=4,
        sampling_rate=RATE,
    )
    torch.manual_seed(seed)
    model = DacModel(config).eval()
    # Fresh codecs are nearly silent: louder weights make errors visible.
    for parameter in model.parameters():
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=0.1)
    return model


def tiny_processor(codec: DacModel | None = None) -> DiaProcessor:
    """Its hop is the codec's, or else `HOP`."""
    hop = HOP if codec is None else hop_length(codec.config)
    extractor = DiaFeatureExtractor(sampling_rate=RATE, hop_length=hop)
    return DiaProcessor(
        extractor,
        DiaTokenizer(max_length=TEXT_LIMIT),
        codec,
        delay_pattern=PATTERN,
        bos_token_id=BOS,
        eos_token_id=EOS,
        pad_token_id=PAD,
    )


def random_codes(*lengths: int, channels: int = CHANNELS) -> list[torch.Tensor]:
    noise = torch.Generator().manual_seed(sum(lengths))
    return [torch.randint(0, CODES, (length, channels), generator=noise) for length in lengths]
