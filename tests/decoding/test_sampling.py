"""Ids are drawn from the distribution, the end is detected, and the published settings have the expected values."""

import pytest
import torch
from tiny import BOS, EOS, PAD

from dia.decoding.sampling import EndFlag, published_generation_config, token_chooser

NO = float("-inf")


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_greedy_search_takes_the_best_id():
    assert token_chooser(False, None, 1)(torch.tensor([[0.0, 2.0, 1.0], [NO, NO, -5.0]])).tolist() == [1, 2]


def test_a_draw_equals_multinomial_with_the_same_seed():
    scores = torch.randn(6, 50, generator=seeded(0)).index_fill(1, torch.tensor([3, 4]), NO)
    expected = torch.multinomial(scores.softmax(-1), 1, generator=seeded(7))[:, 0]
    assert token_chooser(True, seeded(7), 2)(scores).tolist() == expected.tolist()
    torch.manual_seed(7)
    assert token_chooser(True, None, 2)(scores).tolist() == expected.tolist()


def test_ids_are_drawn_with_their_probabilities():
    likely = torch.tensor([0.5, 0.3, 0.2, 0.0])
    draws = token_chooser(True, seeded(0), 1)(likely.log().expand(20_000, -1))
    torch.testing.assert_close(draws.bincount(minlength=4) / 20_000, likely, atol=0.02, rtol=0)
    assert 3 not in draws


def test_each_clip_draws_from_its_own_generator():
    scores = torch.randn(2 * 3, 50, generator=seeded(0))  # two clips of three channels
    both = token_chooser(True, [seeded(1), seeded(2)], 2)(scores)
    assert both.tolist() == [
        *token_chooser(True, seeded(1), 1)(scores[:3]).tolist(),
        *token_chooser(True, seeded(2), 1)(scores[3:]).tolist(),
    ]


@pytest.mark.parametrize("generator", [[torch.Generator()] * 3, [1, 2], []])
def test_generators_of_the_wrong_type_or_number_are_refused(generator):
    with pytest.raises(ValueError, match=r"`generator` must be a .* or a list of 2"):
        token_chooser(True, generator, 2)


def test_generation_ends_when_every_channel_has_ended():
    flag = EndFlag(torch.device("cpu"))
    assert not flag(torch.tensor([True, False]))
    assert flag(torch.tensor([True, True]))


def test_on_a_slow_device_the_end_flag_is_always_one_call_late(monkeypatch):
    class Waited:
        def synchronize(self):
            pass

    monkeypatch.setattr(EndFlag, "_start_copy", lambda self, ended: (Waited(), ended.all()))
    flag = EndFlag(torch.device("cuda"))
    assert [flag(torch.tensor([True, end])) for end in (False, True, True)] == [False, False, True]


@pytest.mark.gpu
def test_on_a_gpu_the_end_flag_is_late_and_does_not_wait():
    flag = EndFlag(torch.device("cuda"))
    ended = torch.tensor([True, True], device="cuda")
    torch.cuda.set_sync_debug_mode("error")
    try:
        flag(ended)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    torch.cuda.synchronize()
    assert flag(ended)


def test_the_published_settings(config):
    settings = published_generation_config(config)
    assert (settings.temperature, settings.top_p, settings.top_k, settings.guidance_scale) == (1.2, 0.95, 45, 3.0)
    assert (settings.max_length, settings.do_sample) == (3072, True)
    assert (settings.bos_token_id, settings.eos_token_id, settings.pad_token_id) == (BOS, EOS, PAD)
    assert settings.decoder_start_token_id == BOS
