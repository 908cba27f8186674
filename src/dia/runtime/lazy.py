"""Lazy imports of a package's public names, so that importing the package is fast."""

import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any


def lazy_names(
    package: str, homes: Mapping[str, Sequence[str]]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """`__getattr__` and `__dir__` for a package that re-exports names of its modules.

    Args:
        package: the package's `__name__`.
        homes: for each of its modules, the names to re-export.
    """
    home = {name: module for module, names in homes.items() for name in names}

    def get(name: str) -> Any:
        if name not in home:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module, here = import_module(f"{package}.{home[name]}"), vars(sys.modules[package])
        here.update({each: getattr(module, each) for each in homes[home[name]]})
        return here[name]

    def listed() -> list[str]:
        return sorted({*vars(sys.modules[package]), *home})

    return get, listed


__all__ = ["lazy_names"]
