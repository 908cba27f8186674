"""`dia serve`: what it refuses before it loads a model, and how it starts."""

import socket
import sys

import httpx
import pytest
from serving import client_of, wait_until
from tiny_speech import saved_tiny_speech

from dia.cli import main
from dia.commands import serve
from dia.commands.serve import host_names, is_loopback


@pytest.fixture(autouse=True)
def no_key(monkeypatch):
    monkeypatch.delenv("DIA_API_KEY", raising=False)


@pytest.fixture
def loaded(monkeypatch):
    """What would be served."""
    calls = []
    monkeypatch.setattr(serve, "load_model", lambda arguments, hints: "model")
    monkeypatch.setattr(serve, "run", lambda model, arguments, key, _: calls.append((model, arguments.host, key)))
    return calls


def test_the_notice_is_in_the_help(capsys):
    with pytest.raises(SystemExit):
        main(["serve", "--help"])
    assert "Do not imitate a real person without consent" in capsys.readouterr().out


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.0.1", "example.org"])
def test_an_address_of_the_network_needs_a_key_or_a_flag(host, loaded, capsys):
    assert main(["serve", "--host", host]) == 2
    assert "--allow-public" in capsys.readouterr().err
    assert main(["serve", "--host", host, "--allow-public"]) == 0
    assert main(["serve", "--host", host, "--api-key", "secret"]) == 0
    assert loaded == [("model", host, None), ("model", host, "secret")]


@pytest.mark.parametrize("host", ["localhost", "LocalHost", "127.0.0.1", "127.9.9.9", "::1"])
def test_addresses_of_this_machine_need_none(host):
    assert is_loopback(host)


def test_names_of_the_server_are_checked_on_this_machine_or_where_they_are_given():
    assert host_names("0.0.0.0") == set()
    assert host_names("127.0.0.1") == {"localhost", "127.0.0.1", "::1"}
    assert host_names("MyHost", ["proxy.example"]) >= {"myhost", "proxy.example"}
    assert host_names("0.0.0.0", ["Dia.example.org"]) >= {"dia.example.org", "localhost"}


@pytest.mark.parametrize(("options", "wanted"), [([], True), (["--no-watermark"], False)])
def test_the_sound_has_a_watermark_unless_it_is_turned_off(options, wanted, loaded, monkeypatch):
    asked = []
    monkeypatch.setattr(serve, "run", lambda model, arguments, *_: asked.append(arguments.watermark))
    assert main(["serve", *options]) == 0
    assert asked == [wanted]


def test_the_key_comes_from_a_file_or_the_environment(loaded, tmp_path, monkeypatch):
    (tmp_path / "key").write_text("from-file\n")
    monkeypatch.setenv("DIA_API_KEY", "from-environment")
    assert main(["serve"]) == 0
    assert main(["serve", "--api-key-file", str(tmp_path / "key")]) == 0
    assert [key for *_, key in loaded] == ["from-environment", "from-file"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--api-key", " "], "must be one word"),
        (["--api-key", "clé"], "must be one word"),
        (["--api-key", "a", "--api-key-file", "b"], "cannot be combined"),
        (["--api-key-file", "missing"], "missing: No such file"),
        (["--voices", __file__], "is not a folder"),
        (["--model", "/nowhere"], "/nowhere"),
    ],
)
def test_invalid_options_are_refused_before_the_model_is_loaded(options, message, loaded, capsys):
    assert main(["serve", *options]) == 2
    assert message in capsys.readouterr().err
    assert loaded == []


@pytest.mark.parametrize("port", ["-1", "65536", "http"])
def test_a_port_is_a_number_of_16_bits(port, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["serve", "--port", port])
    assert ended.value.code == 2
    assert "argument --port: " in capsys.readouterr().err


def test_wyoming_on_an_address_of_the_network_needs_the_flag_since_it_has_no_key(loaded, capsys):
    options = ["serve", "--host", "0.0.0.0", "--api-key", "secret", "--wyoming", "0"]
    assert main(options) == 2
    assert "--allow-public" in capsys.readouterr().err
    assert main([*options, "--allow-public"]) == 0


def test_a_port_of_wyoming_that_is_in_use_is_named_before_the_model_is_loaded(loaded, capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["serve", "--wyoming", str(port)]) == 2
    assert f"127.0.0.1:{port}: Address already in use" in capsys.readouterr().err
    assert loaded == []


def test_a_missing_package_is_named_with_the_command_to_install_it(loaded, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "fastapi", None)
    assert main(["serve"]) == 2
    assert "pip install 'dia-tts[serve]'" in capsys.readouterr().err


def test_a_server_starts_and_ends(tmp_path, monkeypatch):
    """A tiny model, asked by the official client."""
    import threading

    import uvicorn

    servers = []
    monkeypatch.setattr(uvicorn.Server, "install_signal_handlers", lambda self: None, raising=False)
    start = uvicorn.Server.run
    monkeypatch.setattr(uvicorn.Server, "run", lambda self, *sockets: (servers.append(self), start(self, *sockets)))
    folder = saved_tiny_speech(tmp_path / "tiny")
    options = ["serve", "--port", "0", "--model", folder, "--voices", str(tmp_path / "voices"), "--api-key", "secret"]
    thread = threading.Thread(target=main, args=(options,), daemon=True)
    thread.start()
    wait_until(lambda: servers and servers[0].started)
    port = servers[0].servers[0].sockets[0].getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    wait_until(lambda: httpx.get(f"{address}/ready").status_code == 200)
    with client_of(address, api_key="secret") as client:
        speak = client.audio.speech.create
        assert speak(model="tts-1", voice="default", input="Hi.", response_format="pcm").content
    servers[0].should_exit = True
    thread.join(20)
    assert not thread.is_alive()
