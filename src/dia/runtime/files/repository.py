"""Find files in a checkpoint's folder or Hub repository, and read its JSON files. Independent of their contents."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from transformers.utils import cached_file

from dia.runtime.files.reading import check_file, read_json

HUB_OPTIONS = ("cache_dir", "force_download", "proxies", "token", "local_files_only", "revision", "subfolder")


@dataclass(frozen=True)
class Repository:
    """A local folder or a Hub repository.

    Args:
        name: the folder's path or the repository's id.
        options: options for the Hub, see `HUB_OPTIONS`.
    """

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, name: str | os.PathLike[str], options: Mapping[str, Any]) -> "Repository":
        """Create a repository, keeping only the options for the Hub."""
        return cls(str(name), {key: options[key] for key in HUB_OPTIONS if options.get(key) is not None})

    @property
    def is_folder(self) -> bool:
        """Whether it is a local folder."""
        return os.path.isdir(self.name)

    @property
    def location(self) -> str:
        """The folder that the files are in, or the id of a repository on the Hub."""
        subfolder = self.options.get("subfolder")
        return os.path.join(self.name, subfolder) if subfolder and self.is_folder else self.name

    def within(self, subfolder: str) -> "Repository":
        """A subfolder of it, as a repository."""
        inside = os.path.join(self.options.get("subfolder") or "", subfolder)
        return replace(self, options={**self.options, "subfolder": inside})

    def path(self, file: str) -> str:
        """The path of a file, for messages."""
        return os.path.join(self.name, self.options.get("subfolder") or "", file)

    def find(self, file: str) -> Path | None:
        """Return the local path of a file, downloading it if necessary; None if the repository does not have it.

        Raises:
            OSError: the name belongs to something other than a file, or the Hub cannot be reached.
        """
        if not self.is_folder:
            found = cached_file(self.name, file, _raise_exceptions_for_missing_entries=False, **self.options)
            return None if found is None else Path(found)
        path = Path(self.path(file))
        if not os.path.lexists(path):
            return None
        check_file(path)
        return path

    def json(self, file: str) -> dict[str, Any] | None:
        """Read a JSON file; None if the repository does not have it.

        Raises:
            OSError, ValueError: as `find` and `read_json`.
        """
        path = self.find(file)
        return None if path is None else read_json(path)


__all__ = ["HUB_OPTIONS", "Repository"]
