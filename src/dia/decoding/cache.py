"""Creates and reads key-value caches. Independent of the layers.

transformers names the cache `past_key_values` before 5.24 and `cache` from 5.24 on.
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
    """The cache passed under either name, or None.

    Raises:
        TypeError: it is not an `EncoderDecoderCache`.
        ValueError: both names are given.
    """
    if cache is not None and past_key_values is not None:
        raise ValueError("`cache` and `past_key_values` are names of the same argument; pass one of them.")
    given = past_key_values if cache is None else cache
    if given is not None and not isinstance(given, EncoderDecoderCache):
        raise TypeError(
            f"`{CACHE}` is {type(given).__name__}; expected EncoderDecoderCache(DynamicCache(), DynamicCache())."
        )
    return given


def cache_in(output: Any) -> Any:
    """The cache in a model's output."""
    return getattr(output, CACHE)


def new_cache(settings: GenerationConfig, decoder: DiaDecoderConfig, text: int) -> EncoderDecoderCache | None:
    """Create an empty cache.

    Args:
        settings: the settings of the call; `cache_implementation` selects the type of cache.
        decoder: the decoder's config.
        text: text length in ids.

    Returns:
        The cache, or None if `use_cache` is False.

    Raises:
        ValueError: `cache_implementation` is not supported.
    """
    kind = settings.cache_implementation or "dynamic"
    if kind not in _KINDS:
        raise ValueError(f"cache_implementation={kind!r} is not supported; use one of {', '.join(_KINDS)}.")
    if not settings.use_cache:
        return None
    if kind == "dynamic":
        return empty_cache()
    rows = max(settings.max_length - 1, settings.max_cache_len or 0)  # the decoder never reads the last row
    own, cross = (StaticCache(config=decoder, max_cache_len=length) for length in (rows, text))
    return EncoderDecoderCache(own, cross)


def empty_cache() -> EncoderDecoderCache:
    """A cache that grows. Its layers are made as they are filled, because reading them from a config takes longer."""
    return EncoderDecoderCache(DynamicCache(), DynamicCache())


def fill(cache: EncoderDecoderCache, layer: int, own: tuple[Tensor, Tensor], text: tuple[Tensor, Tensor]) -> None:
    """Store the keys and values of rows and text, [B, G, rows or S, D] each, in a layer of an empty cache."""
    cache.self_attention_cache.update(*own, layer)
    cache.cross_attention_cache.update(*text, layer)
    cache.is_updated[layer] = True


__all__ = ["CACHE", "cache_in", "empty_cache", "fill", "new_cache", "one_cache"]
