"""Checks the keys of a config.json. Unknown keys are allowed if they have no effect."""

from pathlib import Path
from typing import Any

from dia.configuration_dia import NEEDS_DIA, DiaConfig
from dia.runtime.files.reading import REMEDY
from dia.runtime.ranges import shown

# Keys that select other files, other code, or another shape for single layers.
_REDIRECTING = {"transformers_weights", "fusion_config", "distributed_config", "per_layer_config", "layer_types"}
_REDIRECTING |= {"attn_implementation", "experts_implementation"}
# Properties of all configs that some versions of transformers write.
_COMMON = {"model_type", "name_or_path", "output_attentions", "rope_scaling", "torch_dtype", "use_return_dict"}
_FIELDS = set(DiaConfig.__dataclass_fields__)


def check_keys(path: str | Path, settings: Any) -> None:
    """Raise an error for keys that replace a config's methods and properties, or redirect loading.

    Args:
        path: the file, for the message.
        settings: its content, or one of its parts. The config class checks values that are not dicts.

    Raises:
        ValueError: there is such a key.
    """
    for name in settings if isinstance(settings, dict) else ():
        reserved = hasattr(DiaConfig, name) and name not in _FIELDS | _COMMON
        if (name in _REDIRECTING and settings[name] != NEEDS_DIA) or reserved:
            raise ValueError(f"{path} sets {shown(name)}, which Dia does not support; remove it, or {REMEDY}.")


__all__ = ["check_keys"]
