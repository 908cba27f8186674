"""Merge a LoRA adapter, as peft saves it, into the model that it was trained on."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from dia.checkpoints.model_files import CONFIG_NAME
from dia.checkpoints.native.checkpoint import read_tensors
from dia.checkpoints.native.layout import layout
from dia.checkpoints.source import Adapter
from dia.configuration_dia import DiaConfig
from dia.modeling_dia import DiaForConditionalGeneration
from dia.runtime.files.reading import REMEDY, errors_name
from dia.runtime.files.tensor_files import Stored, first_few, not_finite, read_header

_WEIGHTS = "adapter_model.safetensors"
_PREFIX = "base_model.model."
_A, _B = ".lora_A.weight", ".lora_B.weight"


def check_adapter(adapter: Adapter, config: DiaConfig) -> None:
    """Raise an error if an adapter does not fit its base, before the base is loaded.

    Args:
        adapter: the adapter.
        config: the config of its base.

    Raises:
        FileNotFoundError: its weights are missing.
        ValueError: its weights are damaged or not finite, or the base has other sizes or is quantized.
    """
    if getattr(config, "quantization_config", None) is not None:
        raise ValueError(
            f"{adapter.base} is quantized, and an adapter needs exact weights. Change base_model_name_or_path in "
            f"{adapter.file} to the model that was quantized, and pass quantization to quantize the result."
        )
    file = adapter.folder / _WEIGHTS
    if not file.is_file():
        raise FileNotFoundError(f"{file} is missing; {REMEDY}. Weights in other formats are not read.")
    stored = read_header(file)
    if damaged := list(_incomplete(stored)):
        raise ValueError(f"{file} is damaged: {first_few(damaged)}; {REMEDY}.")
    if wrong := not_finite(read_tensors([file]).items()):
        raise ValueError(f"{file} contains NaN or infinite weights in {first_few(wrong)}; {REMEDY}.")
    if wrong := list(_mismatches(stored, config)):
        raise ValueError(
            f"{file} does not fit the base model {adapter.base}: {first_few(wrong)}. Change base_model_name_or_path "
            f"in {adapter.file} to the model that the adapter was trained on."
        )


def with_adapter(model: DiaForConditionalGeneration, adapter: Adapter) -> DiaForConditionalGeneration:
    """Merge an adapter into a loaded model. The result does not need peft.

    Raises:
        ImportError: peft is not installed.
        ValueError: the adapter is damaged.
    """
    try:
        from peft import PeftModel
    except ImportError as error:
        raise ImportError("a LoRA adapter needs peft. Run: pip install 'dia-tts[train]'") from error
    with errors_name(adapter.file, adapter.folder / _WEIGHTS):
        merged = PeftModel.from_pretrained(model, str(adapter.folder)).merge_and_unload()
    assert isinstance(merged, DiaForConditionalGeneration)
    merged.name_or_path = str(adapter.folder) if Path(adapter.name).is_dir() else adapter.name
    return merged


def _incomplete(stored: Mapping[str, Stored]) -> Iterator[str]:
    """Matrices with one of their two tensors, which peft would load as if they were not adapted."""
    if not stored:
        yield "it has no tensors"
    for name in stored:
        for one, other in ((_A, _B), (_B, _A)):
            if name.endswith(one) and name.removesuffix(one) + other not in stored:
                yield f"{name.removesuffix(one) + other} is missing"


def _mismatches(stored: Mapping[str, Stored], config: DiaConfig) -> Iterator[str]:
    """Tensors of the adapter whose matrix the base does not have, or has in another shape."""
    shapes = {row.target.removesuffix(".weight"): row.result for row in layout(config)}
    for name, one in stored.items():
        matrix = name.removeprefix(_PREFIX).removesuffix(_A).removesuffix(_B)
        axis = {_A: 1, _B: 0}.get(name[-len(_A) :])
        if axis is None:
            continue  # such as modules_to_save, which peft checks
        size = one.shape[axis] if len(one.shape) == 2 else None
        if matrix not in shapes:
            yield f"{matrix}, which {CONFIG_NAME} of the base does not have"
        elif size != shapes[matrix][axis]:
            yield f"{matrix} with {size} {'inputs' if axis else 'outputs'} instead of {shapes[matrix][axis]}"


__all__ = ["check_adapter", "with_adapter"]
