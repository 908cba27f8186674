"""Check that clips and processor fit a model, and prepare clips for its tokenizer."""

import re
from collections.abc import Sequence

from torch import Tensor

from dia.codec.speaker_encoder import place_of_description
from dia.configuration_dia import DiaConfig, DiaEncoderConfig
from dia.processing_dia import DiaProcessor
from dia.text.lexicon import PHONES
from dia.text.prompt_format import PUBLISHED, PromptFormat
from dia.tokenization_dia import BYTES
from dia.training.data.code_cache import CodeCache
from dia.training.data.dataset import Coded, clips_of
from dia.training.data.dialogues import Clip, marked, spell

_IDS = ("bos_token_id", "eos_token_id", "pad_token_id")

Clips = CodeCache | Sequence[Clip] | Sequence[Coded]


def length_limits(config: DiaConfig) -> tuple[int, int]:
    """The maximum length of a text in bytes and of a clip in frames that a model can be trained with."""
    encoder = config.encoder_config
    assert isinstance(encoder, DiaEncoderConfig)
    around = 2 + max(config.delay_pattern or [0])
    return encoder.max_position_embeddings, config.get_text_config().max_position_embeddings - around


def check_processor(processor: DiaProcessor, config: DiaConfig) -> None:
    """Check that a processor fits a model, before anything is encoded with it.

    Raises:
        ValueError: its phones, delay pattern or token ids differ from the model's, or its tokenizer has an offset.
    """
    assert isinstance(config.encoder_config, DiaEncoderConfig)
    if offset := processor.tokenizer.offset:
        raise ValueError(
            f"the processor's tokenizer has offset={offset}, but training reads texts without one. Use a tokenizer "
            "with offset=0."
        )
    processor.tokenizer.check_fits(config.encoder_config.vocab_size)
    decoder = config.get_text_config()
    for name, theirs, ours in (
        ("delay_pattern", list(processor.delay_pattern), list(config.delay_pattern or [])),
        *((name, getattr(processor, name), getattr(decoder, name)) for name in _IDS),
    ):
        if theirs != ours:
            raise ValueError(
                f"the processor has {name}={theirs}, but the model has {ours}. Use the processor that the model was "
                "published with."
            )


def trainable_clips(
    data: Clips, config: DiaConfig, processor: DiaProcessor | None = None, format: PromptFormat = PUBLISHED
) -> list[Clip]:
    """Convert data to clips that the model can be trained with.

    Texts are completed by the prompt format and, if the tokenizer has a lexicon, converted to phones. If the processor
    has a speaker encoder, clips get the marks of their voices, which follow their tag where they are prompts.

    Raises:
        ValueError: there are no clips, or a clip is too long or from another codec; the message names it. Or the model
            reads phones, and no processor with its lexicon is given. Or the transcripts of a cache were normalized
            differently.
        TypeError: the data holds something other than coded clips.
    """
    if isinstance(data, CodeCache):
        data.check_read(format.text_frontend)
    rows: Sequence[Clip | Coded] = data.rows if isinstance(data, CodeCache) else data
    for index, row in enumerate(rows):
        if not hasattr(row, "codes"):
            raise TypeError(
                f"row {index} of the data set is {type(row).__name__}; expected clips with codes. Encode recordings "
                "first, see dia.training.data.encoding.encode_rows."
            )
    clips = [row for row in rows if isinstance(row, Clip)]
    clips += clips_of(row for row in rows if not isinstance(row, Clip))
    if not clips:
        raise ValueError(
            "the data set contains no clips. Encode recordings first, see dia.training.data.encoding.encode_rows."
        )
    max_bytes, max_frames = length_limits(config)
    decoder = config.get_text_config()
    learned = spelled([clip._replace(text=format.end_turns(clip.text)) for clip in clips], config, processor)
    for clip, read in zip(clips, learned, strict=True):
        for codes in clip.codes:
            _check_codes(clip, codes, decoder.num_channels, int(decoder.eos_token_id))
        _check_length(clip, len(spell(read.text)), max_bytes, max_frames)
    return _with_marks(clips, learned, processor)


def spelled(clips: Sequence[Clip], config: DiaConfig, processor: DiaProcessor | None = None) -> list[Clip]:
    """Convert the texts of clips as the processor's tokenizer does, to phones if it has a lexicon.

    Raises:
        ValueError: the model reads phones, and no processor with its lexicon is given.
    """
    assert isinstance(config.encoder_config, DiaEncoderConfig)
    if processor is not None and processor.tokenizer.pronunciations is not None:
        return [clip._replace(text=processor.tokenizer.spoken(clip.text)) for clip in clips]
    if config.encoder_config.vocab_size > BYTES:
        raise ValueError("the model reads phones. Pass its processor, which has the lexicon, as processing_class.")
    for clip in clips:
        if found := re.search(f"[{PHONES}]", clip.text):
            raise ValueError(
                f"the clip {clip.text[:40]!r} contains the private-use character U+{ord(found[0]):04X}. Remove it."
            )
    return list(clips)


def _with_marks(typed: Sequence[Clip], read: Sequence[Clip], processor: DiaProcessor | None) -> list[Clip]:
    """Clips whose texts are read as phones, with marks where generation describes the voice of a prompt."""
    if processor is None or processor.speaker_encoder is None:
        return list(read)
    known, encoder = processor.tokenizer.pronunciations, processor.speaker_encoder
    assert known is not None  # the processor has checked that the marks are among its phones
    return [
        clip if place_of_description(one.text) is None else marked(clip, encoder, known)
        for one, clip in zip(typed, read, strict=True)
    ]


def _check_codes(clip: Clip, codes: Tensor, channels: int, codebook: int) -> None:
    if codes.ndim != 2 or not len(codes):
        raise ValueError(f"the clip {clip.text[:40]!r} has codes of shape {tuple(codes.shape)}; expected [T, C].")
    if codes.shape[1] != channels:
        raise ValueError(
            f"the codes have {codes.shape[1]} codebooks, but the model has {channels} channels: they are from another "
            "codec. Encode the audio with the model's own processor."
        )
    if int(codes.max()) >= codebook or int(codes.min()) < 0:
        raise ValueError(
            f"the clip {clip.text[:40]!r} has codes from {int(codes.min())} to {int(codes.max())}, but the model's "
            f"are 0 to {codebook - 1}: they are from another codec. Encode the audio with the model's own processor."
        )


def _check_length(clip: Clip, text_bytes: int, max_bytes: int, max_frames: int) -> None:
    frames = max(map(len, clip.codes))
    if frames > max_frames:
        raise ValueError(
            f"the clip {clip.text[:40]!r} has {frames} frames, but the model can be trained with at most "
            f"{max_frames}. Split the clip, or leave it out."
        )
    if text_bytes > max_bytes:
        raise ValueError(
            f"the text {clip.text[:40]!r} … is {text_bytes} bytes, but the model reads at most {max_bytes}. "
            "Split the clip, or leave it out."
        )


__all__ = ["Clips", "check_processor", "length_limits", "spelled", "trainable_clips"]
