"""Scripts and prompts to the model's inputs, and its grid back to sound: DiaProcessor.

Knows tokenizer, feature extractor, codec and grid. Knows nothing of the model, nor how the folder is laid out.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import BatchFeature, DacModel
from transformers.processing_utils import AudioKwargs, ProcessingKwargs, ProcessorMixin

from dia.audio import files as audio_file
from dia.checkpoints import processor_files as processor_folder
from dia.codec import dac as codec
from dia.configuration_dia import (
    PUBLISHED_DELAY_PATTERN,
    PUBLISHED_HOP_LENGTH,
    PUBLISHED_SAMPLING_RATE,
    DiaConfig,
    DiaDecoderConfig,
    DiaEncoderConfig,
)
from dia.decoding import grid
from dia.decoding.grid import Channels
from dia.feature_extraction_dia import DiaFeatureExtractor, named_clips
from dia.tokenization_dia import DiaTokenizer

_OWN_OPTIONS = ("delay_pattern", "bos_token_id", "eos_token_id", "pad_token_id")


class DiaAudioKwargs(AudioKwargs, total=False):  # type: ignore[call-arg]
    """What `audio_kwargs` may hold beside the general options; the defaults are the processor's own attributes."""

    bos_token_id: int
    eos_token_id: int
    pad_token_id: int
    delay_pattern: list[int]
    generation: bool


class DiaProcessorKwargs(ProcessingKwargs, total=False):  # type: ignore[call-arg]
    """The keyword arguments of `DiaProcessor.__call__`."""

    audio_kwargs: DiaAudioKwargs

    _defaults = {  # noqa: RUF012 - the base class declares it so
        "text_kwargs": {
            "padding": True,
            "padding_side": "right",
            "add_special_tokens": False,
            "return_tensors": "pt",
        }
    }


class DiaProcessor(ProcessorMixin):
    """Everything around the model in one object. It keeps nothing about a call, so threads may share it.

    Args:
        feature_extractor: reads prompts; its rate and hop are the codec's.
        tokenizer: reads scripts.
        audio_tokenizer: the codec; None for a processor that only handles text and codes.
        delay_pattern: delay in rows of each channel; the published model's by default.
        bos_token_id: stands before a channel begins; the published model's by default, as are the next two.
        eos_token_id: ends a channel.
        pad_token_id: stands after a channel's end and where the model has yet to predict.

    Raises:
        TypeError: a part is of the wrong class.
        ValueError: the codec's channels, rate or hop do not fit the other parts.
    """

    audio_tokenizer_class = "DacModel"
    codec_dtype: torch.dtype | None = None  # that the codec decodes in, where it is not to be its own
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
    ) -> None:
        if not isinstance(feature_extractor, DiaFeatureExtractor):
            kind = type(feature_extractor)
            raise TypeError(
                f"feature_extractor is {kind.__module__}.{kind.__name__}; expected dia.DiaFeatureExtractor."
            )
        super().__init__(feature_extractor, tokenizer, audio_tokenizer=audio_tokenizer)
        published = DiaDecoderConfig()
        self.audio_tokenizer = audio_tokenizer
        self.delay_pattern = list(PUBLISHED_DELAY_PATTERN if delay_pattern is None else delay_pattern)
        self.bos_token_id = published.bos_token_id if bos_token_id is None else bos_token_id
        self.eos_token_id = published.eos_token_id if eos_token_id is None else eos_token_id
        self.pad_token_id = published.pad_token_id if pad_token_id is None else pad_token_id
        if audio_tokenizer is not None:
            _check_codec(audio_tokenizer, feature_extractor, self.delay_pattern, self.eos_token_id)

    @classmethod
    def for_config(
        cls, config: DiaConfig, audio_tokenizer: DacModel | None = None, pronunciations: Path | None = None
    ) -> "DiaProcessor":
        """For a model that brings none: with its codec's rate and hop, or the published; and its file of phones."""
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
        )

    @property
    def sampling_rate(self) -> int:
        """Hz of the sound that goes in and comes out."""
        return int(self.feature_extractor.sampling_rate)

    @property
    def frame_rate(self) -> float:
        """Frames per second of sound."""
        return self.sampling_rate / float(self.feature_extractor.hop_length)

    def __call__(
        self, text: str | Sequence[str], audio: Any = None, output_labels: bool | None = False, **kwargs: Any
    ) -> BatchFeature:
        """Prepare one script or a batch for the model, with audio prompts or, for training, target audio.

        Args:
            text: a script or a list of them.
            audio: what is spoken already: one clip per text, in any form that `DiaFeatureExtractor` reads, or int64
                codes [T, C]; None in the list where a text has none. Without it generation begins with BOS alone.
            output_labels: return `labels` too; needs `generation=False`.
            **kwargs: `generation` (True; False closes every clip with EOS for training), `sampling_rate` (Hz of the
                clips that bring none), `delay_pattern`, `bos_token_id`, `eos_token_id`, `pad_token_id`, and
                tokenizer options; or the same within `text_kwargs` and `audio_kwargs`. `padding`, `truncation` and
                `max_length` concern audio only inside `audio_kwargs`.

        Returns:
            `input_ids` and `attention_mask` [B, S]; `decoder_input_ids` [B, R, C], delayed, shorter prompts padded
            with BOS on the left; `decoder_attention_mask` [B, R]; on request `labels` [B · C, R], where -100 is
            ignored.

        Raises:
            TypeError, ValueError, FileNotFoundError: an argument is unusable; the message names it.
        """
        options = self._merge_kwargs(DiaProcessorKwargs, **kwargs)
        channels = self._channels(options["audio_kwargs"])
        generation = options["audio_kwargs"].get("generation", True)
        _check_mode(text, audio, generation, output_labels, options["text_kwargs"].get("return_tensors"))
        inputs = self.tokenizer(text, **options["text_kwargs"])
        rate = options["audio_kwargs"].get("sampling_rate")
        batch_size = len(inputs["input_ids"])
        codes, width = self._spoken(audio, batch_size, channels, rate, kwargs.get("audio_kwargs", {}))
        if not generation and any(clip is None for clip in codes):
            raise ValueError("audio holds None; training needs a clip for every text.")
        rows, mask = grid.prefill(codes, width, channels, closed=not generation)
        data = {**inputs, "decoder_input_ids": rows, "decoder_attention_mask": mask}
        if output_labels:
            data.update(grid.training_pair(rows, mask, channels))
        return BatchFeature(data)

    def encode_audio(self, audio: Any, sampling_rate: int | None = None, **options: Any) -> list[Tensor]:
        """Turn clips into codes.

        Args:
            audio: a clip or a list of clips, in any form that `DiaFeatureExtractor` reads.
            sampling_rate: Hz of the clips that do not bring their own rate.
            **options: `truncation` and `max_length` (samples) of the feature extractor.

        Returns:
            int64 codes [T, C] of every clip, on the CPU.
        """
        return self._encode(named_clips(audio, "audio"), sampling_rate, options)[0]

    def batch_decode(
        self, decoder_input_ids: Any, audio_prompt_len: int | Sequence[int] | Tensor | None = None, **kwargs: Any
    ) -> list[Tensor]:
        """Turn the model's output into sound.

        Args:
            decoder_input_ids: the whole grid [B, R, C], or the output object of `generate` that holds it.
            audio_prompt_len: rows to leave out at the beginning, see `get_audio_prompt_len`; one number or one per
                row. By default only BOS is left out, so a prompt is heard again.
            **kwargs: as in `__call__`: `delay_pattern` and token ids, where they are not the processor's.

        Returns:
            One float32 waveform [N] per row at `sampling_rate`, on the CPU; empty where nothing was spoken.

        Raises:
            ValueError: there is no codec, the grid does not fit the delay pattern, or a frame holds no code.
        """
        model, codes = self._codec("decoding"), self.undelayed_codes(decoder_input_ids, audio_prompt_len, **kwargs)
        return [waveform.cpu() for waveform in codec.decode(model, codes, dtype=self.codec_dtype)]

    def decode(
        self, decoder_input_ids: Any, audio_prompt_len: int | Sequence[int] | Tensor | None = None, **kwargs: Any
    ) -> Tensor:
        """Turn a single grid, [1, R, C] or [R, C], into one waveform [N]; otherwise as `batch_decode`."""
        rows = grid.as_grid(decoder_input_ids)
        if len(rows) != 1:
            raise ValueError(f"decoder_input_ids holds {len(rows)} grids; decode reads one, batch_decode several.")
        return self.batch_decode(rows, audio_prompt_len, **kwargs)[0]

    def undelayed_codes(
        self, decoder_input_ids: Any, audio_prompt_len: int | Sequence[int] | Tensor | None = None, **kwargs: Any
    ) -> list[Tensor]:
        """The frames that `batch_decode` decodes, int64 [T, C] per row on the CPU; needs no codec.

        A row ends where channel 0 says EOS or PAD; cut off before that, it gives every frame that is complete.
        """
        channels = self._channels(self._merge_kwargs(DiaProcessorKwargs, **kwargs)["audio_kwargs"])
        return grid.spoken(grid.as_grid(decoder_input_ids), audio_prompt_len, channels)

    def get_audio_prompt_len(self, decoder_attention_mask: Tensor, **kwargs: Any) -> int:
        """Rows of the grid that the prompts take, BOS and padding included; what `batch_decode` leaves out."""
        channels = self._channels(self._merge_kwargs(DiaProcessorKwargs, **kwargs)["audio_kwargs"])
        return int(decoder_attention_mask.shape[1]) - max(channels.pattern)

    def save_audio(
        self,
        audio: Any,
        saving_path: str | Path | Sequence[str | Path],
        sampling_rate: int | None = None,
        provenance: audio_file.Provenance | None = None,
        **kwargs: Any,
    ) -> None:
        """Write waveforms to files, each whole or not at all, in the format of the path's suffix.

        Samples beyond ±1 are clipped. Where the format has a comment field it says that the speech is synthetic.

        Args:
            audio: a waveform [N], or a list of them.
            saving_path: a path, or a list of as many paths.
            sampling_rate: Hz; the processor's by default.
            provenance: what the files shall say of model and seed.
            **kwargs: `audio_kwargs={"sampling_rate": …}` is read too.

        Raises:
            TypeError, ValueError, FileNotFoundError: a path or a waveform is unusable; what stood at the path stays.
        """
        clips = named_clips(audio, "audio")
        paths = [saving_path] if isinstance(saving_path, str | Path) else saving_path
        if not isinstance(paths, list | tuple) or not all(isinstance(path, str | Path) for path in paths):
            raise TypeError(f"saving_path is {type(saving_path).__name__}; expected a path or a list of paths.")
        if len(paths) != len(clips):
            raise ValueError(f"saving_path holds {len(paths)} paths for {len(clips)} waveforms; give one for each.")
        for path in paths:
            audio_file.file_format(Path(path))
        given = self._merge_kwargs(DiaProcessorKwargs, **kwargs)["audio_kwargs"].get("sampling_rate")
        rate = sampling_rate or given or self.sampling_rate
        for path, (name, clip) in zip(paths, clips.items(), strict=True):
            audio_file.write(path, clip, rate, name, provenance or audio_file.Provenance())

    def to_dict(self) -> dict[str, Any]:
        """What `processor_config.json` holds, but for where the codec is."""
        settings = {name: getattr(self, name) for name in _OWN_OPTIONS}
        return {**settings, "feature_extractor": self.feature_extractor.to_dict(), "processor_class": "DiaProcessor"}

    def save_pretrained(
        self,
        save_directory: str | os.PathLike[str],
        push_to_hub: bool = False,
        audio_tokenizer_reference: str | None = None,
        **kwargs: Any,
    ) -> list[str]:
        """Write everything into one folder that can be moved, the codec in its subfolder `audio_tokenizer`.

        A processor without a codec leaves the codec that the folder has.

        Args:
            save_directory: the folder; made if it is not there.
            push_to_hub: upload the folder as well.
            audio_tokenizer_reference: name this codec, a Hub id, instead of putting one inside.
            **kwargs: `repo_id` (the folder's name by default) and other options of `push_to_hub`.

        Returns:
            The path of processor_config.json.
        """
        folder = Path(save_directory)
        if folder.is_file():
            raise ValueError(f"save_directory {folder} is a file; name a folder.")
        self.feature_extractor.save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)
        written = processor_folder.write(folder, self.to_dict(), self.audio_tokenizer, audio_tokenizer_reference)
        if push_to_hub:
            self.push_to_hub(kwargs.pop("repo_id", folder.name), **kwargs)
        return [str(written)]

    @classmethod
    def get_processor_dict(
        cls, pretrained_model_name_or_path: str | os.PathLike[str], load_audio_tokenizer: bool = True, **kwargs: Any
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Read processor_config.json and load the codec it names; `from_pretrained` takes the same options.

        Args:
            pretrained_model_name_or_path: a folder or a Hub id.
            load_audio_tokenizer: False for a processor without a codec.
            **kwargs: options of the Hub, and values that override the file's.
        """
        hub = {key: kwargs.pop(key) for key in processor_folder.HUB_OPTIONS if key in kwargs}
        placing: dict[str, Any] = {key: kwargs.pop(key) for key in ("device_map", "dtype") if key in kwargs}
        with_codec = load_audio_tokenizer and "audio_tokenizer" not in kwargs
        return processor_folder.read(str(pretrained_model_name_or_path), with_codec, hub, placing), kwargs

    @classmethod
    def _get_arguments_from_pretrained(
        cls, pretrained_model_name_or_path: str, processor_dict: dict[str, Any] | None = None, **kwargs: Any
    ) -> list[Any]:
        # Not by the Auto classes, so that a processor of this package is made of parts of this package.
        hub = {key: kwargs[key] for key in processor_folder.HUB_OPTIONS if key in kwargs}
        parts = (DiaFeatureExtractor, DiaTokenizer)
        return [part.from_pretrained(pretrained_model_name_or_path, **hub) for part in parts]

    def _codec(self, purpose: str) -> DacModel:
        if self.audio_tokenizer is None:
            raise ValueError(
                f"{purpose} needs a codec, and this processor has none. Load it with its codec, or pass "
                f"audio_tokenizer=DacModel.from_pretrained(…) to DiaProcessor."
            )
        return self.audio_tokenizer

    def _channels(self, options: dict[str, Any]) -> Channels:
        pattern, *ids = (options.get(name, getattr(self, name)) for name in _OWN_OPTIONS)
        for name, value in zip(_OWN_OPTIONS, (pattern, *ids), strict=True):
            if value is None:
                raise ValueError(f"{name} is None; leave it out to use the processor's own.")
        return Channels(list(pattern), *ids)

    def _spoken(
        self, audio: Any, batch_size: int, channels: Channels, rate: int | None, options: dict[str, Any]
    ) -> tuple[list[Tensor | None], int]:
        """The codes of every text's audio, None where there is none, and for how many frames to make room."""
        if audio is None:
            return [None] * batch_size, 0
        clips = named_clips(audio, "audio")
        if len(clips) != batch_size:
            raise ValueError(
                f"audio holds {len(clips)} clips for {batch_size} texts; give one for each, None where there is none."
            )
        codes = {name: clip if _is_codes(clip, channels) else None for name, clip in clips.items()}
        sounds = {name: clip for name, clip in clips.items() if clip is not None and codes[name] is None}
        encoded, width = self._encode(sounds, rate, options) if sounds else ([], 0)
        codes.update(zip(sounds, encoded, strict=True))
        return list(codes.values()), width

    def _encode(self, clips: dict[str, Any], rate: int | None, options: dict[str, Any]) -> tuple[list[Tensor], int]:
        """Codes of named clips, and the frames they are padded to."""
        model = self._codec("audio")
        waveforms = [self.feature_extractor.load(clip, rate, name) for name, clip in clips.items()]
        shape = {key: options[key] for key in ("padding", "truncation", "max_length") if key in options}
        features = self.feature_extractor(waveforms, return_tensors="pt", **shape)
        hop = codec.hop_length(model.config)
        lengths = [-(-int(mask.sum()) // hop) * hop for mask in features["padding_mask"]]
        waves = [wave[0, :length] for wave, length in zip(features["input_values"], lengths, strict=True)]
        return [clip.cpu() for clip in codec.encode(model, waves)], features["padding_mask"].shape[1] // hop


def _check_codec(model: DacModel, extractor: DiaFeatureExtractor, pattern: Sequence[int], eos: Any) -> None:
    config = model.config
    facts = [
        ("codebooks", config.n_codebooks, "delay_pattern has", len(pattern)),
        ("Hz", config.sampling_rate, "feature_extractor.sampling_rate is", extractor.sampling_rate),
        ("samples per frame", codec.hop_length(config), "feature_extractor.hop_length is", extractor.hop_length),
    ]
    for unit, has, other, value in facts:
        if has != value:
            raise ValueError(f"audio_tokenizer has {has} {unit}, but {other} {value}. Use parts made for each other.")
    if eos < config.codebook_size:
        raise ValueError(f"eos_token_id={eos} is a code of the codec, whose codes end at {config.codebook_size}.")


def _check_mode(text: Any, audio: Any, generation: bool, output_labels: bool | None, return_tensors: Any) -> None:
    if text is None:
        raise ValueError("text is None; give a script or a list of scripts.")
    if return_tensors != "pt":
        raise ValueError(f"return_tensors is {return_tensors!r}; only 'pt' is supported.")
    if generation and output_labels:
        raise ValueError("output_labels=True is for training; pass generation=False with it.")
    if not generation and audio is None:
        raise ValueError("audio is missing; training (generation=False) needs a clip for every text.")


def _is_codes(clip: Any, channels: Channels) -> bool:
    # No PCM has 64 bits, so int64 can only mean codes.
    return isinstance(clip, Tensor) and clip.dtype == torch.int64 and clip.shape[1:] == (len(channels.pattern),)


__all__ = ["DiaProcessor"]
