"""`dia say`: a script into a file, a pipe or the sound device. Knows arguments and printing, nothing of models."""

import argparse
import os
import secrets
import shutil
import sys
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from dia.runtime.atomic import atomic_file

if TYPE_CHECKING:
    from dia.model import Dia
    from dia.synthesis.alignment import TurnTime
    from dia.synthesis.joining import Piece
    from dia.synthesis.synthesizer import Audio
    from dia.text.script import Script

_EXAMPLES = """examples:
  dia say "[S1] Hello. [S2] Hi! How are you?" -o hello.wav
  dia say script.txt -o dialogue.mp3 --seed 7
  dia say script.txt --stream
  dia say script.txt -o - | ffplay -
  dia say book.txt -o book.flac --retries 2 --srt book.srt
  echo "[S1] Good morning." | dia say - -o morning.flac
  dia say "[S1] And this is new." -o cloned.wav --model nari-labs/Dia-1.6B-0626 \\
      --audio-prompt voice.wav --audio-prompt-text "[S1] What is said in voice.wav."

A script names its speakers, [S1] and [S2], who take turns; (laughs) and the like are sounds they make.
The suffix of the output chooses its format: wav, flac, mp3, ogg and whatever else libsndfile writes.
"""
_INTERRUPTED, _BROKEN_PIPE = 130, 141  # what a shell sees of a program that these signals have ended


def add_command(subparsers: Any, notice: str = "") -> None:
    """Add `say` to the subparsers of `dia`; `notice` ends its help."""
    say = subparsers.add_parser(
        "say",
        help="speak a script into a sound file, or aloud",
        description="Speak a script into a sound file, into a pipe, or aloud.",
        epilog=f"{_EXAMPLES}\n{notice}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    say.set_defaults(run=_say)
    say.add_argument("script", help="the script, a file that holds it, or - for standard input")
    say.add_argument("-o", "--output", metavar="FILE", help="the sound file to write, or - for standard output")
    say.add_argument("--stream", action="store_true", help="play it while it is made; with -o FILE write it too")
    say.add_argument(
        "--format", choices=("wav", "raw"), help="what goes to standard output: wav (default), or raw samples"
    )
    _add_model_options(say)
    _add_take_options(say)
    _add_sampling_options(say)


def _add_take_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("takes")
    group.add_argument("--retries", type=int, default=0, metavar="N", help="speak again, so often, what went wrong")
    group.add_argument("--best-of", type=int, default=1, metavar="N", help="make N takes at once and keep the best")
    group.add_argument("--srt", type=Path, metavar="FILE", help="write subtitles, as SubRip")
    group.add_argument("--vtt", type=Path, metavar="FILE", help="write subtitles, as WebVTT")
    group.add_argument(
        "--long-form",
        action=argparse.BooleanOptionalAction,
        help="speak part after part (default: where the script is longer than a pass speaks well); an interrupted "
        "command goes on where it stopped when it is given again",
    )


def _add_model_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("model")
    group.add_argument("--model", help="folder or Hub id (default: the small embedded model)")
    group.add_argument("--device", help="cuda, mps, cpu, … (default: the first of these that is there)")
    group.add_argument("--dtype", help="float32, bfloat16 or float16 (default: the fastest that is safe)")
    group.add_argument("--quantization", choices=("int8", "int4"), help="smaller weights, faster on CPUs")
    group.add_argument("--voice", action="append", metavar="NAME", help="a voice to speak in; S1=NAME for one speaker")
    group.add_argument("--speaking-rate", type=float, metavar="R", help="0.5 to 2 times as fast, at the same pitch")
    group.add_argument("--audio-prompt", metavar="FILE", help="a recording whose voice goes on, 5 to 10 seconds")
    group.add_argument("--audio-prompt-text", metavar="TEXT", help="what is said in the recording, with its tags")


def _add_sampling_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("sampling (defaults are the model's own)")
    group.add_argument("--seed", type=int, help="makes the result repeatable")
    group.add_argument("--max-tokens", type=int, metavar="ROWS", help="frames at most, prompt and delay included")
    group.add_argument("--cfg-scale", type=float, metavar="S", help="guidance: more follows the text more closely")
    group.add_argument("--temperature", type=float, metavar="T", help="more is livelier; 0 takes the likeliest code")
    group.add_argument("--top-p", type=float, metavar="P", help="draw from the likeliest codes that sum to P")
    group.add_argument("--top-k", type=int, metavar="K", help="draw from K candidates chosen by guidance")


def _say(arguments: argparse.Namespace) -> int:
    script = _read_script(arguments.script)
    _check_places(arguments)
    from dia.model import REAL, Dia  # loading torch takes seconds; a wrong argument should not wait for it

    if arguments.model is None:
        print(f"Using the small embedded model; the real one is --model {REAL}", file=sys.stderr)
    started = time.perf_counter()
    dia = Dia.from_pretrained(
        arguments.model or "mini",
        device=arguments.device,
        compute_dtype=arguments.dtype,
        quantization=arguments.quantization,
    )
    seed = _seed(arguments)
    loaded = time.perf_counter()
    try:
        seconds, place = _spoken(dia, script, seed, arguments), arguments.output or "played"
    except BrokenPipeError:
        # The interpreter flushes standard output once more when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _BROKEN_PIPE
    except KeyboardInterrupt:
        if arguments.output not in (None, "-"):
            if _parts(arguments).is_dir():
                print("dia: finished parts are kept; the same command goes on from there", file=sys.stderr)
            raise
        print("dia: interrupted", file=sys.stderr)
        return _INTERRUPTED
    taken = time.perf_counter() - loaded
    print(
        f"{place}: {seconds:.2f} s of speech in {taken:.2f} s, {seconds / taken:.2f}x realtime "
        f"(loading took {loaded - started:.2f} s; seed {seed})",
        file=sys.stderr if arguments.output == "-" else sys.stdout,
    )
    return 0


@dataclass
class _Told:
    """What comes out beside the sound: when turns are heard, and the folder of parts that the sound was made of."""

    turns: "list[TurnTime]" = field(default_factory=list)
    kept: Path | None = None


def _spoken(dia: "Dia", script: "Script", seed: int, arguments: argparse.Namespace) -> float:
    """Speak into every place that was asked for; returns how many seconds it is."""
    samples, told = 0, _Told()
    with ExitStack() as opened:
        sinks = _sinks(dia, seed, arguments, opened)
        for piece in _pieces(dia, script, seed, arguments, told):
            for sink in sinks:
                sink.write(piece)
            samples += len(piece)
    _write_subtitles(told.turns, arguments)
    if told.kept is not None:
        shutil.rmtree(told.kept, ignore_errors=True)
    return samples / dia.sample_rate


def _seed(arguments: argparse.Namespace) -> int:
    """The seed that is asked for, or that of the speech which goes on, or any."""
    from dia.synthesis.resume import seed_in

    if arguments.seed is not None:
        return int(arguments.seed)
    kept = None if arguments.output in (None, "-") else seed_in(_parts(arguments))
    return secrets.randbelow(2**31) if kept is None else kept


def _parts(arguments: argparse.Namespace) -> Path:
    """Where the finished parts of a file wait until all are there."""
    output = Path(arguments.output)
    return output.with_name(f".{output.name}.parts")


def _write_subtitles(turns: "Sequence[TurnTime]", arguments: argparse.Namespace) -> None:
    from dia.synthesis.subtitles import srt, vtt

    for path, form in ((arguments.srt, srt), (arguments.vtt, vtt)):
        if path is not None:
            with atomic_file(path) as partial:
                partial.write_text(form(turns), encoding="utf-8")


def _sinks(dia: "Dia", seed: int, arguments: argparse.Namespace, opened: ExitStack) -> list[Any]:
    from dia.audio.files import Writer
    from dia.audio.playback import Pipe, Player

    rate, provenance = dia.sample_rate, dia.provenance(seed)
    if arguments.output == "-":
        return [Pipe(sys.stdout.buffer, rate, arguments.format or "wav", str(provenance))]
    sinks: list[Any] = [opened.enter_context(Player(rate))] if arguments.stream else []
    if arguments.output is not None:
        sinks.append(opened.enter_context(Writer(arguments.output, rate, provenance)))
    return sinks


def _pieces(dia: "Dia", script: "Script", seed: int, arguments: argparse.Namespace, told: _Told) -> Iterator["Audio"]:
    """The sound as it comes; where it comes in takes, it is told when turns are heard."""
    from dia.synthesis.request import request_of
    from dia.synthesis.speak import too_long
    from dia.voices.library import told_voice

    options: dict[str, Any] = {
        "max_tokens": arguments.max_tokens,
        "cfg_scale": arguments.cfg_scale,
        "temperature": arguments.temperature,
        "top_p": arguments.top_p,
        "cfg_filter_top_k": arguments.top_k,
        "audio_prompt": arguments.audio_prompt,
        "audio_prompt_text": arguments.audio_prompt_text,
        "voice": told_voice(arguments.voice or ()),
        "speaking_rate": arguments.speaking_rate,
        "seed": seed,
    }
    timed = arguments.srt or arguments.vtt or arguments.retries or arguments.best_of > 1
    long = arguments.long_form
    if long is None:
        asked = request_of(dia.speech, str(script), **options)
        long = too_long(dia.speech, asked)
        if arguments.audio_prompt is not None:
            options["audio_prompt"] = asked.prompts[0]  # codes by now; a recording is encoded once
    keeps = long and arguments.output not in (None, "-")
    if not (timed or keeps):
        if arguments.stream or arguments.output == "-":
            said = str(script) if long else script.spoken
            yield from _shown(dia.stream(said, long_form=long, **options), dia.sample_rate)
        else:
            yield dia.generate(script.spoken, verbose=True, long_form=False, **options)
        return
    options |= {"retries": arguments.retries, "best_of": arguments.best_of, "long_form": long}
    told.kept = _parts(arguments) if keeps else None
    with closing(_made(dia, script, told.kept, arguments, options)) as made:
        for piece in made:
            for fault in piece.take.warnings:
                print(f"dia: part {piece.number + 1} of {piece.parts} {fault}", file=sys.stderr)
            told.turns += piece.turns
            yield piece.audio


def _made(
    dia: "Dia", script: "Script", kept: Path | None, arguments: argparse.Namespace, options: dict[str, Any]
) -> Generator["Piece", None, None]:
    """The parts of a script; while one is played the next is made."""
    from dia.runtime.background import ahead

    left, verbose = Event(), arguments.output != "-"
    made = partial(dia.pieces, str(script), parts=kept, left=left, verbose=verbose, **options)
    yield from ahead(made, left) if arguments.stream else made()


def _shown(pieces: Iterator["Audio"], rate: int) -> Iterator["Audio"]:
    """The pieces, with a bar on standard error of the seconds that have been made."""
    form = "{desc} {n:.1f} s of speech in {elapsed}"
    with tqdm(desc="speaking", bar_format=form, leave=False) as bar:
        for piece in pieces:
            bar.update(len(piece) / rate)
            yield piece


def _check_places(arguments: argparse.Namespace) -> None:
    """Refuse before the work what could not be written after it."""
    if arguments.output is None and not arguments.stream:
        raise ValueError("name a sound file with -o, or hear it with --stream.")
    if arguments.format is not None and arguments.output != "-":
        raise ValueError("--format is for -o -; the suffix of a file says its format.")
    for path in (arguments.srt, arguments.vtt):
        if path is not None and not path.absolute().parent.is_dir():
            raise ValueError(f"{path.absolute().parent} is no folder; make it first or choose another place.")
    if arguments.output == "-":
        if sys.stdout.isatty():
            raise ValueError("standard output is a terminal; pipe it into a player: dia say … -o - | ffplay -")
    elif arguments.output is not None:
        from dia.audio.files import file_format

        file_format(path := Path(arguments.output))
        if not path.absolute().parent.is_dir():
            raise ValueError(f"{path.absolute().parent} is no folder; make it first or choose another --output.")


def _read_script(argument: str) -> "Script":
    """The script; what is doubtful about it is told on standard error."""
    from dia.text.script import parse, read_script

    if argument == "-" or (len(argument) < 256 and Path(argument).is_file()):
        text = read_script(argument)
    elif " " not in argument and argument.endswith((".txt", ".md")):
        raise ValueError(f"there is no file {argument}; name one, or write the script itself.")
    else:
        text = argument
    script = parse(text)
    for warning in script.warnings:
        print(f"dia: {warning}", file=sys.stderr)
    return script


__all__ = ["add_command"]
