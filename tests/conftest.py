"""What all tests share: one thread, so that figures and sums repeat, and the tiny model."""

import pytest
import torch
from tiny import tiny_config, tiny_model

torch.set_num_threads(1)


@pytest.fixture
def config():
    return tiny_config()


@pytest.fixture(scope="session")
def model():
    """Shared by the session: use it, never change it."""
    return tiny_model()
