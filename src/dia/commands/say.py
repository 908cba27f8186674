"""`dia say`: a script into a file, a pipe or the sound device. Knows arguments and printing, nothing of models."""

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

from dia.commands.early_checks import check_speech
from dia.commands.numbers import count, option, seed_number, whole
from dia.commands.outputs import check_places, only_command_for, sound_file
from dia.runtime.background import in_background
from dia.runtime.cores import CoreTimes
from dia.runtime.files.atomic import atomic_file
from dia.runtime.standard_streams import print_lines
from dia.runtime.threads import apply, choose_threads, wait_passively
from dia.runtime.warnings import printed_warnings
from dia.synthesis.parts.folder import parts_folder, remove_parts, seed_in

if TYPE_CHECKING:
    from dia.audio.waveform import Waveform
    from dia.model import Dia
    from dia.synthesis.job import SynthesisJob
    from dia.synthesis.takes.alignment import TurnTime

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

DTYPES = ("float32", "bfloat16", "float16")


def add_command(subparsers: Any, notice: str = "") -> None:
    """Add `say` to the subparsers of `dia`; `notice` ends its help."""
    say = subparsers.add_parser(
        "say",
        usage="dia say SCRIPT -o FILE [options]",
        help="speak a script into a sound file, or aloud",
        description="Speak a script into a sound file, into a pipe, or aloud.",
        epilog=f"{_EXAMPLES}\n{notice}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    say.set_defaults(run=_say)
    say.add_argument("script", metavar="SCRIPT", help="the script, a file that holds it, or - for standard input")
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
    group.add_argument(
        "--retries", type=whole, default=0, metavar="N", help="speak again, at most N times, what went wrong"
    )
    group.add_argument("--best-of", type=count, default=1, metavar="N", help="make N takes at once and keep the best")
    group.add_argument("--srt", type=Path, metavar="FILE", help="write subtitles, as SubRip")
    group.add_argument("--vtt", type=Path, metavar="FILE", help="write subtitles, as WebVTT")
    group.add_argument(
        "--long-form",
        action=argparse.BooleanOptionalAction,
        help="speak part after part (default: where the script is longer than a pass speaks well); an interrupted "
        "command goes on where it stopped when it is given again",
    )
    group.add_argument(
        "--no-normalize", dest="normalize", action="store_false", help="leave the words as they are, English too"
    )


def _add_model_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("model")
    group.add_argument("--model", metavar="MODEL", help="folder or Hub id (default: the small embedded model)")
    group.add_argument("--device", metavar="NAME", help="cuda, mps, cpu, ... (default: the first that is there)")
    group.add_argument("--dtype", choices=DTYPES, help="what to compute in (default: the fastest that is safe)")
    group.add_argument("--quantization", choices=("int8", "int4"), help="smaller weights, faster on CPUs")
    group.add_argument("--threads", type=count, metavar="N", help="CPU threads (default: what gains)")
    group.add_argument("--voice", action="append", metavar="VOICE", help="name or file; S1=VOICE for one speaker")
    group.add_argument(
        "--speaking-rate",
        type=option("speaking_rate"),
        metavar="R",
        help="0.5 to 2 times as fast, at the same pitch",
    )
    group.add_argument("--audio-prompt", metavar="FILE", help="a recording whose voice goes on, 5 to 10 seconds")
    group.add_argument("--audio-prompt-text", metavar="TEXT", help="what is said in the recording, with its tags")
    group.add_argument("--verbose", action="store_true", help="say on standard error what is chosen and done")


def _add_sampling_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("sampling (defaults are the model's own)")
    group.add_argument("--seed", type=seed_number, metavar="N", help="makes the result repeatable")
    group.add_argument(
        "--max-tokens",
        type=option("max_tokens", int),
        metavar="ROWS",
        help="frames at most, prompt and delay included",
    )
    group.add_argument(
        "--cfg-scale", type=option("cfg_scale"), metavar="S", help="guidance: more follows the text more closely"
    )
    group.add_argument(
        "--temperature", type=option("temperature"), metavar="T", help="more is livelier; 0 takes the likeliest code"
    )
    group.add_argument(
        "--top-p", type=option("top_p"), metavar="P", help="draw from the likeliest codes that sum to P"
    )
    group.add_argument(
        "--top-k", type=option("cfg_filter_top_k", int), metavar="K", help="draw from K candidates chosen by guidance"
    )


def _say(arguments: argparse.Namespace) -> int:
    text = _read_script(arguments.script, arguments.model, arguments.normalize)
    check_places(arguments)
    check_speech(arguments)
    with only_command_for(sound_file(arguments)):
        return _load_and_say(text, arguments)


def _load_and_say(text: str, arguments: argparse.Namespace) -> int:
    started = time.perf_counter()
    model = _loaded(arguments)
    with printed_warnings():
        job = _job(model, text, arguments)
        parts = _parts(model, job, arguments)
        seed = _seed(arguments, parts)
        loaded = time.perf_counter()
        seconds, place = _spoken(model, replace(job, seed=seed), parts, arguments), arguments.output or "played"
    taken = time.perf_counter() - loaded
    print(
        f"{place}: {seconds:.2f} s of speech in {taken:.2f} s, {seconds / taken:.2f}x realtime "
        f"(loading took {loaded - started:.2f} s; seed {seed})",
        file=sys.stderr if arguments.output == "-" else sys.stdout,
    )
    return 0


def _loaded(arguments: argparse.Namespace) -> "Dia":
    """The model, and as many threads as it gains from."""
    since = CoreTimes.now()
    wait_passively()
    from transformers.utils import logging

    from dia.model import REAL, Dia  # loading torch takes seconds; a wrong argument should not wait for it
    from dia.runtime.memory import limit_kernel_caches

    limit_kernel_caches()
    if arguments.model is None and _is_watched(arguments):
        print_lines(f"using the small embedded model; the real one is --model {REAL}")
    logging.disable_progress_bar()  # of loading weights; the one bar is that of speaking
    model = Dia.from_pretrained(
        arguments.model or "mini",
        device=arguments.device,
        compute_dtype=arguments.dtype,
        quantization=arguments.quantization,
    )
    if model.device.type == "cpu":
        threads = choose_threads(model.model.num_parameters(), since, arguments.threads)
        apply(threads)
        if arguments.verbose:
            print_lines(threads)
    return model


def _is_watched(arguments: argparse.Namespace) -> bool:
    """Whether bars and hints are shown: on a terminal, or where they are asked for."""
    return bool(arguments.verbose or sys.stderr.isatty())


def _spoken(model: "Dia", job: "SynthesisJob", parts: Path | None, arguments: argparse.Namespace) -> float:
    """Speak into every place that was asked for; returns how many seconds it is."""
    samples = 0
    turns: list[TurnTime] = []
    with ExitStack() as opened:
        sinks = _sinks(model, job.seed, arguments, opened)
        sound = opened.enter_context(closing(_sound(model, job, parts, arguments, turns)))
        for piece in sound:
            for sink in sinks:
                sink.write(piece)
            samples += len(piece)
    _write_subtitles(turns, arguments)
    if parts is not None:
        remove_parts(parts)
    return samples / model.sample_rate


def _parts(model: "Dia", job: "SynthesisJob", arguments: argparse.Namespace) -> Path | None:
    """The folder for the finished parts of a long script that goes into a file."""
    output = sound_file(arguments)
    return parts_folder(output) if output is not None and model.is_long(job) else None


def _seed(arguments: argparse.Namespace, parts: Path | None) -> int:
    """The seed that is asked for, or that of the interrupted speech that continues, or a random one."""
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
    from dia.audio.playback import Pipe, Player

    rate, provenance = model.sample_rate, model.provenance(seed)
    if arguments.output == "-":
        return [opened.enter_context(Pipe(sys.stdout.buffer, rate, arguments.format or "wav", str(provenance)))]
    sinks: list[Any] = [opened.enter_context(Player(rate))] if arguments.stream else []
    if arguments.output is not None:
        sinks.append(opened.enter_context(Writer(arguments.output, rate, provenance)))
    return sinks


def _sound(
    model: "Dia", job: "SynthesisJob", parts: Path | None, arguments: argparse.Namespace, turns: "list[TurnTime]"
) -> Generator["Waveform", None, None]:
    """The sound as it comes, made by the facade: while it is generated, or in finished pieces, which time turns."""
    timed = arguments.srt or arguments.vtt or arguments.retries or arguments.best_of > 1
    at_once = arguments.stream or arguments.output == "-"
    if at_once and not timed and parts is None:
        yield from _shown(model.stream(job), model.sample_rate)
        return
    cancel, verbose = Event(), _is_watched(arguments) and arguments.output != "-"
    made = partial(model.pieces, job, parts=parts, cancel=cancel, verbose=verbose)
    for piece in in_background(made, cancel) if arguments.stream else made():
        turns += piece.turns
        yield piece.audio


def _job(model: "Dia", text: str, arguments: argparse.Namespace) -> "SynthesisJob":
    """What is to be spoken, but for the seed."""
    from dia.voices.library import parse_voice_option

    return model.job(
        text,
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
    )


def _shown(pieces: Iterator["Waveform"], rate: int) -> Iterator["Waveform"]:
    """The pieces, with a bar on standard error of the seconds that have been made."""
    from tqdm import tqdm

    form = "{desc} {n:.1f} s of speech in {elapsed}"
    with tqdm(disable=None, desc="speaking", bar_format=form, leave=False) as bar:
        for piece in pieces:
            bar.update(len(piece) / rate)
            yield piece


def _read_script(argument: str, model: str | None, normalize: bool) -> str:
    """The text of the script; one that cannot be read is refused before the model is loaded."""
    from dia import MINI
    from dia.text.prompt_format import PromptFormat
    from dia.text.script import parse
    from dia.text.source import script_text

    text, folder = script_text(argument), MINI if model in (None, "mini") else Path(str(model)).expanduser()
    # How a model of the Hub reads is not known before it is loaded: only what no model can read is refused.
    frontend = PromptFormat.in_folder(folder).text_frontend if folder.is_dir() else "none"
    parse(text, frontend=frontend, normalize=normalize)
    return text


__all__ = ["add_command"]
