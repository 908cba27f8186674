"""What all tests share: one thread, so that figures repeat, an environment that is restored, and the tiny model."""

import os
import signal

import pytest
import torch
from tiny import tiny_config, tiny_model

torch.set_num_threads(1)
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in the background of a shell; children would inherit that
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _environment():
    """Variables that a command or a test has set are not seen by the next test."""
    before = dict(os.environ)
    yield
    for name in os.environ.keys() - before.keys():
        del os.environ[name]
    os.environ.update({name: value for name, value in before.items() if os.environ.get(name) != value})


@pytest.fixture
def config():
    return tiny_config()


@pytest.fixture(scope="session")
def model():
    """Shared by the session: use it, never change it."""
    return tiny_model()
