"""`DiaProcessor`: converts scripts and audio prompts to model inputs, and generated grids to audio.

Independent of the model and of the folder layout.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import BatchFeature, DacModel
from transformers.processing_utils import AudioKwargs, ProcessingKwargs

from dia.audio.clips import named_clips
from dia.audio.files import Provenance
from dia.audio.saving import save
from dia.checkpoints.processor_files import OWN_OPTIONS
from dia.checkpoints.saved_processor import SavedProcessor
from dia.codec import dac as codec
from dia.codec.speaker_encoder import SpeakerEncoder
from dia.configuration_dia import (
    PUBLISHED_DELAY_PATTERN,
    PUBLISHED_HOP_LENGTH,
    PUBLISHED_SAMPLING_RATE,
    DiaConfig,
    DiaDecoderConfig,
    DiaEncoderConfig,
)
from dia.decoding import delay, grid
from dia.decoding.grid import Channels, check_channels, checked_pattern, codes_of
from dia.feature_extraction_dia import DiaFeatureExtractor
from dia.text.prompt_format import end_all_turns
from dia.tokenization_dia import DiaTokenizer


class DiaAudioKwargs(AudioKwargs, total=False):  # type: ignore[call-arg]
    """Options of `audio_kwargs` in addition to the general ones. The processor's attributes are the defaults."""

    bos_token_id: int
    eos_token_id: int
    pad_token_id: int
    delay_pattern: list[int]
    generation: bool


class DiaProcessorKwargs(ProcessingKwargs, total=False):  # type: ignore[call-arg]
    """Keyword arguments of `DiaProcessor.__call__`."""

    audio_kwargs: DiaAudioKwargs

    _defaults = {  # noqa: RUF012 - the base class declares it so
        "text_kwargs": {"padding": True, "padding_side": "right", "add_special_tokens": False, "return_tensors": "pt"}
    }


class DiaProcessor(SavedProcessor):
    """Combines tokenizer, feature extractor and codec. Stores no state of a call, so threads can share it.

    Args:
        feature_extractor: reads audio prompts; must have the codec's sampling rate and hop length.
        tokenizer: reads scripts.
        audio_tokenizer: the codec, or None for a processor that handles only text and codes.
        delay_pattern: delay of each channel in rows; by default that of Dia-1.6B. A call can override it.
        bos_token_id: fills the grid before a channel starts; by default that of Dia-1.6B, as the next two.
        eos_token_id: ends a channel.
        pad_token_id: fills the grid after a channel's end and in the cells to predict.
        final_stop: add a full stop to turns without one, see `dia.text.prompt_format`. `from_pretrained` reads it
            from the folder; Dia-1.6B does not need it.
        speaker_encoder: describes the voice of a prompt in the text, for a small model; Dia-1.6B has none.

    Raises:
        TypeError: a part has the wrong class, or `final_stop` is not a bool.
        ValueError: the codec does not match the feature extractor or `delay_pattern`, or the speaker encoder has
            marks that the tokenizer lacks, or another number of channels or codes.
    """

    audio_tokenizer_class = "DacModel"
    codec_dtype: torch.dtype | None = None  # dtype for decoding; None uses the codec's own
    valid_processor_kwargs = DiaProcessorKwargs

    def __init__(
        self,
        feature_extractor: DiaFeatureExtractor,
        tokenizer: DiaTokenizer,
        audio_tokenizer: DacModel | None = None,
        delay_pattern: Sequence[int] | None = None,
        bos_token_id: int | None = None,
        eos_token_id: int | None = None,
        pad_token_id: int | None = None,
        final_stop: bool = False,
        speaker_encoder: SpeakerEncoder | None = None,
    ) -> None:
        if not isinstance(feature_extractor, DiaFeatureExtractor):
            kind = type(feature_extractor)
            raise TypeError(
                f"feature_extractor is {kind.__module__}.{kind.__name__}; expected dia.DiaFeatureExtractor."
            )
        if not isinstance(final_stop, bool):
            raise TypeError(f"final_stop is {final_stop!r}; expected True or False.")
        super().__init__(feature_extractor, tokenizer, audio_tokenizer=audio_tokenizer)
        published = DiaDecoderConfig()
        self.audio_tokenizer = audio_tokenizer
        self.delay_pattern = checked_pattern(PUBLISHED_DELAY_PATTERN if delay_pattern is None else delay_pattern)
        self.final_stop = final_stop
        self.speaker_encoder = speaker_encoder
        self.bos_token_id = published.bos_token_id if bos_token_id is None else bos_token_id
        self.eos_token_id = published.eos_token_id if eos_token_id is None else eos_token_id
        self.pad_token_id = published.pad_token_id if pad_token_id is None else pad_token_id
        if audio_tokenizer is not None:
            _check_rates(audio_tokenizer, feature_extractor)
            if delay_pattern is not None:
                check_channels(audio_tokenizer, self.channels)
        if speaker_encoder is not None:
            known = tokenizer.pronunciations.phones if tokenizer.pronunciations else ()
            speaker_encoder.check_fits(known, len(self.delay_pattern), self.eos_token_id)

    @classmethod
    def for_config(
        cls,
        config: DiaConfig,
        audio_tokenizer: DacModel | None = None,
        pronunciations: Path | None = None,
        speaker_encoder: SpeakerEncoder | None = None,
    ) -> "DiaProcessor":
        """Create a processor for a model without one. The codec sets rate and hop length, by default Dia-1.6B's."""
        encoder, decoder = config.encoder_config, config.get_text_config()
        assert isinstance(encoder, DiaEncoderConfig)
        rate, hop = PUBLISHED_SAMPLING_RATE, PUBLISHED_HOP_LENGTH
        if audio_tokenizer is not None:
            rate, hop = audio_tokenizer.config.sampling_rate, codec.hop_length(audio_tokenizer.config)
        return cls(
            DiaFeatureExtractor(sampling_rate=rate, hop_length=hop),
            DiaTokenizer(max_length=encoder.max_position_embeddings, pronunciations_file=pronunciations),
            audio_tokenizer,
            delay_pattern=config.delay_pattern,
            bos_token_id=decoder.bos_token_id,
            eos_token_id=decoder.eos_token_id,
            pad_token_id=decoder.pad_token_id,
            speaker_encoder=speaker_encoder,
        )

    @property
    def sampling_rate(self) -> int:
        """Hz of the codec's audio, or of the feature extractor if there is no codec."""
        model = self.audio_tokenizer
        return int((self.feature_extractor if model is None else model.config).sampling_rate)

    @property
    def channels(self) -> Channels:
        """The delay of each channel and the special ids."""
        return self._channels({})

    @property
    def frame_rate(self) -> float:
        """Codec frames per second of audio."""
        model = self.audio_tokenizer
        hop = self.feature_extractor.hop_length if model is None else codec.hop_length(model.config)
        return self.sampling_rate / float(hop)

    def __call__(
        self,
        text: str | Sequence[str],
        audio: Any = None,
        output_labels: bool | None = False,
        *,
        final_stop: bool | None = None,
        **kwargs: Any,
    ) -> BatchFeature:
        """Prepare one script or a batch for the model, with audio prompts or, for training, target audio.

        Args:
            text: a script or a list of scripts.
            audio: the prompts: one clip per text, in any form that `DiaFeatureExtractor` reads, or int64 codes
                [T, C]; None for a text without a prompt. By default generation starts from BOS.
            output_labels: also return `labels`; requires `generation=False`.
            final_stop: add a full stop to turns without one; by default as the model expects. False changes nothing.
            **kwargs: `generation` (True by default; False ends every clip with EOS for training), `sampling_rate` (Hz
                of clips without a rate), `delay_pattern`, `bos_token_id`, `eos_token_id`, `pad_token_id`, and
                tokenizer options. They can also be given in `text_kwargs` and `audio_kwargs`. `padding`, `truncation`
                and `max_length` apply to audio only inside `audio_kwargs`.

        Returns:
            `input_ids` and `attention_mask` [B, S]; `decoder_input_ids` [B, R, C], delayed, with shorter prompts
            padded with BOS on the left; `decoder_attention_mask` [B, R]; if requested `labels` [B · C, R], -100 where
            the loss ignores a cell.

        Raises:
            TypeError, ValueError, FileNotFoundError: an argument is invalid; the message names it.
        """
        options = self._options(kwargs)
        channels = self._channels(options["audio_kwargs"])
        generation = options["audio_kwargs"].get("generation", True)
        _check_mode(text, audio, generation, output_labels, options["text_kwargs"].get("return_tensors"))
        ended = end_all_turns(text) if (self.final_stop if final_stop is None else final_stop) else text
        inputs = self.tokenizer(ended, **options["text_kwargs"])
        rate = options["audio_kwargs"].get("sampling_rate")
        codes, width = self._prompt_codes(audio, len(inputs.input_ids), channels, rate, kwargs.get("audio_kwargs", {}))
        if not generation and any(clip is None for clip in codes):
            raise ValueError("audio contains None; training needs a clip for every text.")
        if generation and self.speaker_encoder is not None and audio is not None:
            inputs = self._describing(ended, codes, inputs, options["text_kwargs"])
        rows, mask = grid.prefill(codes, width, channels, closed=not generation)
        data = {**inputs, "decoder_input_ids": rows, "decoder_attention_mask": mask}
        if output_labels:
            data.update(grid.training_pair(rows, mask, channels))
        return BatchFeature(data)

    def encode_audio(self, audio: Any, sampling_rate: int | None = None, **options: Any) -> list[Tensor]:
        """Encode clips.

        Args:
            audio: a clip or a list of clips, in any form that `DiaFeatureExtractor` reads.
            sampling_rate: Hz of clips without a rate of their own.
            **options: `truncation` and `max_length` (samples) of the feature extractor.

        Returns:
            int64 codes [T, C] of every clip, on the CPU.
        """
        return self._encode(named_clips(audio, "audio"), sampling_rate, options)[0]

    def batch_decode(
        self, decoder_input_ids: Any, audio_prompt_len: int | Sequence[int] | Tensor | None = None, **kwargs: Any
    ) -> list[Tensor]:
        """Decode generated grids to audio.

        Args:
            decoder_input_ids: the grids [B, R, C], or the output object of `generate`.
            audio_prompt_len: number of rows to skip at the start, see `get_audio_prompt_len`; one number, or one per
                grid. By default only BOS is skipped, so the audio includes the prompt.
            **kwargs: `delay_pattern` and token ids, as in `__call__`, to override the processor's.

        Returns:
            One float32 waveform [N] per grid at `sampling_rate`, on the CPU; empty if the grid has no speech.

        Raises:
            ValueError: no codec, a grid that is too short or does not match the delay pattern, or an invalid code.
        """
        model, channels = self._codec("decoding"), self._channels_of(kwargs)
        check_channels(model, channels)
        grid.check_row_count(rows := grid.as_grid(decoder_input_ids), channels)
        codes = grid.spoken(rows, audio_prompt_len, channels)
        return [waveform.cpu() for waveform in codec.decode(model, codes, dtype=self.codec_dtype)]

    def decode(
        self, decoder_input_ids: Any, audio_prompt_len: int | Sequence[int] | Tensor | None = None, **kwargs: Any
    ) -> Tensor:
        """Decode a single grid, [1, R, C] or [R, C], to one waveform [N]. See `batch_decode`."""
        rows = grid.as_grid(decoder_input_ids)
        if len(rows) != 1:
            raise ValueError(f"decoder_input_ids has {len(rows)} grids, but decode takes one; use batch_decode.")
        return self.batch_decode(rows, audio_prompt_len, **kwargs)[0]

    def undelayed_codes(
        self, decoder_input_ids: Any, audio_prompt_len: int | Sequence[int] | Tensor | None = None, **kwargs: Any
    ) -> list[Tensor]:
        """The frames that `batch_decode` decodes, int64 [T, C] per grid, on the CPU. Needs no codec.

        Speech ends where channel 0 is EOS or PAD. A grid that ends earlier gives all complete frames.
        """
        return grid.spoken(grid.as_grid(decoder_input_ids), audio_prompt_len, self._channels_of(kwargs))

    def get_audio_prompt_len(self, decoder_attention_mask: Tensor, **kwargs: Any) -> int:
        """Number of prompt rows in the grid, including BOS and padding, for `audio_prompt_len`."""
        return int(decoder_attention_mask.shape[1]) - max(self._channels_of(kwargs).pattern)

    def save_audio(
        self,
        audio: Any,
        saving_path: str | Path | Sequence[str | Path],
        sampling_rate: int | None = None,
        provenance: Provenance | None = None,
        metadata: Any = None,
        watermark: bool = False,
        **kwargs: Any,
    ) -> None:
        """Write waveforms to audio files. The file name suffix selects the format. Each write is atomic.

        Samples beyond ±1 are clipped. If the format has a comment field, the comment marks the speech as synthetic.

        Args:
            audio: a waveform [N], or a list of waveforms; a pair or dict with a rate keeps it.
            saving_path: a path, or a list with one path per waveform.
            sampling_rate: Hz; by default the processor's.
            provenance: model and seed to store in the comment.
            metadata: `{"title", "artist", "comment", "chapters": [(seconds, title), …]}`, or a list with one for each.
            watermark: also put an inaudible watermark into the sound, see docs/provenance.md.
            **kwargs: `audio_kwargs={"sampling_rate": …}` is also accepted.

        Raises:
            TypeError, ValueError, FileNotFoundError: a path or waveform is invalid; an existing file is not changed.
            ImportError: the format, or chapters, need `pip install 'dia-tts[media]'`.
        """
        given = self._options(kwargs)["audio_kwargs"].get("sampling_rate")
        rate = sampling_rate or given or self.sampling_rate
        save(audio, saving_path, rate, provenance, metadata, watermark, name="saving_path")

    def check_codec(self) -> None:
        """Raise an error if the codec does not match the other parts. Loading does not check this.

        Raises:
            ValueError: the codec has another sampling rate, hop length or number of channels.
        """
        if self.audio_tokenizer is not None:
            _check_rates(self.audio_tokenizer, self.feature_extractor)
            check_channels(self.audio_tokenizer, self.channels)

    @staticmethod
    def build_indices(
        bsz: int, seq_len: int, num_channels: int, delay_pattern: list[int], revert: bool = False
    ) -> tuple[Tensor, Tensor]:
        """Source indices of each cell of a delayed grid [B, R, C], or with `revert` of an undelayed grid.

        Returns:
            The source row, int32 [B, R, C], negative or too large if it is outside the grid; and batch, row and
            channel, int64 [B · R · C, 3], with the row clamped to the grid.
        """
        return delay.shift_indices(bsz, seq_len, num_channels, delay_pattern, revert)

    @staticmethod
    def apply_audio_delay(
        audio: Tensor, pad_token_id: int, bos_token_id: int, precomputed_idx: tuple[Tensor, Tensor]
    ) -> Tensor:
        """Gather cells of `audio` [B, R, C] by `build_indices`. Source rows before the grid are BOS, after it PAD."""
        return delay.shift(audio, precomputed_idx, bos_token_id, pad_token_id)

    def _options(self, kwargs: dict[str, Any]) -> dict[str, Any]:
        """Group keyword arguments by the part they configure. The tokenizer's init arguments are its defaults."""
        # The tokenizer's `max_length` is a limit, not a length to pad or truncate to.
        loaded = {key: value for key, value in self.tokenizer.init_kwargs.items() if key != "max_length"}
        return dict(self._merge_kwargs(DiaProcessorKwargs, tokenizer_init_kwargs=loaded, **kwargs))

    def _describing(
        self, text: str | Sequence[str], codes: Sequence[Tensor | None], inputs: Any, options: dict[str, Any]
    ) -> Any:
        """The tokenized texts, with the voices of their prompts described; offsets refer to the texts given."""
        assert self.speaker_encoder is not None
        texts = [text] if isinstance(text, str) else list(text)
        described = [
            one if clip is None else self.speaker_encoder.described(one, clip)
            for one, clip in zip(texts, codes, strict=True)
        ]
        if described == texts:
            return inputs
        inputs = self.tokenizer(described[0] if isinstance(text, str) else described, **options)
        for row, (one, longer) in enumerate(zip(texts, described, strict=True)):
            if "offset_mapping" in inputs and one != longer:
                start = next(at for at, (a, b) in enumerate(zip(one, longer, strict=False)) if a != b)
                offsets = inputs["offset_mapping"][row]
                offsets -= (offsets - start).clamp(0, len(longer) - len(one))
        return inputs

    def _codec(self, purpose: str) -> DacModel:
        if self.audio_tokenizer is None:
            raise ValueError(
                f"{purpose} needs a codec, but the processor has none. Load it with its codec, or pass "
                f"audio_tokenizer=DacModel.from_pretrained(…) to DiaProcessor."
            )
        return self.audio_tokenizer

    def _channels_of(self, kwargs: dict[str, Any]) -> Channels:
        """The channels for the keyword arguments of a method."""
        return self._channels(self._options(kwargs)["audio_kwargs"]) if kwargs else self.channels

    def _channels(self, options: dict[str, Any]) -> Channels:
        pattern, *ids = values = [options.get(name, getattr(self, name)) for name in OWN_OPTIONS]
        if None in values:
            raise ValueError(f"{OWN_OPTIONS[values.index(None)]} is None; omit it to use the processor's value.")
        return Channels(checked_pattern(pattern), *ids)

    def _prompt_codes(
        self, audio: Any, batch_size: int, channels: Channels, rate: int | None, options: dict[str, Any]
    ) -> tuple[list[Tensor | None], int]:
        """The codes of each text's audio, or None, and the number of frames to pad them to."""
        if audio is None:
            return [None] * batch_size, 0
        clips = named_clips(audio, "audio")
        if len(clips) != batch_size:
            raise ValueError(
                f"audio has {len(clips)} clips for {batch_size} texts; pass one for each, None for a text without one."
            )
        codes = {name: codes_of(clip, channels, name) for name, clip in clips.items()}
        waveforms = {name: clip for name, clip in clips.items() if clip is not None and codes[name] is None}
        if waveforms and self.audio_tokenizer is not None:
            check_channels(self.audio_tokenizer, channels)
        encoded, width = self._encode(waveforms, rate, options) if waveforms else ([], 0)
        codes.update(zip(waveforms, encoded, strict=True))
        return list(codes.values()), width

    def _encode(self, clips: dict[str, Any], rate: int | None, options: dict[str, Any]) -> tuple[list[Tensor], int]:
        """The codes of named clips, and the number of frames they are padded to."""
        model = self._codec("audio")
        _check_rates(model, self.feature_extractor)
        waveforms = [self.feature_extractor.load(clip, rate, name) for name, clip in clips.items()]
        shape = {key: options[key] for key in ("padding", "truncation", "max_length") if key in options}
        features = self.feature_extractor(waveforms, return_tensors="pt", **shape)
        hop, waves = codec.hop_length(model.config), []
        for wave, mask in zip(features["input_values"], features["padding_mask"], strict=True):
            start = int(mask.argmax())  # not 0 for clips padded on the left
            waves.append(wave[0, start : start + -(-int(mask.sum()) // hop) * hop])
        return [clip.cpu() for clip in codec.encode(model, waves)], features["padding_mask"].shape[1] // hop


def _check_rates(model: DacModel, extractor: DiaFeatureExtractor) -> None:
    for unit, has, name in (
        ("Hz", model.config.sampling_rate, "sampling_rate"),
        ("samples per frame", codec.hop_length(model.config), "hop_length"),
    ):
        if has != (value := getattr(extractor, name)):
            fact = f"audio_tokenizer has {has} {unit}, but feature_extractor.{name} is {value}."
            raise ValueError(f"{fact} Use parts of the same checkpoint.")


def _check_mode(text: Any, audio: Any, generation: bool, output_labels: bool | None, return_tensors: Any) -> None:
    if text is None:
        raise ValueError("text is None; pass a script or a list of scripts.")
    if return_tensors != "pt":
        raise ValueError(f"return_tensors is {return_tensors!r}; only 'pt' is supported.")
    if generation and output_labels:
        raise ValueError("output_labels=True needs generation=False, because labels are for training.")
    if not generation and audio is None:
        raise ValueError("audio is missing; training (generation=False) needs a clip for every text.")


__all__ = ["DiaProcessor"]
