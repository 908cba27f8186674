"""The options of `dia train`, and the training arguments that they stand for."""

import argparse
import math
from pathlib import Path
from typing import Any

from dia.commands.options.numbers import count, part, positive, share, training_seed

EPOCHS = 10
LEAST_STEPS = 40  # for a few recordings, ten passes are too few updates to learn a voice
LEAST_APART = 20  # for a few recordings, evaluating and saving after each pass would take longer than training
LORA_RATE, PLAIN_RATE = 2e-4, 2e-5  # of a decoder as wide as Dia-1.6B's
WIDTH = 2048
TIMEOUT = 10.0  # minutes; the first process speaks and saves while the others wait


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add all options to the parser of `dia train`."""
    _add_data_options(parser)
    _add_training_options(parser)
    _add_method_options(parser)


def _add_data_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("data")
    group.add_argument("--data", required=True, metavar="SOURCE", help="folder, or id of a data set on the Hub")
    group.add_argument(
        "--audio-column", default="audio", metavar="NAME", help="column of recordings in a data set (default: audio)"
    )
    group.add_argument(
        "--text-column",
        default="text",
        metavar="NAME",
        help="column of transcripts in a data set or metadata file (default: text)",
    )
    group.add_argument(
        "--speaker-column",
        default="speaker",
        metavar="NAME",
        help="column of speakers in a data set or metadata file (default: speaker)",
    )
    group.add_argument("--split", default="train", help="split of a data set (default: train)")
    group.add_argument(
        "--streaming",
        action="store_true",
        help="read a data set of the Hub as a stream, and keep its recordings in the output folder",
    )
    group.add_argument("--rows", type=count, metavar="N", help="with --streaming: read the first N rows")
    group.add_argument(
        "--text-frontend",
        choices=("en", "none"),
        help="how to normalize transcripts, and scripts for the trained model: en for English, none to leave them as "
        "they are, for other languages (default: as the model does)",
    )
    group.add_argument(
        "--shifts", type=count, default=3, metavar="N", help="encode each clip at N frame offsets (default: 3)"
    )
    group.add_argument(
        "--encode-only", action="store_true", help="encode the clips and stop; a later run trains on them"
    )
    group.add_argument(
        "--held-out",
        type=part,
        default=0.05,
        metavar="SHARE",
        help="share of the clips to evaluate on (default: 0.05)",
    )


def _add_training_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("training")
    group.add_argument("--model", help="folder or Hub id of the model to train (default: the small embedded model)")
    group.add_argument(
        "--output", type=Path, default=Path("trained"), help="folder for the trained model (default: trained)"
    )
    group.add_argument("--resume", action="store_true", help="continue from the last checkpoint in the output folder")
    length = group.add_mutually_exclusive_group()
    length.add_argument("--steps", type=count, help="number of updates")
    length.add_argument(
        "--epochs", type=positive, help=f"passes over the data (default: {EPOCHS}, but at least {LEAST_STEPS} updates)"
    )
    group.add_argument(
        "--batch-size", type=count, default=8, help="clips per process in one forward pass (default: 8)"
    )
    group.add_argument(
        "--accumulate", type=count, default=1, metavar="N", help="forward passes per update (default: 1)"
    )
    group.add_argument(
        "--learning-rate",
        type=positive,
        help=f"default: {LORA_RATE:g} with --lora, else {PLAIN_RATE:g}, times sqrt({WIDTH} / width of the decoder)",
    )
    group.add_argument(
        "--warmup", type=part, default=0.05, metavar="SHARE", help="share of the steps to warm up for (default: 0.05)"
    )
    group.add_argument("--bf16", action="store_true", help="compute in bfloat16")
    group.add_argument(
        "--checkpointing", action="store_true", help="use less memory at the cost of time: recompute activations"
    )
    group.add_argument(
        "--every",
        type=count,
        metavar="STEPS",
        help=f"updates between evaluations and checkpoints (default: one epoch, but at least {LEAST_APART})",
    )
    group.add_argument(
        "--say",
        action="append",
        metavar="SCRIPT",
        help="synthesize this script after each evaluation; may be repeated",
    )
    group.add_argument("--seed", type=training_seed, default=0, help="seed of all random choices (default: 0)")
    group.add_argument(
        "--timeout",
        type=positive,
        default=TIMEOUT,
        metavar="MINUTES",
        help=f"with several processes: end when one has not answered for so long (default: {TIMEOUT:g})",
    )
    group.add_argument("--cpu", action="store_true", help="train on the CPU even if there is a GPU")


def _add_method_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("method")
    group.add_argument("--lora", action="store_true", help="train low-rank adapters instead of the weights")
    group.add_argument("--rank", type=count, default=16, help="rank of the adapters (default: 16)")
    group.add_argument(
        "--keep-adapter", action="store_true", help="save only the adapters, without merging them into the model"
    )
    group.add_argument("--freeze", choices=("encoder", "decoder"), help="do not train this half of the model")
    group.add_argument(
        "--text-dropout", type=share, metavar="SHARE", help="share of the clips trained without text (default: 0.15)"
    )
    group.add_argument(
        "--prompts",
        type=share,
        default=0.0,
        metavar="SHARE",
        help="share of the clips that get a voice prompt, to train cloning (default: 0)",
    )
    group.add_argument(
        "--average",
        type=part,
        metavar="DECAY",
        help="decay of the weights' running average, 0 for none (default: 0.999)",
    )


def training_arguments(arguments: argparse.Namespace, config: Any, clips: int, evaluated: bool) -> Any:
    """The `DiaTrainingArguments` for the options.

    Args:
        arguments: the parsed options.
        config: of the model.
        clips: number of clips to train on.
        evaluated: whether clips are held out.
    """
    from importlib.util import find_spec

    from dia.training.trainer import DiaTrainingArguments

    given = {name: getattr(arguments, name) for name in ("text_dropout", "average")}
    options = {
        **{name: value for name, value in given.items() if value is not None},
        **_length(arguments, clips),
        "eval_strategy": "steps" if evaluated else "no",
        "prompt_dropout": 1.0 - arguments.prompts,
        "learning_rate": arguments.learning_rate or _learning_rate(config, arguments.lora),
        "report_to": ["tensorboard"] if find_spec("tensorboard") else [],
        _checkpointing_option(DiaTrainingArguments): arguments.checkpointing,
    }
    return DiaTrainingArguments(
        str(arguments.output),
        per_device_train_batch_size=arguments.batch_size,
        per_device_eval_batch_size=arguments.batch_size,
        gradient_accumulation_steps=arguments.accumulate,
        warmup_steps=arguments.warmup,
        lr_scheduler_type="cosine",
        logging_steps=10,
        bf16=arguments.bf16,
        use_cpu=arguments.cpu,
        seed=arguments.seed,
        save_strategy="steps",
        save_total_limit=2,
        merge_adapter=not arguments.keep_adapter,
        **options,
    )


def _length(arguments: argparse.Namespace, clips: int) -> dict[str, Any]:
    """The number of updates, and how many lie between two evaluations and checkpoints."""
    from accelerate import PartialState

    per_update = arguments.batch_size * arguments.accumulate * PartialState().num_processes
    epoch = math.ceil(clips / per_update)
    passes = max(EPOCHS * epoch, LEAST_STEPS) if arguments.epochs is None else math.ceil(arguments.epochs * epoch)
    steps = arguments.steps or passes
    every = arguments.every or min(max(epoch, LEAST_APART), steps)
    return {"max_steps": steps, "save_steps": every, "eval_steps": every}


def _learning_rate(config: Any, lora: bool) -> float:
    """The default learning rate, which grows with the root of 2048 / width.

    A narrow model needs a higher rate. At Dia-1.6B's rate the embedded model learns almost nothing; at a rate in
    inverse proportion to the width it unlearns words.
    """
    return (LORA_RATE if lora else PLAIN_RATE) * math.sqrt(WIDTH / config.get_text_config().hidden_size)


def _checkpointing_option(kind: Any) -> str:
    names = ("activation_checkpointing", "gradient_checkpointing")  # transformers renamed it in the supported range
    return next(name for name in names if name in kind.__dataclass_fields__)


__all__ = ["add_options", "training_arguments"]
