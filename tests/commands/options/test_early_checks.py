"""Errors that need no model are reported before one is loaded, and before torch and transformers are imported.

One process runs all the commands in turn, and reports what each printed and imported.
"""

import json
import os
import subprocess
import sys

import pytest
from safetensors.torch import save_file
from tiny_codec import tiny_codec
from torch import zeros

from dia.codec.identity import CodecRecord
from dia.voices.voice import Voice

PROGRAM = """
import contextlib, io, json, sys
from dia.cli import main
answers = []
for arguments in json.load(sys.stdin):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = main(arguments)
        except SystemExit as end:
            code = end.code
    heavy = [name for name in ("torch", "transformers") if name in sys.modules]
    answers.append({"code": code, "out": out.getvalue(), "err": err.getvalue(), "heavy": heavy})
print(json.dumps(answers))
"""
SAY = ["say", "[S1] Good morning to all of you. [S2] It is a fine day, and we have much time."]
CONSENT = ["--consent", "nobody's voice"]
REFUSED = {
    "no output": ([*SAY], "there is no output; pass an audio file with -o"),
    "no command": ([], "command is missing"),
    "an option": ([*SAY, "-o", "a.wav", "--sede", "1"], "did you mean '--seed'"),
    "a number": ([*SAY, "-o", "a.wav", "--speaking-rate", "9"], "must be a number from 0.5 to 2"),
    "a format": ([*SAY, "-o", "a.xyz"], "is not an audio format. Use one of aiff,"),
    "a format of an extra": (
        [*SAY, "-o", "a.m4a"],
        "a.m4a: m4a files need PyAV. Run: pip install 'dia-tts[media]', or use one of aiff,",
    ),
    "a recording of an extra": (
        [*SAY, "-o", "a.wav", "--audio-prompt", "rec.m4a"],
        "--audio-prompt: rec.m4a cannot be read as audio (Format not recognised). To read m4a, mp4,",
    ),
    "a title without a file": ([*SAY, "-o", "-", "--title", "A walk"], "--title is only allowed with an audio file"),
    "a title in a format without one": ([*SAY, "-o", "a.au", "--title", "A walk"], "au files have no title"),
    "a folder that is not there": ([*SAY, "-o", "none/a.wav"], "none does not exist. Create it first"),
    "a folder as output": ([*SAY, "-o", "voices"], "voices is a folder"),
    "subtitles nowhere": ([*SAY, "-o", "a.wav", "--srt", "none/a.srt"], "none does not exist. Create it first"),
    "one file twice": ([*SAY, "-o", "a.wav", "--srt", "x.srt", "--vtt", "x.srt"], "are the same file"),
    "the script as subtitles": (
        ["say", "talk.srt", "-o", "a.wav", "--srt", "talk.srt"],
        "--srt talk.srt is the script, which it would replace. Choose another file",
    ),
    "the script behind a link": (["say", "talk.srt", "-o", "a.wav", "--vtt", "link.vtt"], "link.vtt is the script"),
    "the recording as output": (
        [*SAY, "-o", "voices/../voice.wav", "--audio-prompt", "voice.wav"],
        "--output voices/../voice.wav is the recording of --audio-prompt, which it would replace",
    ),
    "a voice as subtitles": (
        [*SAY, "-o", "a.wav", "--voice", "S1=ann", "--srt", "voices/ann.safetensors"],
        "voices/ann.safetensors is the voice",
    ),
    "a voice as its recording": (["voice", "play", "ann", "-o", "link.wav"], "link.wav is the voice"),
    "an empty model": ([*SAY, "-o", "a.wav", "--model", ""], "argument --model: the value is empty; pass a value, or"),
    "an empty device": (["batch", "talk.srt", "-o", "out", "--device="], "argument --device: the value is empty"),
    "a folder as recording": ([*SAY, "-o", "a.wav", "--audio-prompt", "voices"], "voices is a folder, not a file"),
    "a folder as voice": (
        [*SAY, "-o", "a.wav", "--voice", "voices/../voices"],
        "voices is a folder, not a voice file",
    ),
    "a voice": ([*SAY, "-o", "a.wav", "--voice", "clar"], "there is no voice 'clar'; did you mean 'clara'?"),
    "one of two voices": ([*SAY, "-o", "a.wav", "--voice", "S1=clara", "--voice", "S2=nobody"], "no voice 'nobody'"),
    "a voice's file": ([*SAY, "-o", "a.wav", "--voice", "none/ann.safetensors"], "the voice file none/ann"),
    "a damaged voice": ([*SAY, "-o", "a.wav", "--voice", "broken"], "is not a voice, or is damaged"),
    "a recording": ([*SAY, "-o", "a.wav", "--audio-prompt", "none.wav"], "none.wav does not exist"),
    "no recording": ([*SAY, "-o", "a.wav", "--audio-prompt", "text.wav"], "cannot be read as audio"),
    "a text without its recording": (
        [*SAY, "-o", "a.wav", "--audio-prompt-text", "[S1] Hi."],
        "pass --audio-prompt too",
    ),
    "a device": ([*SAY, "-o", "a.wav", "--device", "cdua"], "--device cdua is unknown; did you mean 'cuda'?"),
    "a device's number": ([*SAY, "-o", "a.wav", "--device", "cuda:x"], "--device cuda:x is unknown"),
    "a model": ([*SAY, "-o", "a.wav", "--model", "mimi"], "there is no folder mimi; did you mean 'mini'?"),
    "a model of the Hub": (
        [*SAY, "-o", "a.wav", "--model", "nobody/nothing"],
        "nobody/nothing is not a local folder, and the",
    ),
    "nothing that plays": ([*SAY, "--stream"], "pip install sounddevice"),
    "nothing that plays a voice": (["voice", "play", "clara"], "pip install sounddevice"),
    "a voice to play": (["voice", "play", "nobody"], "there is no voice 'nobody'"),
    "a voice to remove": (["voice", "remove", "nobody"], "there is no voice 'nobody'"),
    "an example": (["voice", "remove", "clara"], "is an example"),
    "a recording for a voice": (
        ["voice", "make", "bob", "none.wav", "--transcript", "Hi.", *CONSENT],
        "does not exist",
    ),
    "no consent": (["voice", "make", "bob", "voice.wav", "--transcript", "[S1] Hello."], "consent is None"),
    "no transcript": (["voice", "make", "bob", "voice.wav", *CONSENT], "transcript is missing"),
    "a native checkpoint": (["convert", "model", "./none", "dst"], "there is no folder ./none"),
    "a native codec": (["convert", "codec", "none.pth", "dst"], "the file none.pth does not exist"),
    "a codec in its output": (
        ["convert", "codec", "voices/ann.safetensors", "voices", "--overwrite"],
        "voices contains voices/ann.safetensors, which is read. Choose another folder",
    ),
    "data in an output": (
        ["train-codec", "--data", "voices", "--output", "voices", "--overwrite"],
        "voices contains voices",
    ),
    "data": (["train", "--data", "./none"], "--data ./none: no such folder"),
    "data for a codec": (["train-codec", "--data", "./none", "--output", "dst"], "no such folder"),
}
ANSWERED = {
    "version": (["--version"], "dia "),
    "help": (["say", "--help"], "examples:"),
    "voices": (["voice", "list"], "ann      1.0 s   8000 Hz  [S1] What Ann says.  [nobody's voice]"),
    "completion": (["completion", "bash"], "complete "),
}


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    """The output of each command, by its name in the tables."""
    folder = tmp_path_factory.mktemp("answers")
    (folder / "voices").mkdir()
    record = CodecRecord("0", 8000, 40, 3, 16)
    Voice(zeros(200, 3).long(), "[S1] What Ann says.", record, "nobody's voice").save(
        folder / "voices" / "ann.safetensors"
    )
    save_file({"codes": zeros(2)}, folder / "voices" / "broken.safetensors")
    (folder / "text.wav").write_text("no sound")
    (folder / "voice.wav").write_bytes(silent_wav())
    (folder / "rec.m4a").write_bytes(b"\0\0\0\x1cftypM4A ")
    (folder / "talk.srt").write_text("1\n00:00:00,000 --> 00:00:01,000\nHello.\n")
    (folder / "link.vtt").symlink_to(folder / "talk.srt")
    (folder / "link.wav").symlink_to(folder / "voices" / "ann.safetensors")
    for optional in ("sounddevice", "av"):
        (folder / f"{optional}.py").write_text("raise ImportError('hidden')")
    before = sorted(path.name for path in folder.rglob("*"))
    commands = {name: arguments for name, (arguments, _) in (REFUSED | ANSWERED).items()}
    environment = {"DIA_VOICES": str(folder / "voices"), "HF_HUB_OFFLINE": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    environment["PYTHONPATH"] = os.pathsep.join([str(folder), *sys.path])
    environment["HF_HOME"] = str(folder / "hub")
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        input=json.dumps(list(commands.values())),
        capture_output=True,
        text=True,
        check=True,
        cwd=folder,
        env=os.environ | environment,
    )
    assert sorted(path.name for path in folder.rglob("*")) == before
    return dict(zip(commands, json.loads(run.stdout), strict=True))


def silent_wav() -> bytes:
    from dia.audio.playback import wav_header

    return wav_header(8000) + bytes(8000)


@pytest.mark.parametrize("name", REFUSED)
def test_errors_are_reported_before_torch_is_imported(answers, name):
    answer = answers[name]
    assert answer["heavy"] == []
    assert answer["code"] == 2
    assert answer["out"] == ""
    assert answer["err"].startswith("dia: ")
    assert REFUSED[name][1] in answer["err"]


@pytest.mark.parametrize("name", ANSWERED)
def test_commands_without_a_model_do_not_import_torch(answers, name):
    answer = answers[name]
    assert answer["heavy"] == []
    assert answer["code"] == 0
    assert ANSWERED[name][1] in answer["out"]


def test_the_list_of_voices_shows_which_are_damaged(answers):
    lines = answers["voices"]["out"].splitlines()
    assert [line.split()[0] for line in lines] == ["ann", "broken", "bruno", "clara"]
    assert "is not a voice, or is damaged" in lines[1]


def test_a_description_has_the_metadata_of_its_voice(tmp_path):
    from dia.voices.description import describe

    voice = Voice(zeros(30, 3).long(), "[S1] Hi there.", CodecRecord.of(tiny_codec()), "my own voice")
    voice.save(tmp_path / "a.safetensors")
    described = describe(tmp_path / "a.safetensors")
    assert (described.transcript, described.consent) == (voice.transcript, voice.consent)
    assert (described.seconds, described.sampling_rate) == (voice.seconds, voice.sampling_rate)


@pytest.mark.parametrize("cut", [0, 4, 100, -1])
def test_a_truncated_voice_file_is_rejected(tmp_path, cut):
    from dia.voices.description import describe

    path = tmp_path / "a.safetensors"
    Voice(zeros(30, 3).long(), "[S1] Hi there.", CodecRecord.of(tiny_codec()), "my own voice").save(path)
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(ValueError, match="is not a voice, or is damaged"):
        describe(path)
