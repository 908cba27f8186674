"""`Dia`, the facade: script in, speech out. Chooses device and dtype; everything else is done by the parts inside."""

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm
from transformers import DacModel, GenerationConfig
from transformers.generation.streamers import BaseStreamer
from transformers.utils import FEATURE_EXTRACTOR_NAME, GENERATION_CONFIG_NAME, cached_file

from dia import MINI, native
from dia.modeling_dia import DiaForConditionalGeneration
from dia.native_layout import layout_of
from dia.passes import Speech
from dia.placement import choose_device, choose_dtype, place, place_codec
from dia.processing_dia import DiaProcessor
from dia.processor_folder import PROCESSOR_FILE
from dia.quantized_loading import load_quantized
from dia.sampling import published_generation_config

REAL = "nari-labs/Dia-1.6B-0626"
REAL_CODEC = "descript/dac_44khz"

_HUB_OPTIONS = ("revision", "token", "cache_dir", "local_files_only")

_DEPRECATED = "audio_prompt_path and use_cfg_filter are deprecated; pass audio_prompt, and leave use_cfg_filter out."

Prompt = Any  # a path, waveform, {"array", "sampling_rate"} or codes [T, C]; what DiaFeatureExtractor reads


class Dia:
    """A model and its processor behind three calls: load, generate, save.

    Args:
        model: the network, on its device and in its dtype.
        processor: text, prompts and codes; without a codec it gives codes in place of sound.

    Attributes:
        model: the `DiaForConditionalGeneration` inside.
        processor: the `DiaProcessor` inside.
    """

    def __init__(self, model: DiaForConditionalGeneration, processor: DiaProcessor) -> None:
        self.model = model
        self.processor = processor

    @classmethod
    def from_pretrained(
        cls,
        name_or_path: str | Path = REAL,
        device: str | torch.device | None = None,
        compute_dtype: str | torch.dtype | None = None,
        load_dac: bool = True,
        quantization: str | None = None,
        **kwargs: Any,
    ) -> "Dia":
        """Load a model by name.

        Args:
            name_or_path: a folder or a Hub id, in the Hugging Face or the native layout; "mini" is the embedded model.
            device: "cuda", "mps", "cpu", …; by default the first of these that is there.
            compute_dtype: "float32", "bfloat16" or "float16"; by default the fastest that is safe on the device.
            load_dac: load the codec too. Without it `generate` returns codes.
            quantization: "int8" or "int4" weights: half and a third of the memory of half precision, and faster on
                CPUs. See docs/quantization.md for what it costs.
            **kwargs: for transformers' `from_pretrained`: `revision`, `token`, `attn_implementation`, …

        Raises:
            OSError: there is no such checkpoint.
            ValueError: the checkpoint is damaged or an argument is not known.
        """
        path = MINI if str(name_or_path) == "mini" else Path(name_or_path)
        source = str(path) if path.is_dir() else str(name_or_path)
        if not path.is_dir() and (path.is_absolute() or source.startswith(".") or len(path.parts) > 2):
            raise OSError(f'there is no folder {source}; name one, a Hub id such as {REAL}, or "mini".')
        device = choose_device(device)
        if "device_map" in kwargs and compute_dtype is not None:
            kwargs["dtype"] = compute_dtype
        hub: dict[str, Any] = {name: kwargs[name] for name in _HUB_OPTIONS if name in kwargs}
        model = load_quantized(source, quantization, hub, kwargs)
        if model is None:
            model = DiaForConditionalGeneration.from_pretrained(source, **kwargs)
        processor = _load_processor(source, model, load_dac, hub)
        return cls(place(model, device, compute_dtype), place_codec(processor, device, compute_dtype))

    @classmethod
    def from_local(
        cls,
        config_path: str | Path,
        checkpoint_path: str | Path,
        device: str | torch.device | None = None,
        compute_dtype: str | torch.dtype | None = None,
        load_dac: bool = True,
        codec_path: str | Path = REAL_CODEC,
    ) -> "Dia":
        """Load a config.json and one file of weights, native or in the Hugging Face layout.

        Args:
            config_path: the config.json, of either native generation or of transformers.
            checkpoint_path: the weights, `.safetensors` or `.pth`.
            device: as in `from_pretrained`.
            compute_dtype: as in `from_pretrained`.
            load_dac: load the codec too.
            codec_path: folder or Hub id of the codec.

        Raises:
            ValueError: a file is missing, damaged, or does not fit the other.
        """
        device = choose_device(device)
        config, tensors = native.read_config(config_path), native.read_tensors([checkpoint_path])
        if layout_of(tensors) == "native":
            tensors = native.convert_state_dict(tensors, config)
        model = DiaForConditionalGeneration.from_pretrained(None, config=config, state_dict=tensors)
        beside = Path(config_path).with_name(GENERATION_CONFIG_NAME)
        model.generation_config = (
            GenerationConfig.from_pretrained(beside.parent)
            if beside.is_file()
            else published_generation_config(config)
        )
        audio_tokenizer = DacModel.from_pretrained(codec_path) if load_dac else None
        processor = DiaProcessor.for_config(config, audio_tokenizer)
        return cls(place(model, device, compute_dtype), place_codec(processor, device, compute_dtype))

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        return torch.device(self.model.device)

    @property
    def dtype(self) -> torch.dtype:
        """What the model computes in."""
        dtype: torch.dtype = self.model.dtype
        return dtype

    @property
    def sample_rate(self) -> int:
        """Hz of what `generate` returns."""
        return int(self.processor.feature_extractor.sampling_rate)

    @property
    def speech(self) -> Speech:
        """What speaks: one pass of the model, on which everything longer is built."""
        return Speech(self.model, self.processor)

    def generate(
        self,
        text: str | Sequence[str],
        max_tokens: int | None = None,
        cfg_scale: float | None = None,
        temperature: float | None = None,
        top_p: float | None = None,
        use_torch_compile: bool = False,
        cfg_filter_top_k: int | None = None,
        audio_prompt: Prompt | Sequence[Prompt | None] | None = None,
        audio_prompt_path: str | Path | None = None,
        use_cfg_filter: bool | None = None,
        verbose: bool = False,
        *,
        audio_prompt_text: str | Sequence[str | None] | None = None,
        seed: int | Sequence[int] | None = None,
    ) -> Any:
        """Speak a script, or several at once.

        Args:
            text: `[S1] … [S2] …`, or a list of such scripts.
            max_tokens: rows of the grid at most, prompt and delay included; by default the checkpoint's own.
            cfg_scale: guidance, 0 or more; more follows the text more closely. As in the native package 0 alone
                is unguided.
            temperature: above 0; 0 is greedy.
            top_p: nucleus of the sampling, above 0 and at most 1.
            use_torch_compile: compile the model on first use.
            cfg_filter_top_k: candidates that guidance leaves.
            audio_prompt: a voice to go on with: a path, a waveform at `sample_rate`, a dict
                `{"array", "sampling_rate"}`, or the codes of `load_audio`; for several texts a list, with None where
                there is none.
            audio_prompt_path: deprecated, `audio_prompt` takes paths too.
            use_cfg_filter: deprecated and ignored, guidance always chooses candidates.
            verbose: print device and dtype, and show progress.
            audio_prompt_text: what is said in the prompt; it is put before the text. Or put it there yourself.
            seed: makes the result repeatable; one for all texts, or one per text. A text sounds the same alone and
                among others.

        Returns:
            For a str one float32 array [N] at `sample_rate`, without the prompt; for a list a list of them. Without a
            codec, int64 codes [T, C] in their place.

        Raises:
            TypeError: an argument has the wrong type; the message names it.
            ValueError: an argument is empty, too long or out of range; the message names it.
        """
        if not isinstance(text, str | list | tuple):
            raise TypeError(f"text is {type(text).__name__}; expected a script or a list of scripts.")
        if audio_prompt_path is not None or use_cfg_filter is not None:
            warnings.warn(_DEPRECATED, FutureWarning, stacklevel=2)
        audio_prompt = audio_prompt_path if audio_prompt is None else audio_prompt
        scripts = [text] if isinstance(text, str) else list(text)
        prompts = _one_per_text(audio_prompt, len(scripts), "audio_prompt")
        transcripts = _one_per_text(audio_prompt_text, len(scripts), "audio_prompt_text")
        seeds = _one_per_text(seed, len(scripts), "seed")
        _check_types(transcripts, "audio_prompt_text", str)
        _check_types(seeds, "seed", int)
        scripts = [f"{said.strip()} {new}" if said else new for said, new in zip(transcripts, scripts, strict=True)]
        settings = self._settings(max_tokens, cfg_scale, temperature, top_p, cfg_filter_top_k)
        if use_torch_compile:
            self._compile()
        if verbose:
            print(f"Dia on {self.device}, {str(self.dtype).removeprefix('torch.')}")
        progress = _Progress(self.processor.frame_rate) if verbose else None
        spoken = self.speech(scripts, self._prompt_codes(prompts), seeds, settings, progress)
        codes = [one.codes for one in spoken]
        answers = codes if self.processor.audio_tokenizer is None else self.speech.sounds(codes)
        return answers[0] if isinstance(text, str) else answers

    def save_audio(self, path: str | Path, audio: Any) -> None:
        """Write what `generate` returned; the suffix chooses the format, a tag says that the speech is synthetic.

        Args:
            path: one path, or a list of them for a list of waveforms.
            audio: [N] at `sample_rate`, array or tensor, or a list of them.

        Raises:
            ValueError: the format is not known or the samples are no sound; nothing is written.
        """
        self.processor.save_audio(audio, path)

    def load_audio(self, path: str | Path) -> Tensor:
        """Read a recording as codes [T, C], ready to be an `audio_prompt` any number of times.

        Raises:
            ValueError: the file is no sound, too short, or the codec was not loaded.
        """
        return self.processor.encode_audio([str(path)])[0].cpu()

    def _settings(
        self,
        max_tokens: int | None,
        cfg_scale: float | None,
        temperature: float | None,
        top_p: float | None,
        top_k: int | None,
    ) -> dict[str, Any]:
        """The keywords of transformers' `generate` that say the same; what is None stays the model's own."""
        rows = max(self.model.config.delay_pattern)
        _check_number(cfg_scale, "cfg_scale", "0 or more", lambda value: value >= 0)
        _check_number(temperature, "temperature", "0 (greedy) or more", lambda value: value >= 0)
        _check_number(top_p, "top_p", "above 0 and at most 1", lambda value: 0 < value <= 1)
        _check_number(top_k, "cfg_filter_top_k", "1 or more", lambda value: value >= 1)
        _check_number(max_tokens, "max_tokens", f"{rows + 3} or more", lambda value: value >= rows + 3)
        settings: dict[str, Any] = {"top_p": top_p, "top_k": top_k}
        if cfg_scale is not None:
            # To transformers exactly 1 means no guidance; the native package guides at 1 as at any other scale.
            settings["guidance_scale"] = float(np.nextafter(1.0, 2.0)) if cfg_scale == 1 else cfg_scale
        if temperature is not None:
            settings |= {"do_sample": True, "temperature": temperature} if temperature else {"do_sample": False}
        if max_tokens is not None:
            settings["max_length"] = max_tokens - rows
        return {name: value for name, value in settings.items() if value is not None}

    def _compile(self) -> None:
        if self.device.type == "cpu" and getattr(self.model, "is_quantized", False):
            warnings.warn("quantised weights on a CPU have kernels that are compiled already.", stacklevel=3)
        elif getattr(self.model, "_compiled_call_impl", None) is None:
            self.model.compile(dynamic=True)

    def _prompt_codes(self, prompts: Sequence[Prompt | None]) -> list[Tensor | None]:
        """Every prompt as codes [T, C]; what is codes already stays as it is."""
        codes = [prompt if _is_codes(prompt) else None for prompt in prompts]
        for row, prompt in enumerate(prompts):
            if prompt is not None and codes[row] is None:
                codes[row] = self.processor.encode_audio([prompt])[0]
        return codes


class _Progress(BaseStreamer):
    """A progress bar in frames and seconds of speech; the total is not known before the speech ends."""

    def __init__(self, frame_rate: float) -> None:
        self._bar: Any = None
        self._frame_rate = frame_rate

    def put(self, value: Tensor) -> None:
        if self._bar is None:  # the prompt's grid comes first
            self._bar = tqdm(unit=" frames", desc="speaking", leave=False)
            return
        self._bar.update()
        if self._bar.n % 16 == 0:
            self._bar.set_postfix_str(f"{self._bar.n / self._frame_rate:.1f} s of speech")

    def end(self) -> None:
        if self._bar is not None:
            self._bar.close()


def _load_processor(
    source: str, model: DiaForConditionalGeneration, load_dac: bool, hub: Mapping[str, Any]
) -> DiaProcessor:
    """The checkpoint's processor, or for a native checkpoint, which has none, the published one."""
    files = (PROCESSOR_FILE, FEATURE_EXTRACTOR_NAME)
    if any(cached_file(source, file, _raise_exceptions_for_missing_entries=False, **hub) for file in files):
        return DiaProcessor.from_pretrained(source, load_audio_tokenizer=load_dac, **hub)
    return DiaProcessor.for_config(model.config, DacModel.from_pretrained(REAL_CODEC) if load_dac else None)


def _one_per_text(given: Any, texts: int, name: str) -> list[Any]:
    """`given` for every text: a list as it stands, anything else repeated."""
    if not isinstance(given, list | tuple) or (texts == 1 and len(given) != 1):
        return [given] * texts
    if len(given) != texts:
        raise ValueError(f"{name} holds {len(given)} entries for {texts} texts; give one, or one for each.")
    return list(given)


def _check_types(values: Sequence[Any], name: str, kind: type) -> None:
    for value in values:
        if value is not None and (not isinstance(value, kind) or isinstance(value, bool)):
            raise TypeError(f"{name} holds {value!r}; expected {kind.__name__}, or a list of one per text.")


def _check_number(value: Any, name: str, range_: str, fits: Callable[[Any], bool]) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name} is {value!r}; expected a number, {range_}.")
    if not (math.isfinite(value) and fits(value)):
        raise ValueError(f"{name}={value} must be {range_}.")


def _is_codes(prompt: Prompt) -> bool:
    # No sound has two dimensions and 64 bits.
    return isinstance(prompt, Tensor) and prompt.dtype == torch.int64 and prompt.ndim == 2


__all__ = ["REAL", "Dia", "choose_device", "choose_dtype"]
