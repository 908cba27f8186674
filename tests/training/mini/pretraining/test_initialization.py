"""Initial weights of the embedded language model: marks of a voice begin in order."""

import torch

from dia.training.mini.pretraining.initialization import first_model
from tests.training.mini.pretraining.tiny_training import tiny_config

DIMENSIONS, LEVELS = 3, 5


def test_levels_of_a_dimension_are_in_order_in_a_new_model(tmp_path):
    first_model(tiny_config(), None, 0).save_pretrained(tmp_path)
    wanted = tiny_config()
    wanted.encoder_config.vocab_size += DIMENSIONS * LEVELS
    for start in (None, tmp_path):
        table = first_model(wanted, start, 1, (DIMENSIONS, LEVELS)).model.encoder.embedding.weight.detach()
        others, rows = table[: -DIMENSIONS * LEVELS], table[-DIMENSIONS * LEVELS :].unflatten(0, (DIMENSIONS, LEVELS))
        steps = rows.diff(dim=1)
        torch.testing.assert_close(steps, steps[:, :1].expand_as(steps))
        assert (steps[0] - steps[1]).norm() > 0.1
        torch.testing.assert_close(rows.std(), others.std())


def test_learned_marks_are_not_put_in_order_again(tmp_path):
    wanted = tiny_config()
    wanted.encoder_config.vocab_size += DIMENSIONS * LEVELS
    model = first_model(wanted, None, 0)
    model.save_pretrained(tmp_path)
    started = first_model(wanted, tmp_path, 1, (DIMENSIONS, LEVELS))
    assert torch.equal(started.model.encoder.embedding.weight, model.model.encoder.embedding.weight)
