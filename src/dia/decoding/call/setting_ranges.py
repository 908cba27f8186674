"""The valid range of every setting of `generate()`, as an argument and in generation_config.json.

Independent of how the settings are used.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from transformers import GenerationConfig
from transformers.generation.configuration_utils import GenerationMode

from dia.runtime.files.reading import REMEDY, errors_name, read_json
from dia.runtime.limits import (
    BATCH,
    CANDIDATES,
    GUIDANCE,
    ID,
    LEAST_ROWS,
    NUCLEUS,
    PASS_SECONDS,
    PENALTY,
    ROWS,
    SHARE,
    TEMPERATURE,
    WAIT_SECONDS,
)
from dia.runtime.ranges import Range, check_given, shown
from dia.text.prompt_format import PromptFormat

NUMBERS: Mapping[str, Range] = {
    "max_length": ROWS,
    "max_new_tokens": ROWS,
    "min_length": LEAST_ROWS,
    "min_new_tokens": LEAST_ROWS,
    "max_time": WAIT_SECONDS,
    "num_beams": BATCH,
    "num_return_sequences": BATCH,
    "temperature": TEMPERATURE,
    "top_k": CANDIDATES,
    "top_p": NUCLEUS,
    "min_p": SHARE,
    "typical_p": NUCLEUS,
    "epsilon_cutoff": SHARE,
    "eta_cutoff": SHARE,
    "guidance_scale": GUIDANCE,
    "repetition_penalty": PENALTY,
    "no_repeat_ngram_size": LEAST_ROWS,
}
FLAGS = (
    *("do_sample", "use_cache", "renormalize_logits", "remove_invalid_values", "disable_compile"),
    *("return_dict_in_generate", "output_scores", "output_logits", "output_attentions", "output_hidden_states"),
)
NEVER_NONE = {*FLAGS, "num_return_sequences"}  # None is the model's own setting; for others it turns a rule off
ID_LISTS = ("suppress_tokens", "begin_suppress_tokens", "bad_words_ids")
CACHES = ("dynamic", "static")
_TOKEN_IDS = ("bos_token_id", "eos_token_id", "pad_token_id", "decoder_start_token_id")
_IN_FILES = {*NUMBERS, *FLAGS, *ID_LISTS, *_TOKEN_IDS, "cache_implementation"}
_OTHERS = {"architectures", "encoder_config", "delay_pattern", "feature_extractor_type", "tokenizer_class"}
_ALWAYS_ONE = ("num_beams", "num_return_sequences")  # one clip for each text, by sampling or greedy search


def check_ranges(values: Mapping[str, Any]) -> dict[str, Any]:
    """Validate settings, and return them with plain numbers; None means the model's own setting.

    Raises:
        TypeError: a setting has the wrong type; the message names it.
        ValueError: a setting is out of range; the message names it.
    """
    numbers = check_given(NUMBERS, values)
    for name in FLAGS:
        if not isinstance(values.get(name), bool | None):
            raise TypeError(f"{name} is {shown(values[name])}; expected True or False.")
    for name in ID_LISTS:
        if values.get(name) is not None and (not isinstance(values[name], list) or not values[name]):
            raise TypeError(f"{name} is {shown(values[name])}; expected a non-empty list of ids.")
        if name != "bad_words_ids" and any(isinstance(one, list) for one in values.get(name) or ()):
            raise TypeError(f"{name} is {shown(values[name])}; expected a list of ids without lists in it.")
        _check_ids(name, values.get(name))
    return {**values, **numbers}


def check_file_settings(path: Path) -> None:
    """Validate a generation_config.json.

    Raises:
        OSError, ValueError: the file is damaged, or has a setting that Dia does not support; the message names it.
    """
    data = read_json(path)
    if others := sorted(_OTHERS & set(data)):
        raise ValueError(f"{path} sets {others[0]!r}, so it is another file with this name; {REMEDY}.")
    settings = GenerationConfig()
    for name, value in data.items():
        if hasattr(GenerationConfig, name):
            raise ValueError(f"{path} sets {name!r}, which is not a setting; remove it, or {REMEDY}.")
        if hasattr(settings, name) and name not in _IN_FILES and value is not None and not name.startswith("_"):
            if value == settings._get_default_generation_params().get(name) or name == "transformers_version":
                continue
            raise ValueError(f"{path} sets {name!r}, which Dia does not support; remove it.")
    with errors_name(path):
        check_ranges(data)
        for name in _TOKEN_IDS:
            _check_ids(name, [data[name]] if data.get(name) is not None else None)
        if data.get("pass_seconds") is not None:
            PASS_SECONDS.check("pass_seconds", data["pass_seconds"])
        for name in _ALWAYS_ONE:
            if data.get(name) not in (None, 1):
                raise ValueError(f"{name} is {data[name]}; it must be 1")
        if data.get("cache_implementation") not in (None, *CACHES):
            raise ValueError(
                f"cache_implementation is {data['cache_implementation']!r}; use one of {', '.join(CACHES)}"
            )
        mode = GenerationConfig(**data).get_generation_mode()
        if mode not in (GenerationMode.SAMPLE, GenerationMode.GREEDY_SEARCH):
            raise ValueError(f"its settings select {mode.value!r}; Dia supports sampling and greedy search")
        PromptFormat.of(GenerationConfig(**data))


def _check_ids(name: str, ids: Any) -> None:
    """Check ids: a number, a list of ids, or a list of such lists."""
    for one in ids if isinstance(ids, list) else [] if ids is None else [ids]:
        if isinstance(one, list):
            _check_ids(name, one)
        else:
            ID.check(name, one)


__all__ = ["CACHES", "FLAGS", "ID_LISTS", "NEVER_NONE", "NUMBERS", "check_file_settings", "check_ranges"]
