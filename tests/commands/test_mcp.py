"""`dia mcp`: what it refuses before it loads a model. tests/serving/test_mcp.py speaks with it."""

import sys

import pytest

from dia.cli import main
from dia.commands import mcp


@pytest.fixture(autouse=True)
def no_model(monkeypatch):
    monkeypatch.setattr(mcp, "load_model", lambda *_, **__: pytest.fail("the model was loaded"))


def test_the_notice_is_in_the_help(capsys):
    with pytest.raises(SystemExit):
        main(["mcp", "--help"])
    assert "Do not imitate a real person without consent" in capsys.readouterr().out


def test_the_help_says_that_audio_is_saved_only_if_a_folder_is_given(capsys):
    with pytest.raises(SystemExit):
        main(["mcp", "--help"])
    assert "(default: answers contain the audio)" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--output", __file__], "is not a folder"),
        (["--voices", __file__], "is not a folder"),
        (["--model", "/nowhere"], "/nowhere"),
    ],
)
def test_invalid_options_are_refused(options, message, capsys):
    assert main(["mcp", *options]) == 2
    assert message in capsys.readouterr().err


def test_a_missing_package_is_named_with_the_command_to_install_it(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "mcp.server.mcpserver", None)
    assert main(["mcp"]) == 2
    assert "pip install 'dia-tts[mcp]'" in capsys.readouterr().err
