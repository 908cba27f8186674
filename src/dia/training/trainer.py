"""`DiaTrainer`: transformers' `Trainer` with losses per channel, the gap, a running average and safe saving."""

import shutil
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor
from transformers import Trainer, TrainerCallback, TrainingArguments
from transformers.integrations import is_deepspeed_zero3_enabled
from transformers.trainer_utils import HubStrategy

from dia.decoding.grid import Channels
from dia.processing_dia import DiaProcessor
from dia.runtime.files.atomic import atomic_entries
from dia.runtime.limits import PART, SHARE
from dia.runtime.ranges import check_fields
from dia.text.prompt_format import PromptFormat
from dia.training.checkpoints import (
    ADAPTER,
    MODEL,
    check_adapters,
    keep_learning_rates,
    last_checkpoint,
    mismatch,
    remove_replaced,
    remove_uploaded_adapters,
)
from dia.training.data.collator import TEXT_DROPOUT, DiaCollator
from dia.training.data.dataset import Examples, GroupedByLength
from dia.training.data.prepared import Data, evaluation_examples, training_examples
from dia.training.ema import AverageCallback, RunningAverage
from dia.training.finite import FiniteUpdates
from dia.training.lora import is_adapted, merged, plain
from dia.training.metrics import batch_sums, losses_and_gap, normalized, swapped_sums

_LAST = (MODEL, ADAPTER)  # written last: they mark a finished model
_RANGES = {"text_dropout": SHARE, "prompt_dropout": SHARE, "code_noise": SHARE, "average": PART}
_WRITING_FAILED = (OSError, RuntimeError, SafetensorError)


@dataclass
class DiaTrainingArguments(TrainingArguments):
    """`TrainingArguments` of transformers with the following additions.

    Args:
        channel_weights: weight of each channel in the loss; by default channel 0 has four times the weight of others.
        text_dropout: share of the clips trained without text, for guidance.
        prompt_dropout: share of the clips without a voice prompt; 1 does not train cloning.
        learn_prompt: whether the prompt's codes have a loss, too.
        code_noise: share of the decoder's input codes that are replaced by random ones.
        average: decay of the running average of the weights, which is evaluated and saved at the end; 0 for none.
        merge_adapter: whether to save the model with the adapters merged, rather than only the adapters.
    """

    channel_weights: list[float] | None = field(default=None)
    text_dropout: float = field(default=TEXT_DROPOUT)
    prompt_dropout: float = field(default=1.0)
    learn_prompt: bool = field(default=True)
    code_noise: float = field(default=0.0)
    average: float = field(default=0.999)
    merge_adapter: bool = field(default=True)
    # Other defaults than in transformers: the collator needs all columns, and a NaN loss must show up in the log.
    remove_unused_columns: bool | None = field(default=False)
    logging_nan_inf_filter: bool = field(default=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.dataloader_pin_memory &= torch.accelerator.is_available()  # torch warns where there is none
        check_fields(_RANGES, self)


class DiaTrainer(Trainer):
    """transformers' `Trainer` for Dia.

    It also logs the loss of each channel (`loss_channel_0` …) and, in evaluations, the **gap**: how much the loss of
    channel 0 rises when each clip gets the text of another clip in the same voice. A model that ignores its text has a
    gap of 0, whatever its loss.

    Args:
        model: Dia, or the result of `with_lora`.
        args: the training options.
        train_dataset: coded clips, such as a `CodeCache`, or a torch `Dataset` of `Script`.
        eval_dataset: clips that are not trained on, of the same types, or a dict of them by name.
        processing_class: a `DiaProcessor`, which is saved with the finished model.
        data_collator: replaces `DiaCollator`.
        **options: other arguments of `Trainer`.

    Raises:
        ValueError: the clips do not fit the model, or their transcripts were normalized differently; the message names
            the clip or folder.
    """

    def __init__(
        self,
        model: Any,
        args: DiaTrainingArguments,
        train_dataset: Data | None = None,
        eval_dataset: Data | dict[str, Data] | None = None,
        processing_class: DiaProcessor | None = None,
        data_collator: Any = None,
        **options: Any,
    ) -> None:
        config = plain(model).config
        format = PromptFormat.of(plain(model).generation_config)
        self.processor, self.channels = processing_class, Channels.of(config)
        self.channel_weights = normalized(args.channel_weights, len(self.channels.pattern))
        collator = data_collator or DiaCollator(self.channels, args.text_dropout, args.code_noise)
        use_cache = config.use_cache
        # Trainer would replace the model's special ids, which are codes, with the tokenizer's, which are text.
        options["processing_class"] = None
        self._examples_of = partial(evaluation_examples, config=config, processor=processing_class, format=format)
        learned = training_examples(train_dataset, args, config, processing_class, format)
        super().__init__(model, args, collator, learned, self._examples_of(eval_dataset), **options)
        config.use_cache = use_cache  # Trainer turns it off, and would save it so
        self.model_accepts_loss_kwargs = True  # makes Trainer pass num_items_in_batch
        self._check_merging()
        self.average = self._averaging(args)
        self.add_callback(_Epochs(learned))
        if self.accelerator.scaler is None and not self.is_deepspeed_enabled:
            self.add_callback(
                FiniteUpdates(partial(self.accelerator.reduce, reduction="sum"), self._describe_divergence)
            )
        self._training_sums = torch.zeros(2, len(self.channels.pattern), device=args.device)
        self._measured_sums = torch.zeros(5, len(self.channels.pattern), device=args.device)

    def _check_merging(self) -> None:
        """Raise ValueError if adapters cannot be merged: sharded weights cannot be copied."""
        if (
            is_adapted(self.model)
            and self.args.merge_adapter
            and (self.is_fsdp_enabled or is_deepspeed_zero3_enabled())
        ):
            raise ValueError(
                "merge_adapter needs the whole weights in one process, and FSDP and ZeRO-3 shard them. Set "
                "merge_adapter=False (--keep-adapter); Dia.from_pretrained merges the adapters when it loads them."
            )

    def _averaging(self, args: DiaTrainingArguments) -> RunningAverage | None:
        if not args.average:
            return None
        if self.is_fsdp_enabled or self.is_deepspeed_enabled:
            raise ValueError(
                "average needs the whole weights in every process, and FSDP and DeepSpeed shard them. Set average=0."
            )
        average = RunningAverage(self.model, args.average)
        self.add_callback(AverageCallback(average))
        return average

    def _get_train_sampler(self, train_dataset: Any = None) -> Any:
        examples = self.train_dataset if train_dataset is None else train_dataset
        grouped = getattr(self.args, "train_sampling_strategy", "") == "group_by_length"
        if not (grouped and isinstance(examples, Examples)):
            return super()._get_train_sampler(train_dataset)
        size = self.args.train_batch_size * self.args.gradient_accumulation_steps
        return GroupedByLength(examples, size)

    def compute_loss(
        self, model: Any, inputs: dict[str, Tensor], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """The weighted mean over channels, normalized by the labels in all processes and accumulated batches."""
        sums, counts = batch_sums(model, inputs, len(self.channels.pattern))
        if model.training:
            self._training_sums += torch.stack([sums.detach().sum(0), counts.sum(0)])
        labeled = counts.sum() if num_items_in_batch is None else torch.as_tensor(num_items_in_batch).flatten()[0]
        loss = (sums.sum(0) * self.channel_weights.to(sums.device)).sum() / labeled.to(sums.device).clamp_min(1)
        if num_items_in_batch is not None and self.args.average_tokens_across_devices:
            loss = loss * self.accelerator.num_processes  # gradients are averaged over processes, not summed
        return (loss, {}) if return_outputs else loss

    def training_step(self, *args: Any, **kwargs: Any) -> Tensor:
        """One forward and backward pass.

        Raises:
            FloatingPointError: the loss is not finite; no weight has been changed by it.
        """
        loss: Tensor = super().training_step(*args, **kwargs)
        if not torch.isfinite(loss):
            raise FloatingPointError(self._describe_divergence(f"the loss is {float(loss)}"))
        return loss

    def _describe_divergence(self, fact: str) -> str:
        rate = self._get_learning_rate() if self.lr_scheduler is not None else self.args.learning_rate
        return (
            f"{fact} at step {self.state.global_step + 1}, learning rate {rate:.2e}. The usual causes are a learning "
            "rate that is too high or not warmed up, float16 (use bf16), or damaged initial weights. "
            f"{self._describe_saved()} with a lower learning rate."
        )

    def _describe_saved(self) -> str:
        saved = last_checkpoint(self.args.output_dir)
        return f"Resume from {saved}, which is not affected," if saved else "Nothing is saved yet; start again"

    def log(self, logs: dict[str, float], *args: Any, **kwargs: Any) -> None:
        """Add the loss of each channel since the last log."""
        if "loss" in logs:
            sums, counts = self.accelerator.reduce(self._training_sums, "sum")
            logs |= _named("loss_channel", sums / counts.clamp_min(1))
            self._training_sums.zero_()
        super().log(logs, *args, **kwargs)

    def get_eval_dataloader(self, eval_dataset: Any = None) -> Any:
        """As `Trainer`, but it takes clips, too, and no process repeats clips to fill its last batch."""
        eval_dataset = self._examples_of(eval_dataset)
        even, self.accelerator.even_batches = self.accelerator.even_batches, False
        try:
            return super().get_eval_dataloader(eval_dataset)
        finally:
            self.accelerator.even_batches = even

    def get_test_dataloader(self, test_dataset: Any) -> Any:
        """As `Trainer`, but it takes clips, too."""
        return super().get_test_dataloader(self._examples_of(test_dataset))

    def evaluate(self, *args: Any, **kwargs: Any) -> dict[str, float]:
        """As `Trainer`, with the averaged weights, also of clips or a dict of them, as for `eval_dataset`."""
        with self._averaged():
            return super().evaluate(*args, **kwargs)

    def predict(self, *args: Any, **kwargs: Any) -> Any:
        """As `Trainer`, with the averaged weights, as `evaluate`. There are metrics, but no predictions."""
        with self._averaged():
            return super().predict(*args, **kwargs)

    def _averaged(self) -> AbstractContextManager[None]:
        """Give the model the averaged weights inside the `with` block, if there are any."""
        return nullcontext() if self.average is None else self.average.applied()

    def evaluation_loop(self, *args: Any, metric_key_prefix: str = "eval", **kwargs: Any) -> Any:
        """As `Trainer`, with the loss of each channel and the gap as additional metrics."""
        self._measured_sums.zero_()
        output = super().evaluation_loop(*args, metric_key_prefix=metric_key_prefix, **kwargs)
        measured = losses_and_gap(self.accelerator.reduce(self._measured_sums, "sum"))
        weights = self.channel_weights.to(measured.loss.device)
        metrics = {"loss": float((measured.loss * weights).mean()), **_named("loss_channel", measured.loss)}
        if measured.gap is not None:
            metrics["gap"] = measured.gap
        output.metrics.update({f"{metric_key_prefix}_{name}": value for name, value in metrics.items()})
        return output

    def prediction_step(
        self, model: Any, inputs: dict[str, Tensor], prediction_loss_only: bool, ignore_keys: Any = None
    ) -> tuple[None, None, None]:
        """Evaluate a batch with its own texts and with other texts; processes exchange only the sums, at the end."""
        self._measured_sums += swapped_sums(model, self._prepare_inputs(inputs), len(self.channels.pattern))
        return None, None, None

    def train(self, resume_from_checkpoint: str | bool | None = None, *args: Any, **kwargs: Any) -> Any:
        """As `Trainer`; `resume_from_checkpoint=True` uses the last complete checkpoint.

        Raises:
            ValueError: there is no complete checkpoint.
            FloatingPointError: the loss is not finite.
            OSError: a file cannot be written, such as on a full disk; the last checkpoint is kept.
        """
        if resume_from_checkpoint is True:
            last = last_checkpoint(self.args.output_dir)
            if last is None:
                raise ValueError(
                    f"{self.args.output_dir} contains no complete checkpoint to resume from. Train without resuming."
                )
            resume_from_checkpoint = str(last)
        try:
            return super().train(resume_from_checkpoint, *args, **kwargs)
        except OSError as error:
            reason = f"{error} (step {self.state.global_step}). {self._describe_saved()} when the cause is fixed."
            raise OSError(reason) from error

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        folder = Path(resume_from_checkpoint)
        check_adapters(folder, self.model)
        try:
            super()._load_from_checkpoint(resume_from_checkpoint, model)
        except RuntimeError as error:
            raise mismatch(folder, error) from error
        if self.average is not None:
            self.average.load(folder)

    def _load_best_model(self) -> None:
        super()._load_best_model()
        if self.average is not None:
            self.average.load(Path(str(self.state.best_model_checkpoint)))

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        try:
            with keep_learning_rates(self.optimizer, self.lr_scheduler):
                super()._load_optimizer_and_scheduler(checkpoint)
        except ValueError as error:
            raise mismatch(Path(str(checkpoint)), error) from error

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        self._check_weights()
        folder = Path(self._get_output_dir(trial)) / f"checkpoint-{self.state.global_step}"
        try:
            super()._save_checkpoint(model, trial)
        except _WRITING_FAILED as error:
            free = shutil.disk_usage(folder.parent).free / 2**20
            shutil.rmtree(folder, ignore_errors=True)
            if _is_of_memory(error):
                raise
            raise OSError(f"{folder} could not be written: {error}; {free:.0f} MB were free on its disk") from error

    def _check_weights(self) -> None:
        if not all(bool(torch.isfinite(weight).all()) for weight in self.model.parameters() if weight.requires_grad):
            raise FloatingPointError(self._describe_divergence("a weight is not finite"))

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        """Write the finished model, with averaged weights and the processor, for `from_pretrained`.

        A checkpoint holds the current weights instead, and the average in a separate file. With `push_to_hub=True` in
        the arguments, the finished model is also uploaded.

        Raises:
            FloatingPointError: a weight is not finite; nothing is written.
            OSError: the disk is full; incomplete files are removed.
        """
        folder = Path(output_dir or self.args.output_dir)
        if _internal_call and output_dir is not None:  # a checkpoint; push_to_hub names no folder
            super().save_model(str(folder), _internal_call=True)
            if self.average is not None and self.args.should_save:
                self.average.save(folder)
            return
        uploads = self.args.push_to_hub and not _internal_call
        if not (uploads and folder == Path(self.args.output_dir)):  # the upload writes it
            self._write_finished(folder)
        if uploads:
            self.push_to_hub(commit_message="Model save", revision=self.args.hub_revision)

    def _write_finished(self, folder: Path) -> None:
        self._check_weights()
        try:
            with self._averaged():
                self._save_finished(folder)
        except _WRITING_FAILED as error:
            if _is_of_memory(error):
                raise
            reason = f"{folder} could not be written: {error}. {self._describe_saved()} when there is disk space."
            raise OSError(reason) from error

    def push_to_hub(self, *args: Any, revision: str | None = None, **kwargs: Any) -> Any:
        """As `Trainer`. Adapters that were uploaded during the training are removed if they are merged now."""
        result = super().push_to_hub(*args, revision=revision, **kwargs)
        if is_adapted(self.model) and self.args.merge_adapter and self.is_world_process_zero():
            token = kwargs.get("token") or self.args.hub_token
            remove_uploaded_adapters(self.hub_model_id, revision or self.args.hub_revision, token)
        return result

    def _push_from_checkpoint(self, checkpoint_folder: str) -> None:
        if self.is_world_process_zero() and self.args.hub_strategy != HubStrategy.END:
            with atomic_entries(self.args.output_dir) as place:
                self._save_settings(place)
        super()._push_from_checkpoint(checkpoint_folder)

    def _save_finished(self, folder: Path) -> None:
        writes = self.args.should_save
        with atomic_entries(folder, _LAST) if writes else nullcontext(folder) as place:
            if self.args.merge_adapter and writes and plain(self.model) is not self.model:
                merged(self.accelerator.unwrap_model(self.model, keep_fp32_wrapper=False)).save_pretrained(place)
            else:
                super().save_model(str(place), _internal_call=True)
            if writes:
                self._save_settings(place)
            written = {path.name for path in place.iterdir()} if writes else set()
        if writes:
            remove_replaced(folder, written)

    def _save_settings(self, folder: Path) -> None:
        """Write what `Trainer` does not: generation settings, which peft omits, and the processor."""
        plain(self.model).generation_config.save_pretrained(folder)
        if self.processor is not None:
            self.processor.save_pretrained(folder)


class _Epochs(TrainerCallback):
    """Passes the current epoch to the examples."""

    def __init__(self, examples: Any) -> None:
        self._examples = examples

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if hasattr(self._examples, "set_epoch"):
            self._examples.set_epoch(int(state.epoch or 0))


def _is_of_memory(error: Exception) -> bool:
    """Whether there was too little memory. torch raises a plain RuntimeError on a CPU, as it does for a full disk."""
    return isinstance(error, torch.OutOfMemoryError) or "not enough memory" in str(error)


def _named(prefix: str, values: Tensor) -> dict[str, float]:
    return {f"{prefix}_{channel}": round(float(value), 4) for channel, value in enumerate(values)}


__all__ = ["DiaTrainer", "DiaTrainingArguments", "last_checkpoint"]
