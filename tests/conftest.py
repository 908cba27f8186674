"""What all tests share: one thread, so that figures and sums repeat, and the tiny model."""

import signal

import pytest
import torch
from tiny import tiny_config, tiny_model

torch.set_num_threads(1)
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in the background of a shell; children would inherit that
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def config():
    return tiny_config()


@pytest.fixture(scope="session")
def model():
    """Shared by the session: use it, never change it."""
    return tiny_model()
