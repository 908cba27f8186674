"""`dia voice`: make, list, play and remove voices. Parses options and prints; `dia.voices` does the work."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from dia.commands.options.early_checks import check_device, check_model, check_output, check_recording
from dia.runtime.files.atomic import check_not_input
from dia.runtime.standard_streams import print_lines
from dia.runtime.warnings import printed_warnings

if TYPE_CHECKING:
    from dia.model import Dia
    from dia.processing_dia import DiaProcessor
    from dia.text.prompt_format import Frontend
    from dia.voices.description import Description

_GUIDE = """examples:
  dia voice make ann ann.wav --transcript "[S1] The words of the recording." --consent "Ann Lee, agreed in writing"
  dia voice list
  dia voice play ann
  dia say "[S1] Some new words." --voice ann -o new.wav
  dia say "[S1] Hello. [S2] Hi!" --voice S1=ann --voice S2=bruno -o both.wav
  dia voice make ann ann.wav --transcript ann.txt --consent "Ann Lee, agreed in writing" --match --overwrite
  dia voice remove ann

Use a recording of 5 to 10 seconds of one person speaking, without music or echo. The transcript must contain
exactly the words of the recording. Voices are small files in $DIA_VOICES, by default ~/.local/share/dia/voices.
A voice only works with models that have the codec it was made with.
"""
_CONSENT = (
    "Make voices only of yourself or of people who have agreed. --consent states whose voice it is and why you may "
    "use it."
)


def add_command(subparsers: Any, notice: str = "") -> None:
    """Add `voice` to the subparsers of `dia`; `notice` is appended to its help."""
    ending = "\n".join(part for part in (_CONSENT, notice) if part)
    parser = subparsers.add_parser(
        "voice",
        help="make, list, play and remove voices",
        description="Make, list, play and remove voices.",
        epilog=f"{_GUIDE}\n{ending}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(metavar="action", required=True)
    example = next(line for line in _GUIDE.splitlines() if "voice make" in line)
    _add_make(_action(actions, "make", "make a voice from a recording", _make, f"examples:\n{example}\n\n{ending}"))
    _action(actions, "list", "list all voices", _list, "")
    play = _action(actions, "play", "play a voice, or write it to an audio file", _play, "")
    play.add_argument("voice", help="name or file of the voice")
    play.add_argument("-o", "--output", type=Path, help="audio file to write instead of playing")
    play.add_argument(
        "--model", default="mini", help="folder or Hub id of the model that the voice was made for (default: mini)"
    )
    remove = _action(actions, "remove", "remove a voice", _remove, "")
    remove.add_argument("voice", help="name of the voice")


def _action(
    actions: Any, name: str, summary: str, run: Callable[[argparse.Namespace], int], ending: str
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = actions.add_parser(
        name,
        help=summary,
        description=f"{summary[0].upper()}{summary[1:]}.",
        epilog=ending,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=run)
    return parser


def _add_make(parser: argparse.ArgumentParser) -> None:
    parser.usage = "dia voice make NAME RECORDING --transcript TEXT --consent STATEMENT [options]"
    parser.add_argument("name", metavar="NAME", help="name of the voice")
    parser.add_argument(
        "recording", metavar="RECORDING", type=Path, help="audio file of 1 to 20 seconds, ideally 5 to 10"
    )
    parser.add_argument(
        "--transcript", metavar="TEXT", help="transcript of the recording, or a .txt file that contains it"
    )
    parser.add_argument("--consent", metavar="STATEMENT", help="whose voice it is, and why you may use it")
    parser.add_argument(
        "--model", default="mini", help="folder or Hub id of the model to make the voice for (default: mini)"
    )
    parser.add_argument(
        "--match",
        action="store_true",
        help="also learn how speech of the model in this voice differs in timbre from the recording, and correct it",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace an existing voice of that name")


def _make(arguments: argparse.Namespace) -> int:
    from dia.voices.description import check_consent, checked_transcript
    from dia.voices.library import check_free, keep_voice

    check_free(arguments.name, arguments.overwrite)
    check_recording(arguments.recording)
    transcript = _text(arguments.transcript)
    checked_transcript(transcript, "none")
    check_consent(arguments.consent)
    check_model(arguments.model)
    frontend = _frontend(arguments.model)
    checked_transcript(transcript, frontend)
    from dia.voices.voice import Voice

    with printed_warnings():
        model = _model(arguments.model) if arguments.match else None
        voice = Voice.from_audio(
            arguments.recording,
            transcript,
            processor=_processor(arguments.model) if model is None else model.processor,
            consent=arguments.consent,
            text_frontend=frontend,
        )
        voice = voice if model is None else model.match(voice, arguments.recording)
    path = keep_voice(voice, arguments.name, arguments.overwrite)
    print(f"{arguments.name}: {voice.seconds:.1f} s, {path.stat().st_size / 1000:.0f} kB, in {path}")
    return 0


def _list(arguments: argparse.Namespace) -> int:
    from dia.voices.description import describe
    from dia.voices.library import EXAMPLES, voice_files, voices_folder

    files = voice_files()
    width = max(map(len, files), default=0)
    for name, path in files.items():
        try:
            line = _line(describe(path))
        except (ValueError, OSError) as error:
            line = str(error)
        print(f"{name:{width}}  {line}{'  (example)' if path.parent == EXAMPLES else ''}")
    if not any(path.parent != EXAMPLES for path in files.values()):
        print(f"you have no voices in {voices_folder()} yet; to make one, see dia voice make --help", file=sys.stderr)
    return 0


def _line(voice: "Description") -> str:
    transcript = voice.transcript if len(voice.transcript) <= 40 else f"{voice.transcript[:37]}..."
    return f"{voice.seconds:4.1f} s  {voice.sampling_rate:5} Hz  {transcript}  [{voice.consent}]"


def _play(arguments: argparse.Namespace) -> int:
    from dia.voices.description import describe
    from dia.voices.library import voice_file

    describe(voice_file(arguments.voice))
    check_output(arguments.output)
    if arguments.output is None:
        check_device()
    else:
        check_not_input(arguments.output, {"the voice": voice_file(arguments.voice)}, "--output")
    check_model(arguments.model)
    from dia.audio.playback import play
    from dia.codec.dac import decode
    from dia.voices.library import find_voice

    voice, processor = find_voice(arguments.voice), _processor(arguments.model)
    voice.check_fits(processor)
    sound = decode(processor.audio_tokenizer, [voice.codes])[0].numpy()
    if arguments.output is None:
        play(sound, voice.sampling_rate)
        return 0
    processor.save_audio(sound, arguments.output)
    print(f"{arguments.output}: {voice.seconds:.1f} s")
    return 0


def _remove(arguments: argparse.Namespace) -> int:
    from dia.voices.library import remove_voice

    print(f"{remove_voice(arguments.voice)} is removed")
    return 0


def _text(given: str | None) -> str | None:
    """A transcript as given, or read from a .txt file."""
    from dia.text.files.source import read_script

    if given is not None and given.endswith(".txt"):
        source = read_script(given)
        if source.remark:
            print_lines(source.remark)
        return source.text
    return given


def _frontend(source: str) -> "Frontend":
    """The text frontend of the model, from its generation_config.json, which is downloaded for a Hub model."""
    from dia.checkpoints.source import local_folder
    from dia.text.prompt_format import PromptFormat

    if (folder := local_folder(source, "generation_config.json")) is not None:
        return PromptFormat.in_folder(folder).text_frontend
    from dia.runtime.files.repository import Repository

    config = Repository.of(source, {}).json("generation_config.json") or {}
    return PromptFormat.of(SimpleNamespace(**config)).text_frontend


def _model(source: str) -> "Dia":
    from dia.model import Dia

    return Dia.from_pretrained(source)


def _processor(source: str) -> "DiaProcessor":
    from dia.checkpoints.source import local_folder
    from dia.processing_dia import DiaProcessor

    processor = DiaProcessor.from_pretrained(local_folder(source, "processor_config.json") or source)
    if processor.audio_tokenizer is None:
        raise ValueError(f"--model {source} has no codec; pass a model with a codec.")
    return processor


__all__ = ["add_command"]
