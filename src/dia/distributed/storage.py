"""Where workers put the files of rows: a folder that all machines share, or an object store, through fsspec."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol

from dia.jobs.output.layouts import rows_folder
from dia.jobs.output.store import FileStore
from dia.jobs.results import RowResult
from dia.jobs.speaking import as_full_folder

_PACKAGES = {
    "s3": "dia-tts[s3]",
    "gs": "gcsfs",
    "gcs": "gcsfs",
    "az": "adlfs",
    "abfs": "adlfs",
    "hf": "huggingface_hub",
}


class Storage(Protocol):
    """Holds the files of rows. Picklable; used by many processes."""

    def files(self) -> FileStore | None:
        """What is there; None for the job's folder. Raises OSError if the storage cannot be read."""

    def folder(self) -> Any:
        """A context with a local folder to write files into."""

    def keep(self, folder: Path, result: RowResult) -> None:
        """Make the files of a row, which are in the local folder, visible to all. Raises FolderFull."""

    def publish(self, path: Path) -> None:
        """Put a file of the job, such as its manifest, beside those of the rows. Raises FolderFull."""


class SharedFolder:
    """The job's folder, which all machines see under the same path.

    Args:
        path: the folder.
        layout: of the folder, see `dia.jobs.output.layouts`.
    """

    def __init__(self, path: str | Path, layout: str = "files") -> None:
        self._path = rows_folder(Path(path).absolute(), layout)

    def files(self) -> None:
        """The job knows its folder."""

    @contextmanager
    def folder(self) -> Iterator[Path]:
        """The folder for new files of rows.

        Raises:
            FileNotFoundError: this machine does not see it.
        """
        if not self._path.is_dir():
            raise FileNotFoundError(
                f"{self._path} does not exist on this machine. Use a folder that all machines share, or --storage URL."
            )
        yield self._path

    def keep(self, folder: Path, result: RowResult) -> None:
        """The files are there already."""

    def publish(self, path: Path) -> None:
        """The file is there already."""


class ObjectStore:
    """A prefix of an object store or another file system of fsspec, such as `s3://bucket/speech`.

    Args:
        url: the prefix. Options of the file system, such as keys and end points, come from its own environment
            variables and configuration files on each machine.

    Raises:
        ImportError: the file system needs a package.
        ValueError: no file system has such URLs.
    """

    def __init__(self, url: str) -> None:
        scheme, _, rest = url.partition("://")
        if not rest.strip("/"):
            raise ValueError(f"the storage is {url!r}; expected a URL with a path, such as s3://bucket/speech.")
        self._url, self._scheme = url.rstrip("/"), scheme
        self._connect()

    def files(self) -> FileStore:
        """The files of the prefix. They are listed once: a request for each thousand rather than one for each.

        Raises:
            ConnectionError: they cannot be listed.
        """
        system, prefix = self._connect()
        try:
            system.invalidate_cache()
            found = system.find(prefix, detail=True)
        except Exception as error:  # each file system has exceptions of its own
            raise ConnectionError(f"{self._url} cannot be listed: {type(error).__name__}: {error}") from error
        return _Listed({path[len(prefix) :].lstrip("/"): int(entry["size"]) for path, entry in found.items()})

    @contextmanager
    def folder(self) -> Iterator[Path]:
        """A temporary folder."""
        with TemporaryDirectory(prefix="dia-") as folder:
            yield Path(folder)

    def keep(self, folder: Path, result: RowResult) -> None:
        """Upload the files, the audio last, and remove them here.

        Raises:
            FolderFull: one cannot be uploaded.
        """
        others = (*result.subtitles, *((result.codes,) if result.codes else ()))
        for name in (*others, result.path):
            self.publish(folder / name)
            (folder / name).unlink()

    def publish(self, path: Path) -> None:
        """Upload a file. Raises FolderFull."""
        system, prefix = self._connect()
        with as_full_folder(Path(self._url)):
            try:
                self._put(system, path, f"{prefix}/{path.name}")
            except OSError:
                raise
            except Exception as error:  # each file system has exceptions of its own
                raise OSError(f"{type(error).__name__}: {error}") from error

    def _put(self, system: Any, source: Path, target: str) -> None:
        """Upload a file, whole or not at all: objects appear whole, local files are moved."""
        if "file" not in (system.protocol if isinstance(system.protocol, tuple) else (system.protocol,)):
            system.put_file(str(source), target)
            return
        Path(target).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, f"{target}.{os.getpid()}.partial")
        os.replace(f"{target}.{os.getpid()}.partial", target)

    def _connect(self) -> tuple[Any, str]:
        try:
            from fsspec.core import url_to_fs

            system, prefix = url_to_fs(self._url)
        except ImportError as error:
            package = _PACKAGES.get(self._scheme, "fsspec")
            raise ImportError(f"{self._url}: {error}. Install what it needs: pip install '{package}'") from error
        return system, prefix


class _Listed(FileStore):
    """Files of which only the sizes are known."""

    def __init__(self, sizes: dict[str, int]) -> None:
        super().__init__(Path())
        self._sizes = sizes

    def size(self, name: str) -> int | None:
        """The size of the file; None if it is missing."""
        return self._sizes.get(name)


def storage_at(folder: Path, url: str | None, layout: str = "files") -> SharedFolder | ObjectStore:
    """The storage of a job: a URL, or the job's folder with its layout.

    Raises:
        ImportError, ValueError: the URL cannot be used; the message says why.
    """
    return SharedFolder(folder, layout) if url is None else ObjectStore(url)


__all__ = ["ObjectStore", "SharedFolder", "Storage", "storage_at"]
