"""Settings of a call of `generate()`: what Dia cannot do is refused by name, what is left open is filled in."""

from collections.abc import Mapping
from typing import Any

import torch.distributed
from transformers import GenerationConfig
from transformers.generation.configuration_utils import GenerationMode
from transformers.integrations import is_deepspeed_zero3_enabled, is_fsdp_managed_module

from dia.configuration_dia import DiaDecoderConfig

# Settings that no rule, loop or cache of ours reads, with the value that asks for nothing.
_REFUSED = {
    "stop_strings": None,  # codes are not text
    "token_healing": False,
    "prefill_chunk_size": None,  # a prompt of a minute is 86 · 60 rows
    "encoder_repetition_penalty": 1.0,  # it compares codes with bytes of text
    "encoder_no_repeat_ngram_size": 0,
}


def check_settings(settings: GenerationConfig, arguments: Mapping[str, Any]) -> None:
    """Refuse what Dia cannot do.

    Args:
        settings: those of the call, with the model's own filled in.
        arguments: those of `generate()` that are refused unless None.

    Raises:
        ValueError: the message names the argument, or the mode of generation.
    """
    asked = {name: getattr(settings, name, None) for name in _REFUSED}
    refused = [name for name, value in arguments.items() if value is not None]
    refused += [name for name, value in asked.items() if value not in (None, _REFUSED[name])]
    for name in refused:
        raise ValueError(f"`{name}` is not supported by Dia; leave it out.")
    mode = settings.get_generation_mode()
    if mode not in (GenerationMode.SAMPLE, GenerationMode.GREEDY_SEARCH):
        raise ValueError(
            f"generation mode {mode.value!r} is not supported by Dia; use greedy search or sampling "
            "(num_beams=1, no penalty_alpha, no dola_layers, no constraints)."
        )
    if settings.do_sample and settings.temperature is not None and not settings.temperature > 0:
        raise ValueError(f"temperature={settings.temperature} must be above 0; do_sample=False is greedy.")


def fill_special_ids(settings: GenerationConfig, decoder: DiaDecoderConfig) -> None:
    """Set the special ids that nobody has set to the checkpoint's.

    Raises:
        ValueError: an id that is to be written lies outside the vocabulary.
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
            raise ValueError(f"{name}={value} is written to the grid; ids run from 0 to {decoder.vocab_size - 1}.")


def is_synced(model: Any, asked: bool | None) -> bool:
    """Whether the processes of a group must run the same steps; where they share weights and nobody says otherwise.

    Raises:
        ValueError: it is asked for where there is no group.
    """
    group = torch.distributed.is_available() and torch.distributed.is_initialized()
    if asked and not group:
        raise ValueError(
            "`synced_gpus` needs a group of processes; call torch.distributed.init_process_group() first."
        )
    if asked is None:
        return group and torch.distributed.get_world_size() > 1 and _shares_weights(model)
    return asked


def _shares_weights(model: Any) -> bool:
    from torch.distributed.fsdp import FSDPModule, FullyShardedDataParallel

    if is_deepspeed_zero3_enabled() or is_fsdp_managed_module(model):
        return True
    return any(isinstance(module, FSDPModule | FullyShardedDataParallel) for module in model.modules())


__all__ = ["check_settings", "fill_special_ids", "is_synced"]
