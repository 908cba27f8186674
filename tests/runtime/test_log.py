"""Loggers follow the verbosity of transformers."""

import logging

import pytest
import transformers

from dia.runtime.log import get_logger


@pytest.mark.parametrize(("verbosity", "heard"), [(logging.INFO, True), (logging.WARNING, False)])
def test_verbosity_of_transformers_applies(verbosity, heard):
    before = transformers.logging.get_verbosity()
    try:
        transformers.logging.set_verbosity(verbosity)
        assert get_logger("dia.somewhere").isEnabledFor(logging.INFO) is heard
    finally:
        transformers.logging.set_verbosity(before)


def test_warning_once_logs_once(monkeypatch):
    logger, lines = get_logger("dia.somewhere.else"), []
    monkeypatch.setattr(logger, "info", lines.append)
    for _ in range(3):
        logger.info_once("this loop runs")
    assert lines == ["this loop runs"]
