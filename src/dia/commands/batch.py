"""`dia batch`: speak many scripts into a folder. Parses options and prints; `dia.jobs` does the work."""

import argparse
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dia.commands.batch_processes import add_worker_options, check_worker_options, results_from_ray, speak_share
from dia.commands.options.early_checks import check_place
from dia.commands.options.models import add_model_options, load_model
from dia.commands.options.numbers import count, non_negative, option
from dia.commands.options.sampling import add_sampling_options
from dia.distributed.launcher import Processes
from dia.runtime.standard_streams import print_lines
from dia.runtime.warnings import DiaWarning
from dia.text.markup.formats import TEXT_FORMATS

if TYPE_CHECKING:
    from dia.jobs.audiobook import Audiobook
    from dia.jobs.batch import Batch
    from dia.jobs.report import Report
    from dia.jobs.results import RowResult
    from dia.jobs.settings import BatchSettings
    from dia.model import Dia
    from dia.text.prompt_format import PromptFormat

_GUIDE = """examples:
  dia batch rows.jsonl -o speech
  dia batch rows.csv -o speech --format flac --subtitles srt
  dia batch scripts/ -o speech --voice clara --retries 2
  dia batch book.epub -o chapters
  dia batch book.epub --audiobook -o book.m4b --voice clara
  dia batch rows.jsonl -o speech --layout webdataset --format flac --codes
  dia batch rows.jsonl -o speech --check

INPUT has a row for each script: JSON lines, CSV or Parquet with the columns id and text (or turns), and optionally
voice, seed and settings such as temperature; a data set (dataset:NAME, or a folder of save_to_disk); a script (.txt,
.srt, .vtt, .fountain); a book (.epub, .docx, .md, .html), whose chapters are rows; or a folder of scripts and books.
FOLDER gets a file for each row, or shards, and manifest.jsonl with a line for each row. All rows are checked first.
The same command again resumes: finished rows are kept, changed rows are spoken again, failed rows are tried again.
The exit code is 1 if a row failed. Many processes: torchrun -m dia.distributed.batch INPUT -o FOLDER, or --ray.
"""
_OPTIONS = ("max_tokens", "cfg_scale", "temperature", "top_p", "speaking_rate", "long_form", "text_format")


def add_command(subparsers: Any, notice: str = "") -> None:
    """Add `batch` to the subparsers of `dia`; `notice` is appended to its help."""
    parser = subparsers.add_parser(
        "batch",
        usage="dia batch INPUT -o FOLDER [options]",
        help="speak many scripts into a folder",
        description="Speak many scripts into a folder, one audio file per row of the input.",
        epilog=f"{_GUIDE}\n{notice}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=_batch)
    _add_options(parser)


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("input", metavar="INPUT", type=Path, help="rows, data set, book, or folder of scripts")
    parser.add_argument("-o", "--output", metavar="FOLDER", type=Path, required=True, help="folder for the results")
    parser.add_argument("--check", action="store_true", help="check all rows, print the report and stop")
    parser.add_argument(
        "--encode",
        action="store_true",
        help="encode recordings for training instead: INPUT is --data and FOLDER is --output of `dia train`, whose "
        "--encode-only does the same with more options",
    )
    parser.add_argument(
        "--measure",
        action="store_true",
        help="load the model and measure its speed for a moment, to estimate the time that the work takes",
    )
    parser.add_argument(
        "--strict", action="store_true", help="stop if a row cannot be spoken, before the first one is"
    )
    parser.add_argument("--format", default="wav", metavar="SUFFIX", help="format of the files (default: wav)")
    parser.add_argument(
        "--subtitles",
        action="append",
        choices=("srt", "vtt"),
        default=[],
        help="also write subtitles; may be repeated",
    )
    _add_audiobook_options(parser.add_argument_group("audiobook"))
    group = parser.add_argument_group("the folder")
    group.add_argument(
        "--layout",
        choices=("files", "webdataset", "dataset"),
        default="files",
        help="a file per row (default), WebDataset shards, or a data set in Parquet files",
    )
    group.add_argument("--shard-rows", type=count, default=1000, metavar="N", help="rows of a shard (default: 1000)")
    group.add_argument("--codes", action="store_true", help="also keep the codes of each row")
    add_worker_options(parser.add_argument_group("workers"))
    parser.add_argument("--watermark", action="store_true", help="also put an inaudible watermark into the sound")
    _add_row_options(parser.add_argument_group("rows (defaults for rows without a value of their own)"))
    group = parser.add_argument_group("model")
    add_model_options(group)
    group.add_argument("--verbose", action="store_true", help="print settings and progress to standard error")
    add_sampling_options(parser)


def _add_audiobook_options(group: Any) -> None:
    group.add_argument(
        "--audiobook",
        action="store_true",
        help="write one file, -o book.m4b, with a chapter for each row (m4b, m4a, mp4, mp3 or opus)",
    )
    group.add_argument("--title", help="title of the audiobook (default: that of the book)")
    group.add_argument("--artist", help="artist of the audiobook (default: the author)")


def _add_row_options(group: Any) -> None:
    group.add_argument(
        "--voice",
        action="append",
        metavar="VOICE",
        help="name or file of a voice; S1=VOICE or NAME=VOICE for one speaker",
    )
    group.add_argument("--retries", type=non_negative, metavar="N", help="retry speech with faults up to N times")
    group.add_argument("--best-of", type=count, metavar="N", help="generate N takes in a batch and keep the best")
    group.add_argument(
        "--speaking-rate", type=option("speaking_rate"), metavar="R", help="speed relative to the model's, 0.5 to 2"
    )
    group.add_argument("--text-format", choices=TEXT_FORMATS, help="how the scripts are written")
    group.add_argument("--keep-timing", action="store_true", help="speak each cue of subtitles at its time")
    group.add_argument("--long-form", action=argparse.BooleanOptionalAction, help="speak in parts, or in one pass")
    group.add_argument("--no-normalize", dest="normalize", action="store_false", help="do not spell out numbers")


def _batch(arguments: argparse.Namespace) -> int:
    if arguments.encode:
        return _encode(arguments)
    check_place(arguments)
    check_worker_options(arguments)
    book = _audiobook(arguments) if arguments.audiobook else None
    if Processes.of_environment().count > 1 and not arguments.check:
        job = _job(arguments)
        return speak_share(job, lambda: _usable(_checked(job, arguments), arguments), arguments)
    batch = _job(arguments) if book is None else book
    report = _checked(batch, arguments)
    model = None
    if report.good and arguments.measure:
        model = load_model(arguments, _is_interactive(arguments), arguments.verbose)
    _print_work(report, model)
    if arguments.check:
        return 0 if not report.bad else 1
    _usable(report, arguments)
    if arguments.ray is not None:
        with closing(results_from_ray(_job(arguments), arguments)) as results:
            return _follow(results, report, arguments)
    if model is None:
        model = load_model(arguments, _is_interactive(arguments), arguments.verbose)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DiaWarning)  # they are in the manifest
        with closing(batch.run(model)) as results:
            failed = _follow(results, report, arguments)
    return failed if book is None or failed else _write_audiobook(book)


def _encode(arguments: argparse.Namespace) -> int:
    """Run `dia train --encode-only`, in each process of a launcher."""
    from dia.commands.training.train import encode

    plain = argparse.ArgumentParser()
    _add_options(plain)
    allowed = {"encode": True, "model": arguments.model}
    if arguments.device == "cpu":
        allowed["device"] = "cpu"
    expected = vars(plain.parse_args([str(arguments.input), "-o", str(arguments.output)])) | allowed
    if given := [name for name, value in expected.items() if getattr(arguments, name) != value]:
        raise ValueError(
            f"--{given[0].replace('_', '-')} has no effect with --encode. Omit it, or use dia train --encode-only."
        )
    return encode(arguments.input, arguments.output, arguments.model, arguments.device == "cpu")


def _audiobook(arguments: argparse.Namespace) -> "Audiobook":
    from dia.audio.formats.tags import Tags
    from dia.jobs.audiobook import Audiobook

    parts = {"--format": arguments.format != "wav", "--layout": arguments.layout != "files"}
    parts |= {"--subtitles": bool(arguments.subtitles), "--codes": arguments.codes}
    if wrong := [name for name, given in parts.items() if given]:
        raise ValueError(f"{wrong[0]} has no effect on an audiobook, whose format is that of -o. Omit it.")
    given = {name: getattr(arguments, name) for name in ("title", "artist") if getattr(arguments, name) is not None}
    return Audiobook(arguments.input, arguments.output, _settings(arguments), Tags.of(given))


def _write_audiobook(book: "Audiobook") -> int:
    """Write the file, and print the levels of its chapters."""
    from dia.audio.dsp.mastering import summary

    chapters = book.write()
    for chapter in chapters:
        for fault in chapter.levels.faults():
            print_lines(f"warning: {chapter.title}: {fault}")
    print(f"{book.path}: {len(chapters)} chapters; {summary([chapter.levels for chapter in chapters])}")
    return 0


def _job(arguments: argparse.Namespace) -> "Batch":
    from dia.jobs.batch import Batch

    for name in ("title", "artist"):
        if getattr(arguments, name) is not None:
            raise ValueError(f"--{name} is only allowed with --audiobook.")
    return Batch(arguments.input, arguments.output, _settings(arguments))


def _settings(arguments: argparse.Namespace) -> "BatchSettings":
    from dia.jobs.settings import BatchSettings
    from dia.voices.library import parse_voice_option

    options = {name: getattr(arguments, name) for name in _OPTIONS} | {
        "cfg_filter_top_k": arguments.top_k,
        "retries": arguments.retries,
        "best_of": arguments.best_of,
        "keep_timing": arguments.keep_timing or None,
        "normalize": None if arguments.normalize else False,
    }
    return BatchSettings(
        seed=arguments.seed or 0,
        format=arguments.format.removeprefix("."),
        subtitles=tuple(dict.fromkeys(arguments.subtitles)),
        voice=parse_voice_option(arguments.voice or ()),
        layout=arguments.layout,
        shard_rows=arguments.shard_rows,
        codes=arguments.codes,
        options={name: value for name, value in options.items() if value is not None},
        watermark=arguments.watermark,
    )


def _checked(batch: "Batch | Audiobook", arguments: argparse.Namespace) -> "Report":
    """The report on all rows, printed."""
    report = batch.check(_format(arguments.model))
    print("\n".join(report.lines()), flush=True)
    return report


def _print_work(report: "Report", model: "Dia | None") -> None:
    """Print how long the work is expected to take, at a speed that is measured if there is a model."""
    from dia.jobs.speed import ASSUMED, measured_speed

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DiaWarning)
        speed = ASSUMED if model is None else measured_speed(model)
    print(speed.line(report.seconds), flush=True)


def _usable(report: "Report", arguments: argparse.Namespace) -> None:
    if report.bad and arguments.strict:
        raise ValueError(f"{report.bad} rows cannot be spoken, see above. Repair them, or omit --strict.")
    if report.bad and arguments.audiobook:
        raise ValueError(f"{report.bad} chapters cannot be spoken, see above. An audiobook needs all; repair them.")
    if not report.good:
        raise ValueError("no row can be spoken, see above.")


def _format(source: str | None) -> "PromptFormat":
    """The prompt conventions of the model. Those of a Hub model are unknown before loading: text is not read then."""
    from dia.checkpoints.source import local_folder
    from dia.text.prompt_format import PromptFormat

    folder = local_folder(source, "generation_config.json")
    return PromptFormat(text_frontend="none") if folder is None else PromptFormat.in_folder(folder)


def _is_interactive(arguments: argparse.Namespace) -> bool:
    """Whether to show progress and hints: on a terminal, or with --verbose."""
    return bool(arguments.verbose or sys.stderr.isatty())


def _follow(results: "Iterator[RowResult]", report: "Report", arguments: argparse.Namespace) -> int:
    """Show progress, and print what was done at the end."""
    from tqdm import tqdm

    started, seconds, made, kept, failed = time.perf_counter(), 0.0, 0, 0, 0
    silent = not _is_interactive(arguments)
    with tqdm(total=report.good + report.bad, desc="speaking", unit=" rows", leave=False, disable=silent) as bar:
        for result in results:
            failed += bool(result.error)
            kept += not result.made
            if result.made and not result.error:
                made, seconds = made + 1, seconds + result.seconds
            if result.error:
                bar.write(f"dia: {result.id or f'row {result.row}'}: {result.error}", file=sys.stderr)
            speed = seconds / (time.perf_counter() - started)
            bar.set_postfix_str(f"{seconds / 3600:.2f} h of speech, {speed:.2f}x realtime", refresh=False)
            bar.update()
    taken = time.perf_counter() - started
    print(
        f"{arguments.output}: {made} rows made ({seconds:.2f} s of speech in {taken:.2f} s), {kept} kept, "
        f"{failed} failed"
    )
    if failed:
        print_lines(f"the errors are in {arguments.output}/manifest.jsonl; the same command tries these rows again")
    return 1 if failed else 0


__all__ = ["add_command"]
