"""Loggers that follow the verbosity of transformers (`transformers.logging.set_verbosity_info()`)."""

from typing import Any

from transformers.utils import logging


def get_logger(name: str) -> Any:
    """The logger of a module of this package, below transformers' own: its level and its handlers apply.

    Beside the methods of `logging.Logger` it has `warning_once` and `info_once`. Pass them one formatted string: they
    keep their arguments for good.
    """
    return logging.get_logger(f"transformers.{name}")


__all__ = ["get_logger"]
