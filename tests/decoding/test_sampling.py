"""Ids are drawn from the distribution, the end is detected, and the published settings have the expected values."""

import pytest
import torch
from tiny import BOS, EOS, PAD

from dia.decoding.sampling import EndFlag, published_generation_config, token_chooser

NO = float("-inf")


def test_greedy_search_takes_the_best_id():
    assert token_chooser(None)(torch.tensor([[0.0, 2.0, 1.0], [NO, NO, -5.0]]), 0).tolist() == [1, 2]


def test_ids_are_drawn_with_their_probabilities():
    likely = torch.tensor([0.5, 0.3, 0.2, 0.0])
    draw, scores = token_chooser(torch.tensor([7])), likely.log().expand(20, -1)
    draws = torch.cat([draw(scores, row) for row in range(1000)])
    torch.testing.assert_close(draws.bincount(minlength=4) / 20_000, likely, atol=0.015, rtol=0)
    assert 3 not in draws


def test_a_clip_draws_the_same_alone_and_beside_others():
    scores = torch.randn(2 * 3, 50, generator=torch.Generator().manual_seed(0))  # two clips of three channels
    keys = torch.tensor([11, 12])
    both = token_chooser(keys)(scores, 5)
    assert both.tolist() == [
        *token_chooser(keys[:1])(scores[:3], 5).tolist(),
        *token_chooser(keys[1:])(scores[3:], 5).tolist(),
    ]


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
