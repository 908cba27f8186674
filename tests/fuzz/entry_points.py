"""Public functions that take numbers, scripts or names, each as a call with a dict of arguments."""

from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from tests.fuzz.sandbox import REFUSALS

TEXT = "[S1] Hello there. [S2] Hi."
_SETTINGS = (
    *("max_length", "max_new_tokens", "min_length", "min_new_tokens", "max_time", "num_return_sequences", "num_beams"),
    *("temperature", "top_k", "top_p", "min_p", "typical_p", "epsilon_cutoff", "eta_cutoff", "guidance_scale"),
    *("repetition_penalty", "no_repeat_ngram_size", "do_sample", "use_cache", "return_dict_in_generate"),
    *("output_scores", "suppress_tokens", "begin_suppress_tokens", "bad_words_ids", "cache_implementation"),
)


@dataclass(frozen=True)
class EntryPoint:
    """A public function.

    Attributes:
        name: name of the entry point.
        arguments: names of the arguments to fuzz; all others have valid values.
        call: calls the function with a dict of arguments.
        scripts: names of arguments that are scripts.
        names: whether error messages must name the argument.
        refusals: expected error classes.
    """

    name: str
    arguments: tuple[str, ...]
    call: Callable[[dict[str, Any]], Any]
    scripts: tuple[str, ...] = ()
    names: bool = True
    refusals: tuple[type[Exception], ...] = REFUSALS


def entry_points_of(place: Path) -> list[EntryPoint]:
    """All entry points, with a tiny checkpoint that is written to `place`."""
    import torch
    from tiny_checkpoint import write_tiny_checkpoint

    from dia.model import Dia

    folder = write_tiny_checkpoint(place / "tiny")
    with torch.random.fork_rng():
        dia = Dia.from_pretrained(folder, device="cpu")
    return [
        *_speaking(dia, place),
        *_model(dia),
        *_parts(dia),
        *_configs(),
        *_training(),
        *_texts(dia),
        *_loading(folder),
    ]


def _speaking(dia: Any, place: Path) -> list[EntryPoint]:
    options = ("max_tokens", "cfg_scale", "temperature", "top_p", "cfg_filter_top_k", "seed", "speaking_rate")
    options = (*options, "normalize", "audio_prompt_text")
    usual = {"max_tokens": 12, "seed": 0}

    def stream(given: Mapping[str, Any]) -> None:
        with closing(dia.stream(TEXT, **{**usual, **given})) as pieces, suppress(TimeoutError):
            next(pieces, None)

    def pieces(given: Mapping[str, Any]) -> None:
        next(iter(dia.pieces(TEXT, **{**usual, **given})), None)

    def save(given: Mapping[str, Any]) -> None:
        dia.save_audio(**{"path": place / "a.wav", "audio": [0.0] * 50, **given})

    return [
        EntryPoint("generate", options, lambda given: dia.generate(TEXT, **{**usual, **given})),
        EntryPoint("generate list", ("seed", "voice"), lambda given: dia.generate([TEXT, TEXT], **{**usual, **given})),
        EntryPoint("speak", (*options, "retries", "best_of"), lambda given: dia.speak(TEXT, **{**usual, **given})),
        EntryPoint("stream", (*options, "timeout"), stream),
        EntryPoint("pieces", (*options, "retries", "best_of", "recognizer"), pieces),
        EntryPoint("save_audio", ("seed",), save, names=False),
    ]


def _model(dia: Any) -> list[EntryPoint]:
    import torch

    from dia.generation_dia import DiaGenerationMixin
    from dia.streaming import DiaAudioStreamer

    inputs = dia.processor(text=[TEXT])
    model: DiaGenerationMixin = dia.model

    def generate(given: Mapping[str, Any]) -> None:
        torch.manual_seed(0)
        usual = {} if {"max_length", "max_new_tokens"} & set(given) else {"max_new_tokens": 12}
        model.generate(**inputs, **usual, **given)

    def streamer(given: Mapping[str, Any]) -> None:
        DiaAudioStreamer(dia.processor, **given)

    return [
        EntryPoint("model.generate", _SETTINGS, generate),
        EntryPoint("DiaAudioStreamer", ("first_frames", "most_frames", "timeout"), streamer),
    ]


def _parts(dia: Any) -> list[EntryPoint]:
    from dia.decoding.guidance import DiaGuidanceLogitsProcessor
    from dia.feature_extraction_dia import DiaFeatureExtractor
    from dia.processing_dia import DiaProcessor
    from dia.tokenization_dia import DiaTokenizer

    processor = dia.processor
    grid = processor(text=[TEXT])["decoder_input_ids"]
    ids = ("bos_token_id", "eos_token_id", "pad_token_id")

    def build(given: Mapping[str, Any]) -> None:
        made = DiaProcessor(processor.feature_extractor, processor.tokenizer, **given)
        made(text=[TEXT])

    def call(given: Mapping[str, Any]) -> None:
        processor(text=[TEXT], **given)

    def decode(given: Mapping[str, Any]) -> None:
        processor.undelayed_codes(grid, **given)

    extractor = ("feature_size", "hop_length", "max_seconds", "padding_value", "sampling_rate")
    return [
        EntryPoint("DiaProcessor", (*ids, "delay_pattern"), build),
        EntryPoint("DiaProcessor call", (*ids, "delay_pattern", "generation"), call, names=False),
        EntryPoint("DiaProcessor decode", (*ids, "delay_pattern", "audio_prompt_len"), decode, names=False),
        EntryPoint("DiaFeatureExtractor", extractor, lambda given: DiaFeatureExtractor(**given)),
        EntryPoint("DiaTokenizer", ("max_length", "offset"), lambda given: DiaTokenizer(**given)("[S1] Hi.")),
        EntryPoint(
            "DiaGuidance", ("scale", "top_k"), lambda given: DiaGuidanceLogitsProcessor(**{"scale": 3.0, **given})
        ),
    ]


def _configs() -> list[EntryPoint]:
    from huggingface_hub.errors import StrictDataclassError

    from dia.configuration_dia import DiaConfig, DiaDecoderConfig, DiaEncoderConfig

    refusals = (*REFUSALS, StrictDataclassError)

    def own(kind: Any) -> tuple[str, ...]:
        return tuple(name for name in kind.__annotations__ if not name.startswith("_"))

    return [
        EntryPoint("DiaConfig", own(DiaConfig), lambda given: DiaConfig(**given), names=False, refusals=refusals),
        EntryPoint(
            "DiaEncoderConfig", own(DiaEncoderConfig), lambda given: DiaEncoderConfig(**given), refusals=refusals
        ),
        EntryPoint(
            "DiaDecoderConfig", own(DiaDecoderConfig), lambda given: DiaDecoderConfig(**given), refusals=refusals
        ),
    ]


def _training() -> list[EntryPoint]:
    from tiny import tiny_model

    from dia.quantization.config import DiaQuantizationConfig, quantize
    from dia.training.codec.fit import BatchOptions
    from dia.training.codec.initialization import codec_config
    from dia.training.codec.recipe import CodecRecipe, stages_from_nothing
    from dia.training.lora import with_lora
    from dia.training.trainer import DiaTrainingArguments

    sizes = ("rate", "ratios", "codebooks", "codebook_size", "codebook_width", "encoder_width", "decoder_width")
    shares = ("text_dropout", "prompt_dropout", "code_noise", "average")

    def recipe(given: Mapping[str, Any]) -> None:
        CodecRecipe(**{"stage": "joint", "steps": 10, **given})

    def batch_options(given: Mapping[str, Any]) -> None:
        from tiny_codec import tiny_codec

        BatchOptions(**given).samples(tiny_codec())

    numbers = tuple(field.name for field in fields(CodecRecipe) if field.type in ("int", "float", int, float))
    return [
        EntryPoint("codec_config", sizes, lambda given: codec_config(**given)),
        EntryPoint("CodecRecipe", numbers, recipe),
        EntryPoint("stages", ("minutes", "steps"), lambda given: stages_from_nothing(**{"minutes": 5.0, **given})),
        EntryPoint("BatchOptions", ("batch", "segment_seconds"), batch_options),
        EntryPoint("with_lora", ("rank", "alpha", "dropout"), lambda given: with_lora(tiny_model(), **given)),
        EntryPoint("training", shares, lambda given: DiaTrainingArguments(output_dir="/tmp/x", **given)),
        EntryPoint("quantize", ("weights",), lambda given: quantize(tiny_model(), **given), names=False),
        EntryPoint(
            "quantization", ("weights", "int8", "keep"), lambda given: DiaQuantizationConfig(**given), names=False
        ),
    ]


def _texts(dia: Any) -> list[EntryPoint]:
    from dia.text.script import parse

    def spoken(given: Mapping[str, Any]) -> None:
        dia.generate(**given, max_tokens=12, seed=0)

    def ids(given: Mapping[str, Any]) -> None:
        dia.processor.tokenizer(given["text"], truncation=True)

    def plain(given: Mapping[str, Any]) -> None:
        parse(given["text"], frontend="none")

    return [
        *(
            EntryPoint(f"read script {number}", ("text",), lambda given: parse(given["text"]), ("text",), False)
            for number in range(6)
        ),
        *(EntryPoint(f"read plain {number}", ("text",), plain, ("text",), False) for number in range(2)),
        *(EntryPoint(f"tokenize {number}", ("text",), ids, ("text",), False) for number in range(2)),
        *(EntryPoint(f"speak script {number}", ("text",), spoken, ("text",), False) for number in range(2)),
        EntryPoint("speak anything", ("text",), spoken, (), False),
    ]


def _loading(folder: Path) -> list[EntryPoint]:
    from dia.model import Dia
    from dia.voices.library import find_voice

    def load(given: Mapping[str, Any]) -> None:
        Dia.from_pretrained(**{"name_or_path": folder, "device": "cpu", **given})

    options = ("name_or_path", "device", "compute_dtype", "load_dac", "quantization")
    return [
        EntryPoint("from_pretrained", options, load, names=False),
        EntryPoint("find_voice", ("name",), lambda given: find_voice(given["name"]), names=False),
    ]


__all__ = ["EntryPoint", "entry_points_of"]
