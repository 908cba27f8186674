"""A checkpoint's folder or its repository on the Hub: finding the files in it and reading the small ones.

Knows where files lie. Knows nothing of what is in them.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from transformers.utils import cached_file

from dia.runtime.reading import check_file, read_json

HUB_OPTIONS = ("cache_dir", "force_download", "proxies", "token", "local_files_only", "revision", "subfolder")


@dataclass(frozen=True)
class Repository:
    """A folder, or a repository of the Hub.

    Args:
        name: the folder's path, or a Hub id.
        options: of the Hub, see `HUB_OPTIONS`.
    """

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, name: str | os.PathLike[str], options: Mapping[str, Any]) -> "Repository":
        """The options that concern the Hub are picked from all that are given."""
        return cls(str(name), {key: options[key] for key in HUB_OPTIONS if options.get(key) is not None})

    @property
    def is_folder(self) -> bool:
        """Whether it is on this machine's disk."""
        return os.path.isdir(self.name)

    def within(self, subfolder: str) -> "Repository":
        """A folder in it, as a repository of its own."""
        inside = os.path.join(self.options.get("subfolder") or "", subfolder)
        return replace(self, options={**self.options, "subfolder": inside})

    def path(self, file: str) -> str:
        """How messages call a file of it."""
        return os.path.join(self.name, self.options.get("subfolder") or "", file)

    def find(self, file: str) -> Path | None:
        """A file of it; None if it has none of that name.

        Raises:
            OSError: what has the name is no file, or the Hub cannot be asked.
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
        """What a JSON file of it holds; None if it has none of that name.

        Raises:
            OSError, ValueError: as `find` and `read_json`.
        """
        path = self.find(file)
        return None if path is None else read_json(path)


__all__ = ["HUB_OPTIONS", "Repository"]
