"""The reference: transformers' Dia with the weights of ours. Only tests in this folder may import it."""

import pytest
from transformers.models.dia import configuration_dia, modeling_dia


def _stock_twin(model):
    config = configuration_dia.DiaConfig(**model.config.to_dict())
    twin = modeling_dia.DiaForConditionalGeneration._from_config(
        config, dtype=model.dtype, attn_implementation=model.config._attn_implementation
    )
    twin.load_state_dict(model.state_dict())
    return twin.train(model.training)


@pytest.fixture(scope="session")
def stock_twin():
    """A function: our model → the stock model with the same config, weights, dtype and attention."""
    return _stock_twin


@pytest.fixture(scope="session")
def stock(model):
    """The twin of the shared tiny model."""
    return _stock_twin(model)
