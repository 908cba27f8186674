"""Each LogitsProcessor on its own, with numbers small enough to check by hand."""

import pytest
import torch
from torch import Tensor
from transformers import LogitsProcessorList

from dia.decoding.guidance import (
    DiaDelayedEndLogitsProcessor,
    DiaEndOfSpeechLogitsProcessor,
    DiaGuidanceLogitsProcessor,
    check_rules,
)

NO = float("-inf")
EOS = 3  # ids 0, 1, 2 are codes; 4 and 5 are other special ids


def rows(count: int, length: int = 1) -> Tensor:
    return torch.zeros(count, length, dtype=torch.long)


# Guidance


def test_guidance_moves_away_from_the_unconditional_logits():
    scores = torch.tensor([[1.0, 2.0, 0.0], [3.0, 1.0, 0.0]])  # conditional, unconditional
    assert DiaGuidanceLogitsProcessor(2.0)(rows(1), scores).tolist() == [[-3.0, 4.0, 0.0]]


def test_guided_logits_only_choose_candidates():
    scores = torch.tensor([[1.0, 2.0, 0.0], [3.0, 1.0, 0.0]])
    assert DiaGuidanceLogitsProcessor(2.0, top_k=2)(rows(1), scores).tolist() == [[NO, 2.0, 0.0]]


def test_guidance_merges_each_clip_with_its_own_half():
    conditional, unconditional = torch.tensor([[1.0, 0.0], [5.0, 0.0]]), torch.tensor([[0.0, 0.0], [4.0, 1.0]])
    merged = DiaGuidanceLogitsProcessor(1.0)(rows(2), torch.cat([conditional, unconditional]))
    assert merged.tolist() == [[2.0, 0.0], [6.0, -1.0]]


def test_scale_zero_leaves_the_conditional_logits():
    scores = torch.tensor([[1.0, 2.0, 0.0], [3.0, 1.0, 0.0]])
    assert DiaGuidanceLogitsProcessor(0.0)(rows(1), scores).tolist() == [[1.0, 2.0, 0.0]]
    assert DiaGuidanceLogitsProcessor(0.0, top_k=1)(rows(1), scores).tolist() == [[NO, 2.0, NO]]


def test_more_candidates_than_ids_keep_all_ids():
    scores = torch.tensor([[1.0, 2.0], [3.0, 1.0]])
    assert DiaGuidanceLogitsProcessor(2.0, top_k=50)(rows(1), scores).tolist() == [[1.0, 2.0]]


@pytest.mark.parametrize("scale", [-0.5, float("nan"), float("inf")])
def test_an_invalid_scale_is_refused(scale):
    with pytest.raises(ValueError, match="guidance_scale"):
        DiaGuidanceLogitsProcessor(scale)


def test_no_candidates_are_refused():
    with pytest.raises(ValueError, match="top_k=0"):
        DiaGuidanceLogitsProcessor(2.0, top_k=0)


def test_scores_without_an_unconditional_half_are_refused():
    with pytest.raises(ValueError, match="twice as many"):
        DiaGuidanceLogitsProcessor(2.0)(rows(2), torch.zeros(2, 4))


# End of speech


def end_of_speech(scores: list[list[float]], channels: int = 2) -> list[list[float]]:
    return DiaEndOfSpeechLogitsProcessor(channels, EOS)(rows(len(scores)), torch.tensor(scores)).tolist()


def test_only_codes_may_be_drawn_while_eos_is_not_the_best():
    kept = end_of_speech([[0.1, 0.5, 0.2, 0.4, 0.9, 0.9], [0.1, 0.5, 0.2, 0.9, 0.9, 0.9]])
    for row, codes in zip(kept, ([0.1, 0.5, 0.2], [0.1, 0.5, 0.2]), strict=True):
        assert row[:EOS] == pytest.approx(codes)
        assert row[EOS:] == [NO, NO, NO]


def test_the_best_eos_of_channel_0_is_the_only_candidate():
    ended, other = end_of_speech([[0.1, 0.2, 0.3, 0.4, 0.9, 0.9], [0.1, 0.2, 0.3, 0.4, 0.9, 0.9]])
    assert ended == [NO, NO, NO, pytest.approx(0.4), NO, NO]
    assert other == [pytest.approx(0.1), pytest.approx(0.2), pytest.approx(0.3), NO, NO, NO]


def test_special_ids_above_eos_do_not_hide_that_eos_is_best():
    assert end_of_speech([[0.0, 0.0, 0.0, 1.0, 7.0, 8.0]], channels=1) == [[NO, NO, NO, 1.0, NO, NO]]


def test_clips_of_a_batch_end_independently():
    best, not_best = [0.0, 0.0, 0.0, 1.0, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0, 0.0, 0.0]
    kept = end_of_speech([best, not_best, not_best, not_best])
    assert [row[EOS] for row in kept] == [1.0, NO, NO, NO]


def test_scores_are_not_changed_in_place():
    scores = torch.rand(2, 6)
    before = scores.clone()
    DiaEndOfSpeechLogitsProcessor(2, EOS)(rows(2), scores)
    assert torch.equal(scores, before)


@pytest.mark.parametrize(("channels", "eos"), [(0, 3), (2, 0)])
def test_no_channels_or_no_codes_are_refused(channels, eos):
    with pytest.raises(ValueError, match="must be 1 or more"):
        DiaEndOfSpeechLogitsProcessor(channels, eos)


# Delayed end

PATTERN = [0, 2, 3]


def forced(leader: list[int], best: int = 0, max_rows: int = 100) -> list[bool]:
    """The channels that must end in a row where `best` is the best id, after rows with `leader` on channel 0."""
    ids = torch.zeros(3, len(leader), dtype=torch.long)
    ids[0] = torch.tensor(leader)
    scores = torch.zeros(3, 5)
    scores[:, best] = 1.0
    kept = DiaDelayedEndLogitsProcessor(PATTERN, EOS, max_rows)(ids, scores)
    ends = [row == [NO, NO, NO, 0.0, NO] for row in kept.tolist()]
    untouched = [row == scores[0].tolist() for row in kept.tolist()]
    assert [not end for end in ends] == untouched
    return ends


def test_nothing_is_forced_before_channel_0_ends():
    assert forced([1, 1, 1, 1]) == [False, False, False]


def test_channels_end_their_delay_after_channel_0():
    assert forced([1, 1], best=EOS) == [True, False, False]
    assert forced([1, 1, EOS]) == [False, False, False]
    assert forced([1, 1, EOS, 9]) == [False, True, False]
    assert forced([1, 1, EOS, 9, 9]) == [False, False, True]
    assert forced([1, 1, EOS, 9, 9, 9]) == [False, False, False]


def test_a_channel_that_has_not_begun_is_not_forced():
    assert forced([EOS]) == [False, False, False]


def test_channels_without_delay_end_with_channel_0():
    scores = torch.zeros(2, 5).index_fill(1, torch.tensor(EOS), 1.0)
    kept = DiaDelayedEndLogitsProcessor([0, 0], EOS, 100)(rows(2), scores)
    assert kept.tolist() == [[NO, NO, NO, 0.0, NO]] * 2


def test_at_the_limit_channel_0_ends_early_enough_for_the_last_channel():
    # 10 rows: EOS of channel 0 in row 6, of channel 2 in row 9, the last one.
    assert forced([1] * 5, max_rows=10)[0] is False
    assert forced([1] * 6, max_rows=10)[0] is True


def test_past_the_limit_channel_0_still_ends():
    assert forced([1] * 9, max_rows=10)[0] is True


@pytest.mark.parametrize("pattern", [[], [0, -1]])
def test_an_invalid_pattern_is_refused(pattern):
    with pytest.raises(ValueError, match="delay_pattern"):
        DiaDelayedEndLogitsProcessor(pattern, EOS, 100)


def test_a_rule_can_be_used_for_several_calls():
    rule = DiaDelayedEndLogitsProcessor(PATTERN, EOS, 100)
    ended, speaking = torch.tensor([[EOS, 9], [1, 1], [1, 1]]), rows(3, 2)
    scores = torch.zeros(3, 5)
    first = rule(ended, scores)
    assert torch.equal(rule(speaking, scores), scores)
    assert torch.equal(rule(ended, scores), first)


def test_a_channel_ends_once_even_if_generation_continues():
    rule, ids = DiaDelayedEndLogitsProcessor(PATTERN, EOS, 9), torch.ones(len(PATTERN), 1, dtype=torch.long)
    for _ in range(1, 9):  # with another `eos_token_id`, generation continues
        scores = torch.zeros(len(PATTERN), EOS + 3)
        scores[:, 1] = 1.0
        drawn = rule(ids, scores).argmax(-1)
        ids = torch.cat([ids, drawn[:, None]], dim=1)
    ends = [(channel == EOS).nonzero().flatten().tolist() for channel in ids]
    assert ends == [[9 - max(PATTERN) - 1 + delay] for delay in PATTERN]


def test_callers_rules_are_a_list_without_guidance():
    ours, theirs = DiaEndOfSpeechLogitsProcessor(3, 8), LogitsProcessorList([DiaGuidanceLogitsProcessor(3.0)])
    assert check_rules(None) == []
    assert check_rules([ours]) == [ours]
    with pytest.raises(ValueError, match="`logits_processor` contains DiaGuidanceLogitsProcessor"):
        check_rules(theirs)
