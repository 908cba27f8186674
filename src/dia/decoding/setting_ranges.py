"""The range of every setting of `generate()`, as an argument and in generation_config.json.

Knows names and ranges. Knows nothing of how the settings act.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from transformers import GenerationConfig
from transformers.generation.configuration_utils import GenerationMode

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
from dia.runtime.reading import REMEDY, errors_name, read_json
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
ID_LISTS = ("suppress_tokens", "begin_suppress_tokens", "bad_words_ids")
CACHES = ("dynamic", "static")
_TOKEN_IDS = ("bos_token_id", "eos_token_id", "pad_token_id", "decoder_start_token_id")
_IN_FILES = {*NUMBERS, *FLAGS, *ID_LISTS, *_TOKEN_IDS, "cache_implementation"}
_OTHERS = {"architectures", "encoder_config", "delay_pattern", "feature_extractor_type", "tokenizer_class"}
_SPOKEN_ALONE = ("num_beams", "num_return_sequences")  # one clip for each text, by sampling or greedy search


def check_ranges(values: Mapping[str, Any]) -> None:
    """Check the settings that are there; None stands for the model's own.

    Raises:
        TypeError: a setting has the wrong type; the message names it.
        ValueError: one is out of range.
    """
    check_given(NUMBERS, values)
    for name in FLAGS:
        if not isinstance(values.get(name), bool | None):
            raise TypeError(f"{name} is {shown(values[name])}; expected True or False.")
    for name in ID_LISTS:
        if values.get(name) is not None and (not isinstance(values[name], list) or not values[name]):
            raise TypeError(f"{name} is {shown(values[name])}; expected a list of ids, not an empty one.")
        _check_ids(name, values.get(name))


def check_file_settings(path: Path) -> None:
    """Check a generation_config.json.

    Raises:
        OSError, ValueError: it is damaged, or holds what a Dia cannot be asked for; the message names it.
    """
    data = read_json(path)
    if others := sorted(_OTHERS & set(data)):
        raise ValueError(f"{path} sets {others[0]!r}, so it is another file under this name; {REMEDY}.")
    settings = GenerationConfig()
    for name, value in data.items():
        if hasattr(GenerationConfig, name):
            raise ValueError(f"{path} sets {name!r}, which is no setting; remove it, or {REMEDY}.")
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
        for name in _SPOKEN_ALONE:
            if data.get(name) not in (None, 1):
                raise ValueError(f"{name} is {data[name]}; Dia speaks each text once")
        if data.get("cache_implementation") not in (None, *CACHES):
            raise ValueError(
                f"cache_implementation is {data['cache_implementation']!r}; use one of {', '.join(CACHES)}"
            )
        mode = GenerationConfig(**data).get_generation_mode()
        if mode not in (GenerationMode.SAMPLE, GenerationMode.GREEDY_SEARCH):
            raise ValueError(f"its settings ask for {mode.value!r}; Dia is sampled, or searched greedily")
        PromptFormat.of(GenerationConfig(**data))


def _check_ids(name: str, ids: Any) -> None:
    """A list of ids, or for phrases a list of such lists."""
    for one in ids if isinstance(ids, list) else [] if ids is None else [ids]:
        if isinstance(one, list):
            _check_ids(name, one)
        else:
            ID.check(name, one)


__all__ = ["CACHES", "FLAGS", "ID_LISTS", "NUMBERS", "check_file_settings", "check_ranges"]
