"""Merges and validates the settings of a call of `generate()`, and fills in defaults."""

import copy
from collections.abc import Mapping
from typing import Any
from weakref import WeakKeyDictionary

import torch.distributed
from torch import Tensor
from transformers import GenerationConfig
from transformers.generation.configuration_utils import GenerationMode
from transformers.integrations import is_deepspeed_zero3_enabled, is_fsdp_managed_module

from dia.configuration_dia import DiaDecoderConfig

# Unsupported settings, with the value that turns them off.
_UNSUPPORTED = {
    "stop_strings": None,  # codes are not text
    "token_healing": False,
    "prefill_chunk_size": None,  # prompts are short: a minute is 86 · 60 rows
    "encoder_repetition_penalty": 1.0,  # compares codes with bytes of text
    "encoder_no_repeat_ngram_size": 0,
}
MODEL_INPUTS = frozenset({"input_ids", "attention_mask", "decoder_input_ids", "decoder_attention_mask"})
_PLAIN = (bool, int, float, str, type(None))  # values that are compared at once

Merged = tuple[GenerationConfig, dict[str, Any]]
_last: WeakKeyDictionary[Any, tuple[Any, Merged]] = WeakKeyDictionary()  # of each model, see `merged`


def merged(model: Any, config: GenerationConfig | None, given: Mapping[str, Any]) -> Merged:
    """A copy of the settings as transformers merges them, and the arguments for the model.

    Merging takes milliseconds. The last result of a model is kept for calls with the same arguments, apart from
    `MODEL_INPUTS`, as long as the model's own settings do not change.

    Args:
        model: whose settings are the defaults.
        config: the settings of the call; None for the model's.
        given: the keyword arguments of the call, settings and others.
    """
    inputs = {name: value for name, value in given.items() if name in MODEL_INPUTS}
    asked = {name: value for name, value in given.items() if name not in MODEL_INPUTS}
    own = vars(model.generation_config)
    plain = all(isinstance(value, _PLAIN) for value in asked.values())
    if config is not None or not plain or any(isinstance(value, Tensor) for value in own.values()):
        fresh: Merged = model._prepare_generation_config(config, **given)
        return fresh
    modified = {name: value for name, value in vars(model.config).items() if name in own}  # which is an error
    key = asked, own, modified
    known = _last.get(model)  # which another thread may replace
    if known is None or known[0] != key:
        known = _last[model] = copy.deepcopy(key), model._prepare_generation_config(None, **asked)
    settings, others = known[1]
    return copy.copy(settings), others | inputs


def check_settings(settings: GenerationConfig, arguments: Mapping[str, Any]) -> None:
    """Raise an error for unsupported settings and arguments.

    Args:
        settings: the settings of the call, merged with the model's.
        arguments: unsupported arguments of `generate()`, which must be None.

    Raises:
        ValueError: the message names the argument, or the generation mode.
    """
    values = {name: getattr(settings, name, None) for name in _UNSUPPORTED}
    unsupported = [name for name, value in arguments.items() if value is not None]
    unsupported += [name for name, value in values.items() if value not in (None, _UNSUPPORTED[name])]
    for name in unsupported:
        raise ValueError(f"`{name}` is not supported by Dia; omit it.")
    mode = settings.get_generation_mode()
    if mode not in (GenerationMode.SAMPLE, GenerationMode.GREEDY_SEARCH):
        raise ValueError(
            f"generation mode {mode.value!r} is not supported by Dia; use greedy search or sampling "
            "(num_beams=1, no penalty_alpha, no dola_layers, no constraints)."
        )
    if settings.do_sample and settings.temperature is not None and not settings.temperature > 0:
        raise ValueError(f"temperature={settings.temperature} must be above 0; use do_sample=False for greedy search.")


def fill_special_ids(settings: GenerationConfig, decoder: DiaDecoderConfig) -> None:
    """Set missing special ids to the checkpoint's.

    Raises:
        ValueError: PAD or the start id is outside the vocabulary.
    """
    if settings.eos_token_id is None:
        settings.eos_token_id = decoder.eos_token_id
    if settings.pad_token_id is None:
        settings.pad_token_id = decoder.pad_token_id
    if settings.bos_token_id is None:
        settings.bos_token_id = decoder.bos_token_id
    if settings.decoder_start_token_id is None:
        settings.decoder_start_token_id = settings.bos_token_id
    for name in ("pad_token_id", "decoder_start_token_id"):
        value = getattr(settings, name)
        if not isinstance(value, int) or not 0 <= value < decoder.vocab_size:
            raise ValueError(f"{name}={value} must be from 0 to {decoder.vocab_size - 1}, the ids of the decoder.")


def is_synced(model: Any, asked: bool | None) -> bool:
    """Whether the processes of a group must run the same steps.

    Args:
        model: the model.
        asked: the argument `synced_gpus`; None is True if the weights are sharded over several processes.

    Raises:
        ValueError: `asked` is True, but there is no process group.
    """
    group = torch.distributed.is_available() and torch.distributed.is_initialized()
    if asked and not group:
        raise ValueError("`synced_gpus` needs a process group; call torch.distributed.init_process_group() first.")
    if asked is None:
        return group and torch.distributed.get_world_size() > 1 and _is_sharded(model)
    return asked


def _is_sharded(model: Any) -> bool:
    from torch.distributed.fsdp import FSDPModule, FullyShardedDataParallel

    if is_deepspeed_zero3_enabled() or is_fsdp_managed_module(model):
        return True
    return any(isinstance(module, FSDPModule | FullyShardedDataParallel) for module in model.modules())


__all__ = ["MODEL_INPUTS", "check_settings", "fill_special_ids", "is_synced", "merged"]
