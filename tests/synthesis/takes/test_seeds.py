"""Derived seeds stay within the range of torch generators."""

import pytest
import torch
from tiny_speech import tiny_speech

from dia.synthesis.parts.long_form import speak_long
from dia.synthesis.takes import analysis
from dia.synthesis.takes.generation import make_take
from dia.synthesis.takes.seeds import checked_seed, later_seed
from dia.synthesis.takes.take import Line, TakeOptions
from dia.text.script import parse

LAST = 2**64 - 1


@pytest.mark.parametrize(
    ("seed", "steps", "later"),
    [
        (7, 0, 7),
        (7, 1000, 1007),
        (LAST, 0, LAST),
        (LAST, 1, 0),
        (LAST, 1000, 999),
        (-1, 1, 0),
        (-(2**63), 1, 1 - 2**63),
    ],
)
def test_seeds_wrap_around(seed, steps, later):
    assert later_seed(seed, steps) == later
    checked_seed(later)


def test_a_generator_treats_a_negative_seed_as_its_unsigned_equivalent():
    """So incrementing -1 to 0 wraps around from the last seed to the first."""
    one, other = torch.Generator().manual_seed(-1), torch.Generator().manual_seed(LAST)
    assert torch.equal(torch.rand(3, generator=one), torch.rand(3, generator=other))


@pytest.mark.parametrize(
    ("seed", "error"), [(2**64, ValueError), (-(2**63) - 1, ValueError), (1.0, TypeError), (True, TypeError)]
)
def test_seeds_that_no_generator_accepts_are_rejected(seed, error):
    with pytest.raises(error, match="seed"):
        checked_seed(seed)
    with pytest.raises(error, match="seed"):
        make_take(tiny_speech(), Line("[S1] Hi."), seed)


def test_retries_and_parts_wrap_around_after_the_last_seed(monkeypatch):
    monkeypatch.setattr(analysis, "faults", lambda check_input: ("babbles",))
    take = make_take(tiny_speech(), Line("[S1] Hi."), LAST, take_options=TakeOptions(retries=1, best_of=2))
    assert [attempt.seed for attempt in take.attempts] == [LAST, 0, 1, 2]
    script = parse("[S1] These are words. [pause:300ms] These are words.")
    assert [piece.take.seed for piece in speak_long(tiny_speech(), script, seed=LAST)] == [LAST, 999]
