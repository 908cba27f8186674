"""The command `dia`. Knows arguments and what to print; the work is done by `dia.model`."""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from dia.training.codec_command import add_command as add_train_codec
from dia.training.command import add_commands
from dia.version import __version__

NOTICE = (
    "Do not imitate a real person without consent, and do not deceive: no fake news, nothing illegal or meant to "
    "harm. Written files carry a tag that says they are synthetic."
)
_EXAMPLES = """examples:
  dia say "[S1] Hello. [S2] Hi! How are you?" -o hello.wav
  dia say script.txt -o dialogue.mp3 --seed 7
  echo "[S1] Good morning." | dia say - -o morning.flac
  dia say "[S1] And this is new." -o cloned.wav --model nari-labs/Dia-1.6B-0626 \\
      --audio-prompt voice.wav --audio-prompt-text "[S1] What is said in voice.wav."

A script names its speakers, [S1] and [S2], who take turns; (laughs) and the like are sounds they make.
The suffix of the output chooses its format: wav, flac, mp3, ogg and whatever else libsndfile writes.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code: 0 done, 2 wrong input, 130 interrupted."""
    arguments = _parser().parse_args(argv)
    try:
        return int(arguments.run(arguments))
    except (ValueError, TypeError, OSError, ImportError) as error:
        print(f"dia: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("dia: interrupted, nothing written", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="dia", description="Turns a dialogue script into speech.", epilog=NOTICE)
    parser.add_argument("--version", action="version", version=f"dia {__version__}")
    commands = parser.add_subparsers(metavar="command", required=True)
    say = commands.add_parser(
        "say",
        help="speak a script into a sound file",
        description="Speak a script into a sound file.",
        epilog=f"{_EXAMPLES}\n{NOTICE}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    say.set_defaults(run=_say)
    say.add_argument("script", help="the script, a file that holds it, or - for standard input")
    say.add_argument("-o", "--output", required=True, type=Path, help="the sound file to write")
    _add_model_options(say)
    _add_sampling_options(say)
    add_commands(commands, NOTICE)
    add_train_codec(commands, NOTICE)
    return parser


def _add_model_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("model")
    group.add_argument("--model", help="folder or Hub id (default: the small embedded model)")
    group.add_argument("--device", help="cuda, mps, cpu, … (default: the first of these that is there)")
    group.add_argument("--dtype", help="float32, bfloat16 or float16 (default: the fastest that is safe)")
    group.add_argument("--quantization", choices=("int8", "int4"), help="smaller weights, faster on CPUs")
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
    _check_output(arguments.output)
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
    loaded = time.perf_counter()
    audio = dia.generate(
        script,
        max_tokens=arguments.max_tokens,
        cfg_scale=arguments.cfg_scale,
        temperature=arguments.temperature,
        top_p=arguments.top_p,
        cfg_filter_top_k=arguments.top_k,
        audio_prompt=arguments.audio_prompt,
        audio_prompt_text=arguments.audio_prompt_text,
        seed=arguments.seed,
        verbose=True,
    )
    spoken = time.perf_counter()
    dia.save_audio(arguments.output, audio)
    seconds, taken = len(audio) / dia.sample_rate, spoken - loaded
    print(
        f"{arguments.output}: {seconds:.2f} s of speech in {taken:.2f} s, {seconds / taken:.2f}x realtime "
        f"(loading took {loaded - started:.2f} s)"
    )
    return 0


def _check_output(path: Path) -> None:
    """Refuse before the work what could not be written after it."""
    from dia.audio_file import file_format

    file_format(path)
    if not path.absolute().parent.is_dir():
        raise ValueError(f"{path.absolute().parent} is no folder; make it first or choose another --output.")


def _read_script(argument: str) -> str:
    if argument == "-":
        text = sys.stdin.read()
    elif len(argument) < 256 and Path(argument).is_file():
        text = Path(argument).read_text(encoding="utf-8")
    elif " " not in argument and argument.endswith((".txt", ".md")):
        raise ValueError(f"there is no file {argument}; name one, or write the script itself.")
    else:
        text = argument
    if not text.strip():
        raise ValueError("the script is empty; write what is to be said, such as '[S1] Hello.'")
    return " ".join(text.split())


if __name__ == "__main__":
    sys.exit(main())
