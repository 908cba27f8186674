"""An argument is a script, a file, standard input, or text that only looks like a path."""

import io
import os

import pytest

from dia.text.files import source
from dia.text.files.source import ScriptSource, read_script, script_text


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    "given",
    [
        "Hello",
        "Hi.",
        "Hello world",
        "[S1] See notes.txt",
        "S1: Hello",
        "Wait...",
        "3.14",
        "1/2",
        "e.g.",
        "U.S.A",
        "_Hello_",
        "well-known",
        "Please open the file that I called notes.txt",
        "Come in / go out, please.",
        "Grüße",
        "日本語。",
        "a\nb",
        "./a\n[S1] b",
        "a\0b",
        "é" * 200,  # fewer than 256 characters, more than 255 bytes
        "é" * 255,
        "x" * 5000,
        "x/" * 3000,
        "half a surrogate \udc00 \ud800",
        "  ",
        "",
    ],
)
def test_words_are_a_script(given):
    assert script_text(given) == ScriptSource(given)


@pytest.mark.parametrize(
    "given",
    [
        "nofile.srt",
        "book.docx",
        "no_such_script",
        "./x",
        "../x",
        "/x",
        "~/x",
        "dir/x.txt",
        "C:\\texts\\x",
        "my talk.txt",
        "Chapter One.MD",
        "song.mp3",
        "and/or",
    ],
)
def test_a_missing_path_is_never_spoken(given):
    with pytest.raises(ValueError, match="does not exist; check its name") as raised:
        script_text(given)
    assert f"the file {given} does not exist;" in str(raised.value)
    assert str(raised.value).endswith(f"To speak these words themselves, start with a speaker tag: '[S1] {given}'")
    assert script_text(f"[S1] {given}").text == f"[S1] {given}"


def test_a_folder_is_not_a_script(place):
    (place / "texts").mkdir()
    with pytest.raises(
        ValueError, match=r"texts is a folder; give the path of a file\. To speak these words themselves"
    ):
        script_text("texts")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_file_is_named(place):
    (place / "secret.txt").write_text("Hi.")
    (place / "secret.txt").chmod(0)
    with pytest.raises(OSError, match=r"secret\.txt"):
        script_text("secret.txt")


def test_broken_links_are_errors(place):
    (place / "loop.txt").symlink_to("loop.txt")
    (place / "gone.txt").symlink_to("nowhere.txt")
    for name in ("loop.txt", "gone.txt"):
        with pytest.raises((ValueError, OSError), match=name):
            script_text(name)


@pytest.mark.parametrize("name", ["Hello", "script.txt", "my talk", "a[1].md"])
def test_an_existing_file_is_read_whatever_its_name(place, name):
    (place / name).write_text("[S1] From the file.", encoding="utf-8")
    assert script_text(name).text == "[S1] From the file."


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_named_pipe_is_read(place):
    import threading

    os.mkfifo(place / "pipe")
    writer = threading.Thread(target=lambda: (place / "pipe").write_text("[S1] Piped."))
    writer.start()
    assert script_text("pipe").text == "[S1] Piped."
    writer.join()


TEXT = "[S1] Café, “yes”.\n"


@pytest.mark.parametrize(
    "content",
    [
        TEXT.encode(),
        TEXT.encode("utf-8-sig"),
        TEXT.encode("utf-16"),
        b"\xff\xfe" + TEXT.encode("utf-16-le"),
        b"\xfe\xff" + TEXT.encode("utf-16-be"),
    ],
)
def test_a_file_is_utf_8_or_utf_16_with_a_byte_order_mark(place, content):
    (place / "script.txt").write_bytes(content)
    assert read_script("script.txt").text == read_script(place / "script.txt").text == TEXT


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            bytes(range(128, 256)) * 3,
            r"is not UTF-8: byte 0 is 0x80, and its encoding cannot be detected\. Save the script",
        ),
        (b"\xff\xfea", "is not UTF-16.*: byte 2"),
        ("[S1] Hi.".encode("utf-16-le"), "is not text: it contains zero bytes"),
        (b"%PDF-1.7 ...", "is a PDF document. Save the script as plain text"),
        (b"PK\x03\x04...", r"is a ZIP archive, such as \.docx, \.odt or \.epub"),
        (b"{\\rtf1 Hi.}", "is an RTF document"),
        (b"\xd0\xcf\x11\xe0...", "is an old Office document"),
        (b"RIFF....WAVE", "is a recording"),
        (b"ID3\x04", "is a recording"),
        (b"OggS", "is a recording"),
        (b"fLaC", "is a recording"),
        (b"\xff\xfb\x90\x00", "is not text"),
        (b"\x89PNG\r\n", "is a picture"),
        (b"\x1f\x8b\x08", "is a gzip archive"),
    ],
)
def test_a_file_that_is_not_text_is_rejected_by_its_kind(place, content, message):
    (place / "script.txt").write_bytes(content)
    with pytest.raises(ValueError, match=rf"^script\.txt {message}"):
        script_text("script.txt")


def test_a_file_is_read_up_to_a_size(place, monkeypatch):
    monkeypatch.setattr(source, "LARGEST_BYTES", 2**20)
    (place / "large.txt").write_bytes(b"a" * 2**20)
    assert len(script_text("large.txt").text) == 2**20
    (place / "large.txt").write_bytes(b"a" * (2**20 + 1))
    with pytest.raises(ValueError, match=r"large\.txt is larger than 1 MB.*Split it into several scripts"):
        script_text("large.txt")


def test_a_missing_file_is_an_error_that_names_it():
    with pytest.raises(FileNotFoundError, match="nowhere"):
        read_script("nowhere.txt")


class Terminal(io.TextIOWrapper):
    def isatty(self):
        return True


def standard_input(monkeypatch, content, kind=io.TextIOWrapper):
    monkeypatch.setattr("sys.stdin", kind(io.BytesIO(content), "ascii"))


def test_a_dash_is_standard_input(monkeypatch, capsys):
    standard_input(monkeypatch, "[S1] Café.".encode())
    assert script_text("-").text == "[S1] Café."
    monkeypatch.setattr("sys.stdin", io.StringIO("[S1] Café."))
    assert script_text("-").text == "[S1] Café."
    assert capsys.readouterr().err == ""


def test_at_a_terminal_a_message_explains_how_to_end_the_input(monkeypatch, capsys):
    standard_input(monkeypatch, b"Hi.", Terminal)
    assert script_text("-").text == "Hi."
    assert "then press Ctrl-" in capsys.readouterr().err


def test_standard_input_has_the_same_limits(monkeypatch):
    standard_input(monkeypatch, b"%PDF")
    with pytest.raises(ValueError, match="standard input is a PDF document"):
        script_text("-")
    monkeypatch.setattr("sys.stdin", None)
    with pytest.raises(ValueError, match="standard input is closed"):
        script_text("-")
