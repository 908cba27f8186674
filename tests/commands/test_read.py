"""`dia read`: its output for a script, as text and as JSON, without loading a model."""

import io
import json
import subprocess
import sys

import pytest
from transformers import GenerationConfig

from dia import MINI
from dia.cli import main
from dia.synthesis.parts.planning import VoiceInfo, plan_passes
from dia.text.prompt_format import PromptFormat
from dia.text.script import parse
from dia.voices.description import describe
from dia.voices.library import voice_file

SCRIPT = "[S1] I owe you $5, my café. (Laughs) [pause:700ms] [S2] Since 2024?"


def as_json(capsys, *arguments):
    assert main(["read", *arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_json_has_turns_parts_and_warnings(capsys):
    assert as_json(capsys, f"{SCRIPT} [music]") == {
        "turns": [
            {
                "speaker": "S1",
                "shown": "I owe you $5, my café. (Laughs)",
                "spoken": "I owe you five dollars, my cafe. (laughs)",
                "pause_seconds": 0.7,
            },
            {
                "speaker": "S2",
                "shown": "Since 2024? [music]",
                "spoken": "Since twenty twenty-four?",
                "pause_seconds": 0.0,
            },
        ],
        "names": {},
        "parts": [
            {"spoken": "[S1] I owe you five dollars, my cafe. (laughs)", "seconds": 3.2},
            {"spoken": "[S2] Since twenty twenty-four?", "seconds": 1.67},
        ],
        "warnings": [
            "[music]: not a sound that Dia knows, so it is left out. "
            "Write its words without brackets to have them spoken."
        ],
    }


def test_text_shows_the_spoken_form_if_it_differs(capsys):
    assert main(["read", SCRIPT]) == 0
    assert capsys.readouterr().out == (
        "S1  I owe you $5, my café. (Laughs)\n"
        "    spoken: I owe you five dollars, my cafe. (laughs)\n"
        "    sounds: (laughs)\n"
        "    pause: 0.7 s\n"
        "S2  Since 2024?\n"
        "    spoken: Since twenty twenty-four?\n"
        "\n"
        "part 1, about 3.2 s: [S1] I owe you five dollars, my cafe. (laughs)\n"
        "part 2, about 1.7 s: [S2] Since twenty twenty-four?\n"
        "\n"
        "about 5.6 s in 2 parts\n"
    )


def test_a_short_script_is_one_part(capsys):
    assert main(["read", "[S1] Hello. [S2] Hi!"]) == 0
    assert capsys.readouterr().out == "S1  Hello.\nS2  Hi!\n\nabout 0.6 s in 1 part\n"


def test_files_and_standard_input_are_read(capsys, tmp_path, monkeypatch):
    (tmp_path / "script.txt").write_text(SCRIPT, encoding="utf-16")
    first = as_json(capsys, str(tmp_path / "script.txt"))
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(SCRIPT.encode())))
    assert as_json(capsys, "-") == first


def test_the_model_determines_how_a_script_is_parsed_and_split(capsys, tmp_path):
    long = "[S1] " + "Grüße aus 5 Orten. " * 15  # 28 s
    assert len(as_json(capsys, long)["parts"]) == 3
    GenerationConfig(text_frontend="none", pass_seconds=30.0).save_pretrained(tmp_path)
    output = as_json(capsys, long, "--model", str(tmp_path))
    assert len(output["parts"]) == 1
    assert output["turns"][0]["spoken"] == output["turns"][0]["shown"]
    english = as_json(capsys, long, "--model", str(tmp_path), "--text-frontend", "en")
    assert english["turns"][0]["spoken"].startswith("Grusse aus five Orten.")
    assert as_json(capsys, long, "--model", "mini") == as_json(capsys, long)


def test_a_hub_model_is_treated_as_dia_with_a_message(capsys):
    assert main(["read", "[S1] " + "word " * 9, "--model", "nari-labs/Dia-1.6B-0626"]) == 0
    printed = capsys.readouterr()
    assert "nari-labs/Dia-1.6B-0626 is not a local folder; using the prompt format of Dia-1.6B" in printed.err
    assert "warning: the script is about 3 s of speech" in printed.out


def test_the_help_says_how_a_hub_model_is_treated(capsys):
    with pytest.raises(SystemExit):
        main(["read", "--help"])
    assert "For a Hub id, the settings of Dia-1.6B are used." in capsys.readouterr().out


def test_a_voice_shortens_every_part(capsys):
    script = "[S1] " + "We come home late. " * 16
    clara = describe(voice_file("clara"))
    format = PromptFormat.in_folder(MINI)
    output = as_json(capsys, script, "--voice", "clara")
    planned = plan_passes(parse(script), format, VoiceInfo(("S1",), clara.seconds))
    assert [part["spoken"] for part in output["parts"]] == [part.script.spoken for part in planned]
    assert len(output["parts"]) > len(as_json(capsys, script)["parts"])
    assert output["warnings"] == []


def test_a_voice_that_will_be_shortened_gives_a_warning(capsys):
    output = as_json(capsys, "[S1] " + "We come home late. " * 16, "--voice", "S1=clara", "--voice", "S2=bruno")
    (warning,) = output["warnings"]
    seconds = sum(describe(voice_file(name)).seconds for name in ("clara", "bruno"))
    assert warning.startswith(f"the voice takes {seconds:.1f} s and is shortened to at most 7.0 s for speaking")
    assert as_json(capsys, "[S1] Hi.", "--voice", "S1=clara")["warnings"] == []


NAMED = "JOHN: How are you today?\nMARY: I am fine, thank you."


def test_names_of_speakers_are_shown_apart_from_the_words(capsys):
    assert main(["read", NAMED]) == 0
    assert capsys.readouterr().out == (
        "S1  How are you today?\nS2  I am fine, thank you.\n\nnames: JOHN is S1, MARY is S2\n\nabout 2.6 s in 1 part\n"
    )
    assert as_json(capsys, NAMED)["names"] == {"JOHN": "S1", "MARY": "S2"}


@pytest.mark.parametrize(
    ("options", "names"),
    [
        (["--speakers", "john=s2"], {"JOHN": "S2", "MARY": "S1"}),
        (["--speakers", "JOHN=S1, MARY=S1"], {"JOHN": "S1", "MARY": "S1"}),
        (["--speakers", "JOHN=S2", "--speakers", "MARY=S1"], {"JOHN": "S2", "MARY": "S1"}),
        (["--speakers", "none"], {}),
        (["--text-frontend", "none"], {"JOHN": "S1", "MARY": "S2"}),
        (["--no-normalize"], {}),
    ],
)
def test_options_decide_who_speaks(capsys, options, names):
    assert as_json(capsys, NAMED, *options)["names"] == names


def test_a_voice_can_be_given_for_a_name(capsys):
    long = "MARY: I see.\nJOHN: " + "We come home late. " * 16 + "\nMARY: Is that so?"
    assert as_json(capsys, long, "--voice", "john=clara") == as_json(capsys, long, "--voice", "S2=clara")


def test_normalization_can_be_disabled(capsys):
    output = as_json(capsys, "[S1] I owe $5.", "--no-normalize")
    assert output["turns"][0]["spoken"] == "I owe $5."
    assert output["warnings"][0].startswith("normalize=False")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([" "], "text is empty"),
        (["[S1] Hi. [S3] Ho."], "[S3] is not a known speaker"),
        (["nofile.srt"], "the file nofile.srt does not exist"),
        ([f"{NAMED}\nBOB: Me too!"], "3 speakers (JOHN, MARY and BOB)"),
        ([NAMED, "--speakers", "JOHN=S1", "--speakers", "JOHN=S2"], "--speakers gives JOHN two speakers"),
        ([NAMED, "--voice", "BOB=clara"], "--voice names 'BOB', which is neither S1, S2 nor a name of the script"),
        (["Hi.", "--voice", "nobody"], "there is no voice 'nobody'"),
        (["Hi.", "--voice", "clara", "--voice", "S1=bruno"], "pass one voice for all"),
        (["[S1] привет"], "CYRILLIC SMALL LETTER PE"),
        (["Hi.", "--model", "./nowhere"], "--model ./nowhere: the folder does not exist"),
        (["Hi.", "--model", "nowhere"], "--model nowhere: the folder does not exist"),
    ],
)
def test_invalid_input_is_an_error(capsys, arguments, message):
    assert main(["read", *arguments]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("dia: ")
    assert message in printed.err


@pytest.mark.parametrize("given", ["JOHN", "JOHN=S3"])
def test_an_invalid_speaker_is_an_error(capsys, given):
    with pytest.raises(SystemExit) as ended:
        main(["read", NAMED, "--speakers", given])
    assert ended.value.code == 2
    assert f"{given!r} is not NAME=S1 or NAME=S2" in capsys.readouterr().err


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_it_prints_on_any_encoding(monkeypatch, options):
    written = {}
    for encoding in ("ascii", "utf-8"):
        out = io.TextIOWrapper(io.BytesIO(), encoding)
        monkeypatch.setattr("sys.stdout", out)
        assert main(["read", "[S1] Grüße 🙂", *options]) == 0
        out.flush()
        written[encoding] = out.buffer.getvalue().decode(encoding)
    assert "Grüße 🙂" in written["utf-8"]
    if options:
        assert json.loads(written["ascii"]) == json.loads(written["utf-8"])
    else:
        assert "Gr\\xfc\\xdfe" in written["ascii"]


def test_no_model_is_loaded():
    program = (
        "import sys; from dia.cli import main; main(['read', '[S1] I owe $5.', '--voice', 'clara']); "
        "sys.exit(any(name in sys.modules for name in ('torch', 'transformers', 'numpy')))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False, stdout=subprocess.DEVNULL).returncode == 0
