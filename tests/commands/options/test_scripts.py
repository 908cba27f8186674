"""Script files on the command line: formats by suffix, encodings, and subtitles at their times."""

import io
import json

import numpy as np
import pytest
import soundfile
from tiny_speech import saved_tiny_speech

from dia.audio.dsp.silence import loud
from dia.cli import main

SRT = """1
00:00:00,500 --> 00:00:02,500
Hello there, my friend.

2
00:00:03,000 --> 00:00:05,000
I am <i>really</i> glad.

3
00:00:05,500 --> 00:00:07,500
How are you today?
"""
FILES = {
    "talk.srt": SRT,
    "talk.vtt": "WEBVTT\n\n00:01.000 --> 00:04.000\n<v Ann>Hello.\n\n00:05.000 --> 00:06.000\n<v Bob>Hi.\n",
    "play.fountain": "INT. HOUSE\n\nANN\nHello.\n\nBOB\nHi.\n",
    "talk.txt": "Ann: Hello, Bob. How are you?\nBob: Hi.\nAnn: Well?\n",
}


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, text in FILES.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def read(capsys, *arguments):
    assert main(["read", *arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def error(capsys, *arguments):
    assert main(list(arguments)) == 2
    return capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "turns"),
    [
        ("talk.srt", [("S1", "Hello there, my friend. I am really glad. How are you today?")]),
        ("talk.vtt", [("S1", "Hello."), ("S2", "Hi.")]),
        ("play.fountain", [("S1", "Hello."), ("S2", "Hi.")]),
        ("talk.txt", [("S1", "Hello, Bob. How are you?"), ("S2", "Hi."), ("S1", "Well?")]),
    ],
)
def test_the_suffix_selects_the_format(capsys, name, turns):
    assert [(turn["speaker"], turn["shown"]) for turn in read(capsys, name)["turns"]] == turns


def test_the_format_may_be_chosen(capsys, monkeypatch, place):
    (place / "script.dat").write_text(FILES["play.fountain"])
    message = error(capsys, "read", "script.dat")
    assert "script.dat: .dat is not a known format of scripts. Known are .txt, " in message
    assert "choose its format with --text-format" in message
    assert read(capsys, "script.dat", "--text-format", "fountain")["names"] == {"ANN": "S1", "BOB": "S2"}
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(FILES["play.fountain"].encode())))
    assert read(capsys, "-", "--text-format", "fountain")["names"] == {"ANN": "S1", "BOB": "S2"}
    assert read(capsys, FILES["play.fountain"], "--text-format", "fountain")["names"] == {"ANN": "S1", "BOB": "S2"}


def test_an_unknown_format_is_an_error_with_the_known_ones(capsys):
    with pytest.raises(SystemExit):
        main(["read", "talk.srt", "--text-format", "ass"])
    assert "plain" in (message := capsys.readouterr().err)
    assert "fountain" in message


def test_a_missing_file_is_an_error_with_the_known_formats(capsys):
    message = error(capsys, "say", "nofile.srt", "-o", "a.wav")
    assert "the file nofile.srt does not exist" in message
    assert ".txt, .text, .md, .markdown, .html, .htm, .xhtml, .srt, .vtt and .fountain" in message


@pytest.mark.parametrize("command", [["read"], ["say", "-o", "a.wav"]])
def test_an_invalid_line_is_named_with_its_file(capsys, place, command):
    (place / "bad.srt").write_text(SRT.replace("00:00:03,000 -->", "00:00:03,000 ->"))
    message = error(capsys, command[0], "bad.srt", *command[1:])
    assert message.startswith("dia: bad.srt, line 6: '00:00:03,000 -> 00:00:05,000' is not a valid line of times.")
    assert not (place / "a.wav").exists()


def test_a_detected_encoding_is_said_and_may_be_chosen(capsys, place):
    (place / "old.txt").write_bytes("[S1] We met at the café. It’s nice.".encode("cp1252"))
    found = read(capsys, "old.txt")
    assert found["turns"][0]["shown"] == "We met at the café. It’s nice."
    assert found["warnings"][0] == "old.txt is read as cp1252; use --encoding to choose another."
    found = read(capsys, "old.txt", "--encoding", "cp1252")
    assert found["warnings"] == []
    assert "the encoding 'nonsense' is unknown" in error(capsys, "read", "old.txt", "--encoding", "nonsense")
    assert "an encoding was chosen, but the script is the argument itself" in error(
        capsys, "read", "[S1] Hi.", "--encoding", "cp1252"
    )


def test_reading_shows_the_times_of_cues(capsys):
    first = read(capsys, "talk.srt", "--keep-timing")["turns"][0]
    assert first["cue"] == {"name": "1", "start": 0.5, "end": 2.5}
    assert main(["read", "talk.srt", "--keep-timing"]) == 0
    shown = capsys.readouterr().out
    assert "S1  Hello there, my friend.\n    cue 1: 0.5 s to 2.5 s\n" in shown
    assert "about 7.5 s in 3 parts" in shown


def test_times_need_subtitles(capsys):
    assert "keep_timing needs the times of subtitles" in error(capsys, "read", "talk.txt", "--keep-timing")


def test_the_embedded_model_speaks_each_cue_at_its_time(capsys, place):
    arguments = ["-o", "talk.wav", "--keep-timing", "--seed", "3", "--srt", "out.srt", "--vtt", "out.vtt"]
    assert main(["say", "talk.srt", *arguments]) == 0
    assert capsys.readouterr().err == ""
    audio, rate = soundfile.read("talk.wav", dtype="float32")
    sound = np.flatnonzero(loud(audio, rate)) / 100
    onsets = [sound[np.searchsorted(sound, start - 0.4)] for start in (0.5, 3.0, 5.5)]
    assert onsets == pytest.approx([0.5, 3.0, 5.5], abs=0.1)
    for start, end in ((0.0, 0.4), (2.55, 2.9), (5.05, 5.4)):
        assert np.abs(audio[round(start * rate) : round(end * rate)]).max() < 0.01
    cues = read(capsys, "out.srt", "--keep-timing")["turns"]
    assert [cue["shown"] for cue in cues] == ["Hello there, my friend.", "I am really glad.", "How are you today?"]
    assert [cue["cue"]["start"] for cue in cues] == pytest.approx([0.5, 3.0, 5.5], abs=0.1)
    assert all(cue["cue"]["end"] <= start + 2.05 for cue, start in zip(cues, (0.5, 3.0, 5.5), strict=True))


def test_a_pipe_and_a_file_get_the_same_speech(capsysbinary, tmp_path_factory):
    model = saved_tiny_speech(tmp_path_factory.mktemp("model"))
    arguments = ["say", "talk.srt", "--keep-timing", "--model", model, "--seed", "3", "--max-tokens", "60"]
    assert main([*arguments, "-o", "a.wav"]) == 0
    capsysbinary.readouterr()
    assert main([*arguments, "-o", "-", "--format", "raw"]) == 0
    piped = np.frombuffer(capsysbinary.readouterr().out, "<i2").astype(np.float32) / 2**15
    np.testing.assert_allclose(piped, soundfile.read("a.wav", dtype="float32")[0], atol=1e-3)
