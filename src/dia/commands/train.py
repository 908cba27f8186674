"""`dia train`: fine-tuning from the command line, from recordings to a folder that speaks.

Knows arguments, the order of the work and what to print. Loads torch only when there is something to do.
"""

import argparse
import math
import os
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dia.commands.numbers import count, part, positive, share, training_seed
from dia.commands.train_checks import check_data, check_model, check_place
from dia.runtime.interruption import described, exit_code
from dia.runtime.locks import only_writer

if TYPE_CHECKING:
    from dia.text.prompt_format import PromptFormat

_CODES = "codes"
_EMBEDDED = (None, "mini")
EPOCHS = 10
LEAST_STEPS = 40  # ten passes over a few recordings are too few updates to learn a voice
LEAST_APART = 20  # evaluating and saving after each pass over them would take longer than learning
LORA_RATE, PLAIN_RATE = 2e-4, 2e-5  # of a decoder as wide as Dia-1.6B's
WIDTH = 2048
_EXAMPLES = """examples:
  dia train --data recordings/ --output my-voice --lora
  dia train --data metadata-folder/ --model nari-labs/Dia-1.6B-0626 --output my-voice --lora --bf16 \\
      --batch-size 1 --accumulate 8 --checkpointing
  dia train --data user/dataset --text-column transcript --output my-language --text-frontend none --epochs 20
  dia train --data recordings/ --output my-voice --lora --resume
  dia say "[S1] This is my voice." --model my-voice -o hello.wav

The data is a folder of a.wav with a.txt beside it, or with metadata.csv (file_name, text, speaker), or a data set of
the Hub. It is checked first; report.json and a histogram in the output folder say what was found. Then it is encoded
once into OUTPUT/codes, and trained on.

Watch eval_gap: how much more the model loses when it is given other words. At 0 it ignores its text, however well the
loss looks.
"""


def add_commands(subparsers: Any, notice: str) -> None:
    """Add `train` to the command's subparsers; `notice` closes its help."""
    parser = subparsers.add_parser(
        "train",
        usage="dia train --data SOURCE [options]",
        help="fine-tune a model on recordings",
        description="Fine-tune a model on recordings of a voice or a language.",
        epilog=f"{_EXAMPLES}\n{notice}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=train)
    _add_data_options(parser)
    _add_training_options(parser)
    _add_method_options(parser)


def _add_data_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("data")
    group.add_argument("--data", required=True, metavar="SOURCE", help="a folder, or a data set of the Hub")
    group.add_argument("--audio-column", default="audio", metavar="NAME", help="of a data set (default: audio)")
    group.add_argument(
        "--text-column", default="text", metavar="NAME", help="of a data set or metadata (default: text)"
    )
    group.add_argument("--speaker-column", default="speaker", metavar="NAME", help="likewise (default: speaker)")
    group.add_argument("--split", default="train", help="of a data set (default: train)")
    group.add_argument(
        "--text-frontend",
        choices=("en", "none"),
        help="how transcripts, and later scripts, are read: as English, or unchanged, for another language (default: "
        "as the model reads)",
    )
    group.add_argument("--shifts", type=count, default=3, help="encode each clip at so many frame shifts (default: 3)")
    group.add_argument("--held-out", type=part, default=0.05, metavar="SHARE", help="to measure with (default: 0.05)")


def _add_training_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("training")
    group.add_argument("--model", help="folder or Hub id to begin with (default: the small embedded model)")
    group.add_argument("--output", type=Path, default=Path("trained"), help="the folder to write (default: trained)")
    group.add_argument("--resume", action="store_true", help="go on from the last checkpoint in the output folder")
    length = group.add_mutually_exclusive_group()
    length.add_argument("--steps", type=count, help="updates")
    length.add_argument(
        "--epochs", type=positive, help=f"passes over the data (default: {EPOCHS}, and {LEAST_STEPS} updates at least)"
    )
    group.add_argument("--batch-size", type=count, default=8, help="clips in one pass of one process (default: 8)")
    group.add_argument("--accumulate", type=count, default=1, metavar="N", help="passes per update (default: 1)")
    group.add_argument(
        "--learning-rate",
        type=positive,
        help=f"(default: {LORA_RATE:g} with --lora, else {PLAIN_RATE:g}; times sqrt(2048 / width of the decoder))",
    )
    group.add_argument("--warmup", type=part, default=0.05, metavar="SHARE", help="of the steps (default: 0.05)")
    group.add_argument("--bf16", action="store_true", help="compute in bfloat16")
    group.add_argument("--checkpointing", action="store_true", help="trade time for memory")
    group.add_argument(
        "--every",
        type=count,
        metavar="STEPS",
        help=f"evaluate and save so often (default: once an epoch, {LEAST_APART} updates apart at least)",
    )
    group.add_argument("--say", action="append", metavar="SCRIPT", help="speak this at evaluations; may be repeated")
    group.add_argument("--seed", type=training_seed, default=0, help="of all that is random (default: 0)")
    group.add_argument("--cpu", action="store_true", help="leave accelerators alone")


def _add_method_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("method")
    group.add_argument("--lora", action="store_true", help="train low-rank adapters, not the weights themselves")
    group.add_argument("--rank", type=count, default=16, help="of the adapters (default: 16)")
    group.add_argument("--keep-adapter", action="store_true", help="save the adapters alone, not merged")
    group.add_argument("--freeze", choices=("encoder", "decoder"), help="leave this half as it is")
    group.add_argument("--text-dropout", type=share, metavar="SHARE", help="clips without text (default: 0.15)")
    group.add_argument(
        "--prompts", type=share, default=0.0, metavar="SHARE", help="clips behind a prompt, for cloning (default: 0)"
    )
    group.add_argument(
        "--average", type=part, metavar="DECAY", help="of the running average (default: 0.999; 0: none)"
    )


def train(arguments: argparse.Namespace) -> int:
    """Run the command; returns the exit code: 0 done, 1 the training failed, 2 (by the caller) wrong input, 130
    interrupted, 143 ended by SIGTERM."""
    _check_installed()
    check_place(arguments.output, arguments.data)
    _check_output(arguments.output, arguments.resume)
    if arguments.model not in _EMBEDDED:
        check_model(arguments.model)
    check_data(arguments.data)
    try:
        with _only_run(arguments.output):
            return _train(arguments)
    except KeyboardInterrupt as interrupt:  # in the midst of a progress bar's line
        print(f"\ndia: {described(interrupt)}. {_describe_checkpoint(arguments.output)}", file=sys.stderr)
        return exit_code(interrupt)


def _only_run(folder: Path) -> AbstractContextManager[None]:
    """Keep the folder for this run; of several processes that train together the first one does."""
    if os.environ.get("RANK", "0") != "0":
        return nullcontext()
    return only_writer(folder, parents=True)


def _train(arguments: argparse.Namespace) -> int:
    import torch

    rows = _rows(arguments)  # before the model, which takes longer to load
    model, processor = _load(arguments)
    trainer = _trainer(arguments, model, processor, _encoded(arguments, rows, model, processor))
    try:
        trainer.train(resume_from_checkpoint=arguments.resume)
    except (FloatingPointError, torch.OutOfMemoryError) as error:
        print(f"\ndia: {error}{_memory_advice(arguments, error)}", file=sys.stderr)
        return 1
    trainer.save_model()
    if trainer.is_world_process_zero():
        print(f"{arguments.output}: done. {_describe_use(arguments)}")
    return 0


def _memory_advice(arguments: argparse.Namespace, error: Exception) -> str:
    if isinstance(error, FloatingPointError):
        return ""
    return (
        f"\ndia: the device's memory is full. Take --batch-size {max(1, arguments.batch_size // 2)} and a larger "
        f"--accumulate, --checkpointing, --bf16 or --lora. {_describe_checkpoint(arguments.output)}"
    )


def _describe_checkpoint(output: Path) -> str:
    from dia.training.checkpoints import last_checkpoint

    if (last := last_checkpoint(output)) is not None:
        return f"The same command with --resume goes on from {last}."
    return f"No checkpoint was written yet; what is encoded stays in {output / _CODES}. Run the same command again."


def _describe_use(arguments: argparse.Namespace) -> str:
    if arguments.lora and arguments.keep_adapter:
        return f"Put the adapters on their model by peft.PeftModel.from_pretrained(model, '{arguments.output}')."
    return f'Hear it: dia say "[S1] Hello." --model {arguments.output} -o hello.wav'


def _check_installed() -> None:
    from importlib.util import find_spec

    missing = [name for name in ("accelerate", "peft", "matplotlib") if find_spec(name) is None]
    if missing:
        raise ImportError(f"training needs {', '.join(missing)}, not installed: pip install {' '.join(missing)}")


def _check_output(folder: Path, resume: bool) -> None:
    stopped = any(folder.glob("checkpoint-*/trainer_state.json"))
    if resume and not stopped:
        raise ValueError(f"{folder} holds no checkpoint to go on from; leave --resume out.")
    if any((folder / name).exists() for name in ("config.json", "adapter_config.json")) and not resume:
        raise ValueError(f"{folder} holds a finished model; name another --output, or go on with --resume.")
    if stopped and not resume:
        raise ValueError(f"{folder} holds a run that was stopped; go on with --resume, or name another --output.")


def _rows(arguments: argparse.Namespace) -> Any:
    from dia.training.data.source import read_source

    columns = ("audio_column", "text_column", "speaker_column", "split")
    return read_source(arguments.data, **{name: getattr(arguments, name) for name in columns})


def _load(arguments: argparse.Namespace) -> tuple[Any, Any]:
    import torch

    from dia import MINI
    from dia.modeling_dia import DiaForConditionalGeneration
    from dia.processing_dia import DiaProcessor
    from dia.training.data.compatibility import check_processor

    source = str(MINI) if arguments.model in _EMBEDDED else arguments.model
    dtype = torch.bfloat16 if arguments.lora and arguments.bf16 else torch.float32
    try:
        processor = DiaProcessor.from_pretrained(source, dtype=torch.float32)
    except OSError as error:
        raise ValueError(f"--model {source}: its processor or its codec cannot be loaded. {error}") from error
    model = DiaForConditionalGeneration.from_pretrained(source, dtype=dtype)
    check_processor(processor, model.config)
    _choose_frontend(arguments.text_frontend, model, processor)
    if processor.audio_tokenizer is None:
        raise ValueError(f"--model {source} has no codec to encode recordings with; save it with its processor's.")
    if arguments.say:
        _sample_callback(arguments.say, model, processor)  # fails now if a script cannot be read, not after encoding
    return model, processor


def _choose_frontend(asked: str | None, model: Any, processor: Any) -> None:
    """Let the model, and so what is saved of it, read texts in the way that is asked for; by default in its own."""
    from dia.text.lexicon import Pronunciations

    frontend = asked or _format(model).text_frontend
    model.generation_config.text_frontend = frontend
    known = processor.tokenizer.pronunciations
    if frontend == "none" and known is not None:  # nothing is read as English: all words are read by their letters
        processor.tokenizer.pronunciations = Pronunciations(known.phones, {}, known.tags)


def _format(model: Any) -> "PromptFormat":
    from dia.text.prompt_format import PromptFormat

    return PromptFormat.of(model.generation_config)


def _sample_callback(scripts: Sequence[str], model: Any, processor: Any) -> Any:
    from dia.training.sample_callback import SampleCallback

    return SampleCallback(processor, scripts, format=_format(model))


def _encoded(arguments: argparse.Namespace, rows: Any, model: Any, processor: Any) -> Any:
    """Read, check and encode; the first process does it, the others read what it wrote."""
    from accelerate import PartialState

    from dia.training.data.code_cache import CodeCache
    from dia.training.data.compatibility import length_limits
    from dia.training.data.encoding import encode_rows
    from dia.training.data.report import check

    folder, state = arguments.output / _CODES, PartialState(cpu=arguments.cpu)
    format = _format(model)
    with state.main_process_first():
        if not state.is_main_process:
            return CodeCache(folder)
        if arguments.resume:
            CodeCache(folder).check_read(format.text_frontend)
        report = check(rows, processor, max_frames=length_limits(model.config)[1], format=format)
        print(report)
        report.save(arguments.output)
        if not report.usable:
            raise ValueError(f"{arguments.data} holds no row to train on; {arguments.output}/report.json says why.")
        return encode_rows(report.usable, processor, folder, arguments.shifts, frontend=format.text_frontend)


def _trainer(arguments: argparse.Namespace, model: Any, processor: Any, cache: Any) -> Any:
    from dia.training.data.dataset import clips_of, hold_out
    from dia.training.lora import freeze, plain, with_lora
    from dia.training.trainer import DiaTrainer

    learnt, held_out = hold_out(clips_of(cache.rows), arguments.held_out, arguments.seed)
    cache.check_fits(processor)
    cache.check_read(_format(model).text_frontend)
    if arguments.lora:
        model = with_lora(model, arguments.rank, frozen=arguments.freeze)
    elif arguments.freeze:
        freeze(model, arguments.freeze)
    callbacks = [_sample_callback(arguments.say, plain(model), processor)] if arguments.say else []
    none = "" if held_out else ": there will be no eval_loss and no eval_gap to watch; it takes six clips of a voice"
    print(f"{len(learnt)} clips to learn, {len(held_out)} held out{none}")
    return DiaTrainer(
        model,
        _options(arguments, plain(model).config, len(learnt), bool(held_out)),
        learnt,
        held_out or None,
        processing_class=processor,
        callbacks=callbacks,
    )


def _options(arguments: argparse.Namespace, config: Any, clips: int, evaluated: bool) -> Any:
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
    """How many updates there are, and after how many it is evaluated and saved."""
    from accelerate import PartialState

    per_update = arguments.batch_size * arguments.accumulate * PartialState().num_processes
    epoch = math.ceil(clips / per_update)
    passes = max(EPOCHS * epoch, LEAST_STEPS) if arguments.epochs is None else math.ceil(arguments.epochs * epoch)
    steps = arguments.steps or passes
    every = arguments.every or min(max(epoch, LEAST_APART), steps)
    return {"max_steps": steps, "save_steps": every, "eval_steps": every}


def _learning_rate(config: Any, lora: bool) -> float:
    """A narrow model needs a higher rate: Dia-1.6B's would leave the embedded one where it is, while in proportion to
    the width it would forget its words."""
    return (LORA_RATE if lora else PLAIN_RATE) * math.sqrt(WIDTH / config.get_text_config().hidden_size)


def _checkpointing_option(kind: Any) -> str:
    names = ("activation_checkpointing", "gradient_checkpointing")  # transformers renamed it within what we support
    return next(name for name in names if name in kind.__dataclass_fields__)


__all__ = ["add_commands"]
