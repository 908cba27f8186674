"""`dia say`: a script into a file, a pipe or the sound device. Knows arguments and printing, nothing of models."""

import argparse
import os
import secrets
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from dia.playing import PIPED, Pipe, Player

if TYPE_CHECKING:
    from dia.model import Dia
    from dia.passes import Audio

_EXAMPLES = """examples:
  dia say "[S1] Hello. [S2] Hi! How are you?" -o hello.wav
  dia say script.txt -o dialogue.mp3 --seed 7
  dia say script.txt --stream
  dia say script.txt -o - | ffplay -
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
    say.add_argument("--format", choices=PIPED, help="what goes to standard output: wav (default), or raw samples")
    _add_model_options(say)
    _add_sampling_options(say)


def _add_model_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("model")
    group.add_argument("--model", help="folder or Hub id (default: the small embedded model)")
    group.add_argument("--device", help="cuda, mps, cpu, … (default: the first of these that is there)")
    group.add_argument("--dtype", help="float32, bfloat16 or float16 (default: the fastest that is safe)")
    group.add_argument("--quantization", choices=("int8", "int4"), help="smaller weights, faster on CPUs")
    group.add_argument("--voice", action="append", metavar="NAME", help="a voice to speak in; S1=NAME for one speaker")
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
    seed = secrets.randbelow(2**31) if arguments.seed is None else arguments.seed
    loaded = time.perf_counter()
    try:
        seconds, place = _spoken(dia, script, seed, arguments), arguments.output or "played"
    except BrokenPipeError:
        # The interpreter flushes standard output once more when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _BROKEN_PIPE
    except KeyboardInterrupt:
        if arguments.output not in (None, "-"):
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


def _spoken(dia: "Dia", script: str, seed: int, arguments: argparse.Namespace) -> float:
    """Speak into every place that was asked for; returns how many seconds it is."""
    samples = 0
    with ExitStack() as opened:
        sinks = _sinks(dia, seed, arguments, opened)
        for piece in _pieces(dia, script, seed, arguments):
            for sink in sinks:
                sink.write(piece)
            samples += len(piece)
    return samples / dia.sample_rate


def _sinks(dia: "Dia", seed: int, arguments: argparse.Namespace, opened: ExitStack) -> list[Any]:
    from dia.audio_file import Writer

    rate, provenance = dia.sample_rate, dia.provenance(seed)
    if arguments.output == "-":
        return [Pipe(sys.stdout.buffer, rate, arguments.format or "wav", str(provenance))]
    sinks: list[Any] = [opened.enter_context(Player(rate))] if arguments.stream else []
    if arguments.output is not None:
        sinks.append(opened.enter_context(Writer(arguments.output, rate, provenance)))
    return sinks


def _pieces(dia: "Dia", script: str, seed: int, arguments: argparse.Namespace) -> Iterable["Audio"]:
    from dia.voice_folder import told_voice

    options: dict[str, Any] = {
        "max_tokens": arguments.max_tokens,
        "cfg_scale": arguments.cfg_scale,
        "temperature": arguments.temperature,
        "top_p": arguments.top_p,
        "cfg_filter_top_k": arguments.top_k,
        "audio_prompt": arguments.audio_prompt,
        "audio_prompt_text": arguments.audio_prompt_text,
        "voice": told_voice(arguments.voice or ()),
        "seed": seed,
    }
    if arguments.stream or arguments.output == "-":
        return _shown(dia.stream(script, **options), dia.sample_rate)
    return [dia.generate(script, verbose=True, **options)]


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
    if arguments.output == "-":
        if sys.stdout.isatty():
            raise ValueError("standard output is a terminal; pipe it into a player: dia say … -o - | ffplay -")
    elif arguments.output is not None:
        from dia.audio_file import file_format

        file_format(path := Path(arguments.output))
        if not path.absolute().parent.is_dir():
            raise ValueError(f"{path.absolute().parent} is no folder; make it first or choose another --output.")


def _read_script(argument: str) -> str:
    """The script as the model reads it; what is doubtful about it is told on standard error."""
    from dia.script import parse, read_script

    if argument == "-" or (len(argument) < 256 and Path(argument).is_file()):
        text = read_script(argument)
    elif " " not in argument and argument.endswith((".txt", ".md")):
        raise ValueError(f"there is no file {argument}; name one, or write the script itself.")
    else:
        text = argument
    script = parse(text)
    for warning in script.warnings:
        print(f"dia: {warning}", file=sys.stderr)
    return script.spoken


__all__ = ["add_command"]
