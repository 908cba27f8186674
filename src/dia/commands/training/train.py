"""`dia train`: fine-tune a model on recordings.

Runs the steps in order and prints the result. torch is loaded only after the options are checked.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dia.commands.training.checks import check_data, check_model, check_place
from dia.commands.training.options import add_options, training_arguments
from dia.runtime.files.locks import exclusive_writer
from dia.runtime.interruption import exit_code, interrupt_message

if TYPE_CHECKING:
    from dia.text.prompt_format import PromptFormat

_CODES, _RECORDINGS = "codes", "recordings"
_EMBEDDED = (None, "mini")
_EXAMPLES = """examples:
  dia train --data recordings/ --output my-voice --lora
  dia train --data metadata-folder/ --model nari-labs/Dia-1.6B-0626 --output my-voice --lora --bf16 \\
      --batch-size 1 --accumulate 8 --checkpointing
  dia train --data user/dataset --text-column transcript --output my-language --text-frontend none --epochs 20
  dia train --data recordings/ --output my-voice --lora --resume
  dia say "[S1] This is my voice." --model my-voice -o hello.wav

SOURCE is a folder with pairs of files (a.wav and a.txt), a folder with metadata.csv (file_name, text, speaker), or the
id of a data set on the Hub. The command first checks the data and writes report.json and histogram.png to the output
folder. It then encodes the audio once, into OUTPUT/codes, and trains on the codes.

Watch eval_gap: how much the loss rises when the model is given the wrong text. At 0 the model ignores its text, even
if the loss looks good.
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
    add_options(parser)


def encode(data: Path, output: Path, model: str | None, cpu: bool) -> int:
    """Encode recordings with the default options of the command, see `train`."""
    parser = argparse.ArgumentParser()
    add_options(parser)
    given = ["--data", str(data), "--output", str(output), "--encode-only"]
    given += [f"--model={model}"] if model else []
    return train(parser.parse_args([*given, *(["--cpu"] if cpu else [])]))


def train(arguments: argparse.Namespace) -> int:
    """Run the command.

    Returns:
        The exit code: 0 for success, 1 if the training failed, 130 if it was interrupted, 143 if SIGTERM ended it. The
        caller returns 2 for wrong input.
    """
    _check_installed()
    check_place(arguments.output, arguments.data)
    _check_output(arguments.output, arguments.resume)
    if arguments.rows is not None and not arguments.streaming:
        raise ValueError("--rows is only allowed with --streaming.")
    if arguments.model not in _EMBEDDED:
        check_model(arguments.model)
    check_data(arguments.data)
    try:
        with _only_run(arguments.output):
            return _train(arguments)
    except KeyboardInterrupt as interrupt:  # the cursor may be on a progress bar's line
        print(f"\ndia: {interrupt_message(interrupt)}. {_describe_checkpoint(arguments.output)}", file=sys.stderr)
        return exit_code(interrupt)


def _only_run(folder: Path) -> AbstractContextManager[None]:
    """Lock the folder for this run; if several processes train together, only the first one does."""
    if os.environ.get("RANK", "0") != "0":
        return nullcontext()
    return exclusive_writer(folder, parents=True)


def _train(arguments: argparse.Namespace) -> int:
    import torch

    rows = _rows(arguments)  # before the model: errors in the data show up sooner
    model, processor = _load(arguments)
    cache = _encoded(arguments, rows, model, processor)
    if arguments.encode_only:
        print(
            f"{arguments.output / _CODES}: {len(cache)} clips encoded. To train, run dia train with this --data "
            "and --output."
        )
        return 0
    trainer = _trainer(arguments, model, processor, cache)
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
        f"\ndia: the device ran out of memory. Use --batch-size {max(1, arguments.batch_size // 2)} with a larger "
        f"--accumulate, --checkpointing, --bf16 or --lora. {_describe_checkpoint(arguments.output)}"
    )


def _describe_checkpoint(output: Path) -> str:
    from dia.training.checkpoints import last_checkpoint

    if (last := last_checkpoint(output)) is not None:
        return f"To continue from {last}, run the same command with --resume."
    return f"No checkpoint was saved yet. The encoded clips are kept in {output / _CODES}; run the same command again."


def _describe_use(arguments: argparse.Namespace) -> str:
    return f'Try it: dia say "[S1] Hello." --model {arguments.output} -o hello.wav'


def _check_installed() -> None:
    from importlib.util import find_spec

    missing = [name for name in ("accelerate", "peft", "matplotlib") if find_spec(name) is None]
    if missing:
        raise ImportError(f"training needs {', '.join(missing)}. Run: pip install {' '.join(missing)}")


def _check_output(folder: Path, resume: bool) -> None:
    stopped = any(folder.glob("checkpoint-*/trainer_state.json"))
    if resume and not stopped:
        raise ValueError(f"{folder} contains no checkpoint to resume from. Run the command without --resume.")
    if any((folder / name).exists() for name in ("config.json", "adapter_config.json")) and not resume:
        raise ValueError(f"{folder} contains a finished model. Choose another --output, or continue with --resume.")
    if stopped and not resume:
        raise ValueError(
            f"{folder} contains an unfinished run. Continue it with --resume, or choose another --output."
        )


def _rows(arguments: argparse.Namespace) -> Any:
    from dia.training.data.source import read_source

    columns = {name: getattr(arguments, name) for name in ("audio_column", "text_column", "speaker_column")}
    if arguments.streaming:
        return read_source(_streamed(arguments, columns))
    return read_source(arguments.data, split=arguments.split, **columns)


def _streamed(arguments: argparse.Namespace, columns: dict[str, str]) -> Path:
    """The folder with the recordings of a stream, which is read once, by a single process."""
    from dia.distributed.launcher import Processes
    from dia.training.data.source import METADATA
    from dia.training.data.streams import copy_stream, open_stream

    folder: Path = arguments.output / _RECORDINGS
    if (folder / METADATA[1]).exists():
        return folder
    if Processes.of_environment().count > 1:
        raise ValueError("--streaming reads a data set in one process. Run it alone once, with --encode-only.")
    return copy_stream(open_stream(arguments.data, arguments.split), folder, **columns, rows=arguments.rows)


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
        raise ValueError(f"--model {source}: the processor or the codec cannot be loaded. {error}") from error
    model = DiaForConditionalGeneration.from_pretrained(source, dtype=dtype)
    check_processor(processor, model.config)
    _choose_frontend(arguments.text_frontend, model, processor)
    if processor.audio_tokenizer is None:
        raise ValueError(
            f"--model {source} has no codec to encode recordings with. Save the model with a processor that has one."
        )
    if arguments.say:
        _sample_callback(arguments.say, model, processor)  # fails now if a script cannot be read, not after encoding
    return model, processor


def _choose_frontend(asked: str | None, model: Any, processor: Any) -> None:
    """Set the text front end of the model, which is saved with it: the one asked for, or else the model's own."""
    from dia.text.lexicon import Pronunciations

    frontend = asked or _format(model).text_frontend
    model.generation_config.text_frontend = frontend
    known = processor.tokenizer.pronunciations
    if frontend == "none" and known is not None:  # no word is pronounced as in English
        processor.tokenizer.pronunciations = Pronunciations(known.phones, {}, known.tags)


def _format(model: Any) -> "PromptFormat":
    from dia.text.prompt_format import PromptFormat

    return PromptFormat.of(model.generation_config)


def _sample_callback(scripts: Sequence[str], model: Any, processor: Any) -> Any:
    from dia.training.sample_callback import SampleCallback

    return SampleCallback(processor, scripts, format=_format(model))


def _encoded(arguments: argparse.Namespace, rows: Any, model: Any, processor: Any) -> Any:
    """Check the rows in the first process, encode them in all, and open the cache once all have finished."""
    from accelerate import PartialState

    from dia.distributed.launcher import Meeting, Processes
    from dia.training.data.code_cache import CodeCache
    from dia.training.data.sharing import encode_share

    PartialState(cpu=arguments.cpu, timeout=timedelta(minutes=arguments.timeout))  # connects the processes
    folder, together = arguments.output / _CODES, Meeting.of_connected(Processes.of_environment())
    number, count, frontend = together.processes.number, together.processes.count, _format(model).text_frontend
    usable = together.agree(lambda: None if number else _checked(arguments, rows, model, processor))[0] or ()
    rows = [rows[index] for index in usable]
    encode_share(rows, processor, folder, number, count, together.agree, arguments.shifts, frontend=frontend)
    together.agree(lambda: None)
    return CodeCache(folder)


def _checked(arguments: argparse.Namespace, rows: Any, model: Any, processor: Any) -> list[int]:
    """Check all rows and print the report; returns the indices of usable rows."""
    from dia.training.data.code_cache import CodeCache
    from dia.training.data.compatibility import length_limits
    from dia.training.data.report import check

    format = _format(model)
    if arguments.resume:
        CodeCache(arguments.output / _CODES).check_read(format.text_frontend)
    report = check(rows, processor, max_frames=length_limits(model.config)[1], format=format)
    print(report)
    report.save(arguments.output)
    if not report.usable:
        raise ValueError(
            f"{arguments.data} contains no row to train on. See {arguments.output}/report.json for the reasons."
        )
    return report.usable_rows


def _trainer(arguments: argparse.Namespace, model: Any, processor: Any, cache: Any) -> Any:
    from accelerate import PartialState

    from dia.training.data.dataset import clips_of, hold_out
    from dia.training.lora import freeze, plain, with_lora
    from dia.training.trainer import DiaTrainer

    learned, held_out = hold_out(clips_of(cache.rows), arguments.held_out, arguments.seed)
    cache.check_fits(processor)
    cache.check_read(_format(model).text_frontend)
    if arguments.lora:
        model = with_lora(model, arguments.rank, frozen=arguments.freeze)
    elif arguments.freeze:
        freeze(model, arguments.freeze)
    callbacks = [_sample_callback(arguments.say, plain(model), processor)] if arguments.say else []
    none = (
        ""
        if held_out
        else " (no eval_loss and no eval_gap: a voice needs at least six clips for clips to be held out)"
    )
    if PartialState().is_main_process:
        print(f"{len(learned)} clips to train on, {len(held_out)} held out{none}")
    return DiaTrainer(
        model,
        training_arguments(arguments, plain(model).config, len(learned), bool(held_out)),
        learned,
        held_out or None,
        processing_class=processor,
        callbacks=callbacks,
    )


__all__ = ["add_commands", "encode"]
