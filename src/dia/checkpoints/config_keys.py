"""Which keys a config.json may hold beside those of a Dia: any that change nothing. Knows names, no values."""

from pathlib import Path
from typing import Any

from dia.configuration_dia import NEEDS_DIA, DiaConfig
from dia.runtime.ranges import shown
from dia.runtime.reading import REMEDY

# They would choose other files, other code, or another shape for single layers.
_ELSEWHERE = {"transformers_weights", "fusion_config", "distributed_config", "per_layer_config", "layer_types"}
_ELSEWHERE |= {"attn_implementation", "experts_implementation"}
# Properties of every config that files of some version of transformers hold.
_USUAL = {"model_type", "name_or_path", "output_attentions", "rope_scaling", "torch_dtype", "use_return_dict"}
_FIELDS = set(DiaConfig.__dataclass_fields__)


def check_keys(path: str | Path, settings: Any) -> None:
    """Refuse keys that would take the place of a config's own methods and properties, or lead elsewhere.

    Args:
        path: the file, for the message.
        settings: what it holds, or one of its parts; what is no dict is left to the config.

    Raises:
        ValueError: there is such a key.
    """
    for name in settings if isinstance(settings, dict) else ():
        own = hasattr(DiaConfig, name) and name not in _FIELDS | _USUAL
        if (name in _ELSEWHERE and settings[name] != NEEDS_DIA) or own:
            raise ValueError(f"{path} sets {shown(name)}, which no Dia has; remove it, or {REMEDY}.")


__all__ = ["check_keys"]
