"""`dia say`: speak a script into a file, a pipe or the sound device. Parses options and prints; `dia.model` speaks."""

import argparse
import secrets
import sys
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

from dia.commands.options.early_checks import check_speech
from dia.commands.options.models import add_model_options, load_model
from dia.commands.options.numbers import count, non_negative, option
from dia.commands.options.outputs import check_inputs_kept, check_outputs, exclusive_output, metadata, sound_file
from dia.commands.options.sampling import add_sampling_options
from dia.commands.options.scripts import add_script_options, parse_source, script_source
from dia.commands.options.speakers import add_speakers_option, speakers_given
from dia.runtime.background import in_background
from dia.runtime.files.atomic import atomic_file
from dia.runtime.standard_streams import print_lines
from dia.runtime.warnings import printed_warnings
from dia.synthesis.parts.folder import parts_folder, remove_parts, seed_in

if TYPE_CHECKING:
    from dia.audio.waveform import Waveform
    from dia.model import Dia
    from dia.synthesis.job import SynthesisJob
    from dia.synthesis.takes.alignment import TurnTime
    from dia.text.files.source import ScriptSource

_EXAMPLES = """examples:
  dia say "[S1] Hello. [S2] Hi! How are you?" -o hello.wav
  dia say script.txt -o dialogue.mp3 --seed 7
  dia say script.txt --stream
  dia say script.txt -o - | ffplay -
  dia say book.txt -o book.flac --retries 2 --srt book.srt
  dia say talk.srt -o talk.wav --keep-timing
  echo "[S1] Good morning." | dia say - -o morning.flac
  dia say "[S1] Some new words." -o cloned.wav --model nari-labs/Dia-1.6B-0626 \\
      --audio-prompt voice.wav --audio-prompt-text "[S1] The words of voice.wav."

In a script, [S1] and [S2] mark the turns of two speakers, and (laughs) and similar marks are sounds.
The suffix of the output selects the format: wav, flac, mp3, ogg, opus and others; with pip install 'dia-tts[media]'
also m4a and mp4.
"""


def add_command(subparsers: Any, notice: str = "") -> None:
    """Add `say` to the subparsers of `dia`; `notice` is appended to its help."""
    say = subparsers.add_parser(
        "say",
        usage="dia say SCRIPT -o FILE [options]",
        help="speak a script into an audio file, or play it",
        description="Speak a script into an audio file or a pipe, or play it.",
        epilog=f"{_EXAMPLES}\n{notice}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    say.set_defaults(run=_say)
    say.add_argument("script", metavar="SCRIPT", help="the script, a file that contains it, or - for standard input")
    say.add_argument("-o", "--output", metavar="FILE", help="audio file to write, or - for standard output")
    say.add_argument("--stream", action="store_true", help="play while generating; with -o FILE, also write the file")
    say.add_argument(
        "--format", choices=("wav", "raw"), help="format of standard output: wav (default) or raw samples"
    )
    add_script_options(say)
    for name in ("title", "artist", "comment"):
        say.add_argument(f"--{name}", metavar="TEXT", help=f"{name} to write into the audio file")
    say.add_argument("--watermark", action="store_true", help="also put an inaudible watermark into the sound")
    _add_model_options(say)
    _add_take_options(say)
    add_sampling_options(say)


def _add_take_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("takes")
    group.add_argument(
        "--retries", type=non_negative, default=0, metavar="N", help="retry speech with faults up to N times"
    )
    group.add_argument(
        "--best-of", type=count, default=1, metavar="N", help="generate N takes in a batch and keep the best"
    )
    group.add_argument("--srt", type=Path, metavar="FILE", help="write subtitles in SubRip format")
    group.add_argument("--vtt", type=Path, metavar="FILE", help="write subtitles in WebVTT format")
    group.add_argument(
        "--long-form",
        action=argparse.BooleanOptionalAction,
        help="speak in parts (default: if the script is too long for one pass or contains pauses); if interrupted, "
        "the same command resumes",
    )
    group.add_argument(
        "--no-normalize", dest="normalize", action="store_false", help="do not spell out numbers and abbreviations"
    )
    add_speakers_option(group)


def _add_model_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("model")
    add_model_options(group)
    group.add_argument(
        "--voice",
        action="append",
        metavar="VOICE",
        help="name or file of a voice; S1=VOICE or NAME=VOICE for one speaker",
    )
    group.add_argument(
        "--speaking-rate",
        type=option("speaking_rate"),
        metavar="R",
        help="speed relative to the model's, 0.5 to 2, at the same pitch",
    )
    group.add_argument("--audio-prompt", metavar="FILE", help="recording of the voice to use, ideally 5 to 10 seconds")
    group.add_argument("--audio-prompt-text", metavar="TEXT", help="transcript of the recording, with speaker tags")
    group.add_argument("--verbose", action="store_true", help="print settings and progress to standard error")


def _say(arguments: argparse.Namespace) -> int:
    source = _read_script(arguments)
    check_outputs(arguments)
    check_speech(arguments)
    check_inputs_kept(arguments)
    if source.remark:
        print_lines(source.remark)
    subtitles = [path for path in (arguments.srt, arguments.vtt) if path is not None]
    with exclusive_output(sound_file(arguments), subtitles):
        return _load_and_say(source, arguments)


def _load_and_say(source: "ScriptSource", arguments: argparse.Namespace) -> int:
    started = time.perf_counter()
    model = load_model(arguments, _is_interactive(arguments), arguments.verbose)
    with printed_warnings():
        job = _make_job(model, source, arguments)
        parts = _parts_folder(job, arguments)
        seed = _choose_seed(arguments, parts)
        loaded = time.perf_counter()
        seconds, place = _speak(model, replace(job, seed=seed), parts, arguments), arguments.output or "played"
    taken = time.perf_counter() - loaded
    print(
        f"{place}: {seconds:.2f} s of speech in {taken:.2f} s, {seconds / taken:.2f}x realtime "
        f"(loading took {loaded - started:.2f} s; seed {seed})",
        file=sys.stderr if arguments.output == "-" else sys.stdout,
    )
    return 0


def _is_interactive(arguments: argparse.Namespace) -> bool:
    """Whether to show progress bars and hints: on a terminal, or with --verbose."""
    return bool(arguments.verbose or sys.stderr.isatty())


def _speak(model: "Dia", job: "SynthesisJob", parts: Path | None, arguments: argparse.Namespace) -> float:
    """Speak into all requested outputs; return the duration in seconds."""
    samples = 0
    turns: list[TurnTime] = []
    with ExitStack() as opened:
        sinks = _sinks(model, job.seed, arguments, opened)
        chunks = opened.enter_context(closing(_audio_chunks(model, job, parts, arguments, turns)))
        if arguments.watermark:
            from dia.audio.watermark.embedding import watermarked_stream

            chunks = watermarked_stream(chunks, model.watermarker(job.seed))
        for chunk in chunks:
            for sink in sinks:
                sink.write(chunk)
            samples += len(chunk)
    _write_subtitles(turns, arguments)
    if parts is not None:
        remove_parts(parts)
    return samples / model.sample_rate


def _parts_folder(job: "SynthesisJob", arguments: argparse.Namespace) -> Path | None:
    """The folder for the finished parts of a long script that is written to a file."""
    output = sound_file(arguments)
    return parts_folder(output) if output is not None and job.long_form else None


def _choose_seed(arguments: argparse.Namespace, parts: Path | None) -> int:
    """The requested seed, or that of an interrupted run to resume, or a random one."""
    if arguments.seed is not None:
        return int(arguments.seed)
    kept = None if parts is None else seed_in(parts)
    return secrets.randbelow(2**31) if kept is None else kept


def _write_subtitles(turns: "Sequence[TurnTime]", arguments: argparse.Namespace) -> None:
    from dia.synthesis.subtitles import srt, vtt

    for path, form in ((arguments.srt, srt), (arguments.vtt, vtt)):
        if path is not None:
            with atomic_file(path) as partial:
                partial.write_text(form(turns), encoding="utf-8")


def _sinks(model: "Dia", seed: int | None, arguments: argparse.Namespace, opened: ExitStack) -> list[Any]:
    from dia.audio.files import Writer
    from dia.audio.formats.tags import Tags
    from dia.audio.playback import Pipe, Player

    rate, provenance = model.sample_rate, model.provenance(seed)
    if arguments.output == "-":
        return [opened.enter_context(Pipe(sys.stdout.buffer, rate, arguments.format or "wav", str(provenance)))]
    sinks: list[Any] = [opened.enter_context(Player(rate))] if arguments.stream else []
    if arguments.output is not None:
        tags = Tags.of(metadata(arguments))
        sinks.append(opened.enter_context(Writer(arguments.output, rate, provenance, tags=tags)))
    return sinks


def _audio_chunks(
    model: "Dia", job: "SynthesisJob", parts: Path | None, arguments: argparse.Namespace, turns: "list[TurnTime]"
) -> Generator["Waveform", None, None]:
    """The audio from the facade: streamed, or as finished pieces, whose turns are added to `turns`."""
    checked = arguments.srt or arguments.vtt or arguments.retries or arguments.best_of > 1
    live = arguments.stream or arguments.output == "-"
    if live and not checked and parts is None:
        yield from _with_progress(model.stream(job), model.sample_rate)
        return
    cancel, verbose = Event(), _is_interactive(arguments) and arguments.output != "-"
    made = partial(model.pieces, job, parts=parts, cancel=cancel, verbose=verbose)
    for piece in in_background(made, cancel) if arguments.stream else made():
        turns += piece.turns
        yield piece.audio


def _make_job(model: "Dia", source: "ScriptSource", arguments: argparse.Namespace) -> "SynthesisJob":
    """The job, without its seed."""
    from dia.voices.library import parse_voice_option

    return model.job(
        source.text,
        retries=arguments.retries,
        best_of=arguments.best_of,
        long_form=arguments.long_form,
        max_tokens=arguments.max_tokens,
        cfg_scale=arguments.cfg_scale,
        temperature=arguments.temperature,
        top_p=arguments.top_p,
        cfg_filter_top_k=arguments.top_k,
        audio_prompt=arguments.audio_prompt,
        audio_prompt_text=arguments.audio_prompt_text,
        voice=parse_voice_option(arguments.voice or ()),
        speaking_rate=arguments.speaking_rate,
        normalize=arguments.normalize,
        text_format=source.text_format,
        keep_timing=arguments.keep_timing,
        speakers=speakers_given(arguments.speakers),
    )


def _with_progress(chunks: Iterator["Waveform"], rate: int) -> Iterator["Waveform"]:
    """The chunks, with a progress bar on standard error that counts the seconds generated."""
    from tqdm import tqdm

    form = "{desc} {n:.1f} s of speech in {elapsed}"
    with tqdm(disable=None, desc="speaking", bar_format=form, leave=False) as bar:
        for chunk in chunks:
            bar.update(len(chunk) / rate)
            yield chunk


def _read_script(arguments: argparse.Namespace) -> "ScriptSource":
    """The script; an invalid one is rejected before the model is loaded."""
    from dia.checkpoints.source import local_folder
    from dia.text.prompt_format import PromptFormat
    from dia.text.speakers import by_speaker
    from dia.voices.library import parse_voice_option

    source, folder = script_source(arguments), local_folder(arguments.model, "generation_config.json")
    # The text frontend of a Hub model is unknown before loading, so only text that no model can read is rejected here.
    frontend = "none" if folder is None else PromptFormat.in_folder(folder).text_frontend
    script = parse_source(source, arguments, frontend)
    if isinstance(voices := parse_voice_option(arguments.voice or ()), dict):
        by_speaker(voices, script.names, "--voice")
    return source


__all__ = ["add_command"]
