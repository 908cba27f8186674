"""The data sets of `DiaTrainer`, made from the clips that a caller passes to it."""

from typing import TYPE_CHECKING, Any

from torch.utils.data import Dataset

from dia.configuration_dia import DiaConfig
from dia.processing_dia import DiaProcessor
from dia.text.prompt_format import PromptFormat
from dia.training.data.code_cache import CodeCache
from dia.training.data.compatibility import Clips, check_processor, length_limits, trainable_clips
from dia.training.data.dataset import Examples, HeldOut

if TYPE_CHECKING:
    from dia.training.trainer import DiaTrainingArguments

Data = Clips | Dataset[Any]


def training_examples(
    data: Any, args: "DiaTrainingArguments", config: DiaConfig, processor: DiaProcessor | None, format: PromptFormat
) -> Any:
    """The training examples of clips; a `Dataset` is returned as it is. Raises ValueError as `DiaTrainer`."""
    if processor is not None:
        check_processor(processor, config)
    if data is None or isinstance(data, Dataset):
        return data
    if isinstance(data, CodeCache) and processor is not None:
        data.check_fits(processor)
    seed = args.seed if args.data_seed is None else args.data_seed
    clips = trainable_clips(data, config, processor, format)
    return Examples(clips, seed, args.prompt_dropout, args.learn_prompt, *length_limits(config))


def evaluation_examples(data: Any, config: DiaConfig, processor: DiaProcessor | None, format: PromptFormat) -> Any:
    """The evaluation examples of clips, or of each in a dict. Raises ValueError as `DiaTrainer`."""
    if isinstance(data, dict):
        return {name: evaluation_examples(value, config, processor, format) for name, value in data.items()}
    if data is None or isinstance(data, (str, Dataset)):  # Trainer passes the name of one in the dict
        return data
    return HeldOut(trainable_clips(data, config, processor, format))


__all__ = ["evaluation_examples", "training_examples"]
