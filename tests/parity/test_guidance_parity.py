"""Our LogitsProcessors against those of transformers for Dia, on random logits."""

import pytest
import torch
from transformers.generation.logits_process import (
    DiaClassifierFreeGuidanceLogitsProcessor,
    DiaEOSChannelFilterLogitsProcessor,
    DiaEOSDelayPatternLogitsProcessor,
)

from dia.decoding.guidance import (
    DiaDelayedEndLogitsProcessor,
    DiaEndOfSpeechLogitsProcessor,
    DiaGuidanceLogitsProcessor,
)

BATCH, CHANNELS, VOCABULARY, EOS, PAD = 4, 3, 12, 8, 9
PATTERN = [0, 2, 3]


@pytest.fixture
def noise():
    return torch.Generator().manual_seed(0)


@pytest.mark.parametrize("top_k", [None, 1, 5, VOCABULARY])
@pytest.mark.parametrize("scale", [1.5, 3.0])
def test_guidance(noise, scale, top_k):
    scores = torch.randn(2 * BATCH * CHANNELS, VOCABULARY, generator=noise)
    ids = torch.zeros(BATCH * CHANNELS, 1)
    ours = DiaGuidanceLogitsProcessor(scale, top_k)(ids, scores.clone())
    theirs = DiaClassifierFreeGuidanceLogitsProcessor(scale, top_k)(ids, scores.clone())
    assert torch.equal(ours, theirs)


def test_end_of_speech(noise):
    for _ in range(20):
        scores = torch.randn(BATCH * CHANNELS, VOCABULARY, generator=noise)
        ids = torch.zeros(BATCH * CHANNELS, 1)
        ours = DiaEndOfSpeechLogitsProcessor(CHANNELS, EOS)(ids, scores.clone())
        theirs = DiaEOSChannelFilterLogitsProcessor(CHANNELS, EOS)(ids, scores.clone())
        assert torch.equal(ours, theirs)


def test_delayed_end_over_a_whole_generation(noise):
    max_rows = 24
    ours = DiaDelayedEndLogitsProcessor(PATTERN, EOS, max_rows)
    theirs = DiaEOSDelayPatternLogitsProcessor(PATTERN, EOS, max_rows)
    ids = torch.zeros(BATCH * CHANNELS, 1, dtype=torch.long)
    ended = torch.zeros(BATCH * CHANNELS, dtype=torch.bool)
    while ids.shape[1] < max_rows:
        scores = torch.randn(BATCH * CHANNELS, VOCABULARY, generator=noise)
        scores.view(BATCH, CHANNELS, VOCABULARY)[:, 1:, EOS] = -9  # only channel 0 ends on its own
        drawn, expected = (rule(ids, scores.clone()).argmax(-1) for rule in (ours, theirs))
        assert drawn[~ended].tolist() == expected[~ended].tolist()
        drawn = drawn.masked_fill(ended, PAD)
        ids, ended = torch.cat([ids, drawn[:, None]], dim=1), ended | (drawn == EOS)
    assert ended.all()
