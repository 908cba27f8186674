"""The user's data and cache folders, from platformdirs."""

from collections.abc import Callable
from pathlib import Path

from platformdirs import user_cache_path, user_data_path


def data_folder() -> Path | None:
    """The folder for the user's data of this package; None if the user has no home directory."""
    return _found(user_data_path)


def cache_folder() -> Path | None:
    """The folder for caches of this package; None if the user has no home directory."""
    return _found(user_cache_path)


def _found(find: Callable[..., Path]) -> Path | None:
    try:
        folder = find("dia", appauthor=False)
    except RuntimeError:  # older versions of platformdirs return a relative path instead
        return None
    return folder if folder.is_absolute() else None


__all__ = ["cache_folder", "data_folder"]
