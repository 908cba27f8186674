"""The cache of keys and values that `generate()` and the model pass on, under both of its names.

transformers calls it `past_key_values` before 5.24 and `cache` since. Knows transformers' caches, nothing of layers.
"""

from typing import Any

from torch import Tensor
from transformers import GenerationConfig
from transformers.cache_utils import DynamicCache, EncoderDecoderCache, StaticCache
from transformers.modeling_outputs import Seq2SeqLMOutput

from dia.configuration_dia import DiaDecoderConfig

CACHE = "cache" if "cache" in Seq2SeqLMOutput.__dataclass_fields__ else "past_key_values"
_KINDS = ("dynamic", "static")


def one_cache(cache: Any, past_key_values: Any) -> Any:
    """What is given under either name, or None.

    Raises:
        TypeError: it is no `EncoderDecoderCache`.
        ValueError: both are given.
    """
    if cache is not None and past_key_values is not None:
        raise ValueError("`cache` and `past_key_values` are two names for one thing; give one of them.")
    given = past_key_values if cache is None else cache
    if given is not None and not isinstance(given, EncoderDecoderCache):
        raise TypeError(
            f"`{CACHE}` is {type(given).__name__}; expected EncoderDecoderCache(DynamicCache(), DynamicCache())."
        )
    return given


def cache_in(output: Any) -> Any:
    """The cache of a model's output."""
    return getattr(output, CACHE)


def new_cache(settings: GenerationConfig, decoder: DiaDecoderConfig, text: int) -> EncoderDecoderCache | None:
    """An empty cache of the kind that the settings name for a text of so many ids; None where they want none.

    Raises:
        ValueError: `cache_implementation` names another kind.
    """
    kind = settings.cache_implementation or "dynamic"
    if kind not in _KINDS:
        raise ValueError(f"cache_implementation={kind!r} is not supported; use one of {', '.join(_KINDS)}.")
    if not settings.use_cache:
        return None
    if kind == "dynamic":
        return EncoderDecoderCache(DynamicCache(config=decoder), DynamicCache(config=decoder))
    rows = max(settings.max_length - 1, settings.max_cache_len or 0)  # the last row is never read
    own, cross = (StaticCache(config=decoder, max_cache_len=length) for length in (rows, text))
    return EncoderDecoderCache(own, cross)


def fill(cache: EncoderDecoderCache, layer: int, own: tuple[Tensor, Tensor], text: tuple[Tensor, Tensor]) -> None:
    """Put the keys and values of rows and text, [B, G, rows or S, D] each, into a layer of an empty cache."""
    cache.self_attention_cache.update(*own, layer)
    cache.cross_attention_cache.update(*text, layer)
    cache.is_updated[layer] = True


__all__ = ["CACHE", "cache_in", "fill", "new_cache", "one_cache"]
