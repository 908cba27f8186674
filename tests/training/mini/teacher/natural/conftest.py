"""A small world: archives of a few sentences, a teacher that hums and an ear that understands it."""

import io
import struct
import tarfile
import zlib
from dataclasses import replace

import numpy as np
import pytest

from dia.training.mini.teacher.natural import packages
from dia.training.mini.teacher.natural.teachers.teacher import Speech, timed

CHAPTER = "CHAPTER 1. Loomings.\n\nCall me what you like. The sea was calm, and Mr. Starbuck slept. Why not wake him?"
ADDRESSES = {
    "1850_old_w": "This old sentence is not read at all.",
    "1999_new_d": "We have 12 plans for the year. [Applause] Now is the time to act.",
}
WORDNET = '00 s 01 calm 0 | not agitated; "the sea was calm"; "a calm voice"'
NOVEL = ["EMMA", "", '"My dear Emma," said he, "we must go."', "", "She sat down and smiled."]


class Humming:
    """A teacher whose clip lasts a tenth of a second for each letter; its phones are the letters."""

    voices = ("low", "high")

    def __init__(self):
        self.said = []

    def say(self, text, voice, tempo=1.0):
        self.said.append((text, voice, tempo))
        if "unsayable" in text:
            raise ValueError("text: too long")
        rate, length = 8000, len(text) * 800
        hum = 0.3 * np.sin(np.arange(length) * (0.5 if voice == "low" else 0.9)).astype(np.float32)
        quiet = np.zeros(4000, np.float32)
        return Speech(np.concatenate([quiet, hum, quiet]), rate, tuple(timed(text, [1] * len(text), 0.1, 0.5)))


@pytest.fixture
def humming():
    return Humming()


@pytest.fixture
def archives(tmp_path, monkeypatch):
    """A folder of archives with a few sentences, which take the place of the real ones."""
    folder = tmp_path / "packages"
    folder.mkdir()
    contents = {
        "moby-dick": {"package/data/chapter_1.txt": CHAPTER},
        "addresses": {f"package/data/{name}.txt": text for name, text in ADDRESSES.items()},
        "women": {"package/data/names.txt": "Emma\nBay\nZoë\nUnheardof\n"},
        "men": {"package/data/names.txt": "Starbuck\n"},
        "wordnet": {"./usr/share/wordnet/data.adj": WORDNET},
        "austen": {"./usr/lib/R/site-library/janeaustenr/data/Rdata.rdb": _rdb(NOVEL)},
    }
    known = {}
    for name, files in contents.items():
        path = folder / f"{name}.tgz"
        with tarfile.open(path, "w:gz") as archive:
            for member, content in files.items():
                data = content if isinstance(content, bytes) else content.encode()
                entry = tarfile.TarInfo(member)
                entry.size = len(data)
                archive.addfile(entry, io.BytesIO(data))
        sha256 = packages.hashlib.sha256(path.read_bytes()).hexdigest()
        known[name] = replace(packages.ARCHIVES[name], file=path.name, sha256=sha256)
    monkeypatch.setattr(packages, "ARCHIVES", packages.ARCHIVES | known)
    return folder


def _rdb(lines):
    """An object of R's database: a vector of strings, with its size before it."""
    strings = b"".join(b"\0\4\0\x09" + struct.pack(">I", len(line)) + line.encode() for line in lines)
    block = b"X\n\0\0\0\3" + b"\0\0\0\x10" + struct.pack(">I", len(lines)) + strings
    return struct.pack(">I", len(block)) + zlib.compress(block)
