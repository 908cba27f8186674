"""Loggers that follow the verbosity of transformers (`transformers.logging.set_verbosity_info()`)."""

from typing import Any

from transformers.utils import logging


def get_logger(name: str) -> Any:
    """The logger of a module of this package: a child of transformers' logger, with its level and handlers.

    It has `warning_once` and `info_once` besides the methods of `logging.Logger`. Pass them one formatted string,
    because they cache their arguments forever.
    """
    return logging.get_logger(f"transformers.{name}")


__all__ = ["get_logger"]
