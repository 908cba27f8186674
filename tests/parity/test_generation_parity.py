"""With the same weights, text, prompt and noise, our loop generates the same codes as transformers' Dia.

test_generation.py has the cases in which the stock loop has a fault and ours differs on purpose.
"""

import pytest
import torch
from tiny import BATCH, BOS, CHANNELS, EOS, INPUTS, ONE, PAD, PROMPTED, prompts, texts, tiny_config, tiny_model
from transformers import (
    GenerationConfig,
    LogitsProcessor,
    LogitsProcessorList,
    MaxLengthCriteria,
    StoppingCriteriaList,
)
from transformers.generation.stopping_criteria import StoppingCriteria

from dia.decoding.cache import CACHE, cache_in
from dia.decoding.noise import clip_keys, exponential

SETTINGS = {
    "greedy": {},
    "greedy, guided": {"guidance_scale": 3.0},
    "greedy, guided, few candidates": {"guidance_scale": 3.0, "top_k": 5},
    "sampled": {"do_sample": True},
    "sampled, guided": {"do_sample": True, "guidance_scale": 3.0, "temperature": 1.2, "top_k": 45, "top_p": 0.95},
    "sampled, hot": {"do_sample": True, "temperature": 1.8, "top_k": 20, "top_p": 0.9},
    "sampled, static cache": {"do_sample": True, "guidance_scale": 2.0, "cache_implementation": "static"},
    "repetition penalty": {"repetition_penalty": 1.5},
    "no repeats, least probability": {"do_sample": True, "no_repeat_ngram_size": 2, "min_p": 0.05},
}


class CounterNoise:
    """Stands in for `torch.multinomial`: the stock loop draws with the noise that ours computes for the same seed."""

    def __init__(self):
        self.keys, self.row = None, 0

    def __call__(self, likely, num_samples):
        if self.keys is None:
            self.keys = clip_keys(None, len(likely) // CHANNELS)
        clips = likely.unflatten(0, (-1, CHANNELS))
        ids = torch.arange(clips.shape[-1]).expand_as(clips)
        noise = exponential(self.keys, self.row, ids, clips.shape[-1])
        self.row += 1
        return (clips / noise).argmax(-1).flatten()[:, None]


def generate(model, inputs, seed=3, **settings):
    torch.manual_seed(seed)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(torch, "multinomial", CounterNoise())
        return _generate(model, inputs, **settings)


def _generate(model, inputs, **settings):
    return model.generate(**{name: tensor.clone() for name, tensor in inputs.items()}, **settings)


def assert_same_codes(model, stock, inputs, **settings):
    ours, theirs = (generate(m, inputs, **settings) for m in (model, stock))
    assert ours.dtype == theirs.dtype
    assert ours.tolist() == theirs.tolist()
    return ours


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
@pytest.mark.parametrize("inputs", INPUTS.values(), ids=INPUTS)
def test_codes_are_the_same(model, stock, inputs, settings):
    assert_same_codes(model, stock, inputs, max_new_tokens=16, **settings)


@pytest.mark.parametrize("guidance", [None, 3.0])
def test_clips_that_end_on_their_own_end_at_the_same_rows(stock_twin, guidance):
    ending_model = tiny_model()
    ending_model.logits_dense.weight.data[EOS] *= 2.5  # so that channel 0 ends sometimes
    grid = assert_same_codes(ending_model, stock_twin(ending_model), BATCH, max_new_tokens=50, guidance_scale=guidance)
    ends = [(row[:, 0] == EOS).nonzero().flatten().tolist() for row in grid]
    assert all(len(end) == 1 for end in ends)
    assert len({end[0] for end in ends}) > 1, "the test needs clips that end at different rows"
    assert min(ends)[0] < grid.shape[1] - 1 - max(tiny_config().delay_pattern)


def test_min_new_tokens_delays_the_end(stock_twin):
    eager = tiny_model()
    eager.logits_dense.weight.data[EOS] *= 5
    theirs = stock_twin(eager)
    free = assert_same_codes(eager, theirs, ONE, max_new_tokens=30)
    held = assert_same_codes(eager, theirs, ONE, max_new_tokens=30, min_new_tokens=20)
    assert (free[0, :, 0] == EOS).nonzero() < (held[0, :, 0] == EOS).nonzero()


@pytest.mark.parametrize("lengths", [{"max_new_tokens": 7}, {"max_length": 12}, {"max_length": 12, "min_length": 9}])
@pytest.mark.parametrize("inputs", INPUTS.values(), ids=INPUTS)
def test_lengths_mean_the_same(model, stock, inputs, lengths):
    assert_same_codes(model, stock, inputs, **lengths)


def test_sixty_new_tokens_are_44_frames_with_the_published_delays(stock_twin):
    published = [0, 8, 9, 10, 11, 12, 13, 14, 15]
    decoder = {**tiny_config().decoder_config.to_dict(), "num_channels": 9}
    model = tiny_model(tiny_config(decoder_config=decoder, delay_pattern=published))
    model.logits_dense.weight.data[EOS] = 0  # never ends on its own
    inputs = {**texts(9), **prompts(0, config=model.config)}
    grid = assert_same_codes(model, stock_twin(model), inputs, max_new_tokens=60)
    end = int((grid[0, :, 0] == EOS).nonzero())
    assert (grid.shape[1], end - 1) == (61, 44)  # row 0 is BOS


@pytest.mark.parametrize("guidance", [None, 3.0])
def test_everything_recorded_is_the_same(stock_twin, guidance):
    ours = tiny_model()
    ours.set_attn_implementation("eager")
    wanted = ("output_scores", "output_logits", "output_attentions", "output_hidden_states", "return_dict_in_generate")
    settings = {"guidance_scale": guidance, "max_new_tokens": 7, **dict.fromkeys(wanted, True)}
    a, b = (generate(m, PROMPTED, **settings) for m in (ours, stock_twin(ours)))
    assert a.sequences.tolist() == b.sequences.tolist()
    assert type(a) is type(b)
    assert a.keys() == b.keys()
    drawn = (
        a.sequences[:, -7:].permute(1, 0, 2).flatten(1) != PAD
    )  # [7, B · C]; ids that cannot be drawn are not compared
    for row, live in enumerate(drawn):
        torch.testing.assert_close(a.scores[row][live], b.scores[row][live], atol=1e-4, rtol=1e-4)
    for ours_now, theirs_now in zip(
        a.logits, b.logits, strict=True
    ):  # stock applies its rules to the raw logits in place
        kept = theirs_now.isfinite()
        torch.testing.assert_close(ours_now[kept], theirs_now[kept], atol=1e-4, rtol=1e-4)
    for field in set(a.keys()) - {"sequences", CACHE, "scores", "logits"}:
        torch.testing.assert_close(a[field], b[field], atol=1e-4, rtol=1e-4, msg=lambda m, f=field: f"{f}: {m}")
    assert cache_in(a).get_seq_length() == cache_in(b).get_seq_length()


@pytest.mark.parametrize("guidance", [None, 3.0])
def test_without_a_cache(model, stock, guidance):
    cached = assert_same_codes(model, stock, PROMPTED, max_new_tokens=9, guidance_scale=guidance)
    assert (
        cached.tolist()
        == assert_same_codes(
            model, stock, PROMPTED, max_new_tokens=9, guidance_scale=guidance, use_cache=False
        ).tolist()
    )


class NineRows(StoppingCriteria):
    def __call__(self, input_ids, scores, **kwargs):
        return torch.full((input_ids.shape[0],), input_ids.shape[1] >= 9, device=input_ids.device)


@pytest.mark.parametrize("criterion", [NineRows(), MaxLengthCriteria(9)])
def test_stopping_criteria_stop_at_the_same_row(model, stock, criterion):
    grid = assert_same_codes(
        model, stock, BATCH, max_new_tokens=30, stopping_criteria=StoppingCriteriaList([criterion])
    )
    assert grid.shape[1] == 9


def test_a_generation_config_object_equals_keywords(model, stock):
    settings = {"max_new_tokens": 9, "do_sample": True, "top_k": 9, "guidance_scale": 3.0}
    expected = assert_same_codes(model, stock, BATCH, **settings)
    assert (
        expected.tolist()
        == assert_same_codes(model, stock, BATCH, generation_config=GenerationConfig(**settings)).tolist()
    )


def test_text_can_be_the_first_positional_argument(model, stock):
    text = {**ONE}
    ids = text.pop("input_ids")
    ours, theirs = (m.generate(ids, **text, max_new_tokens=9) for m in (model, stock))
    assert ours.tolist() == theirs.tolist()


def test_an_attention_mask_of_ones_can_be_omitted(model, stock):
    text = {name: tensor for name, tensor in ONE.items() if name != "attention_mask"}
    grid = assert_same_codes(model, stock, text, max_new_tokens=9, guidance_scale=3.0)
    assert grid.tolist() == generate(model, ONE, max_new_tokens=9, guidance_scale=3.0).tolist()


class OnlyCode7(LogitsProcessor):
    def __call__(self, input_ids, scores):
        return torch.full_like(scores, float("-inf")).index_fill(1, torch.tensor(7), 0.0)


def test_user_rules_are_applied_though_stock_drops_them(model, stock):
    rules = LogitsProcessorList([OnlyCode7()])
    ours, theirs = (generate(m, ONE, max_new_tokens=9, logits_processor=rules) for m in (model, stock))
    drawn = ours[0, 1:, 0]
    assert set(drawn.tolist()) <= {7, EOS, PAD}
    assert 7 in drawn
    assert set(theirs[0, :, 0].tolist()) - {7, BOS, EOS, PAD}


def test_the_shape_is_the_stock_shape(model):
    assert generate(model, BATCH, max_new_tokens=9).shape == (3, 10, CHANNELS)


@pytest.mark.parametrize("rows", [1, 2, 3, 4, 5, 6])
@pytest.mark.parametrize("inputs", INPUTS.values(), ids=INPUTS)
def test_any_number_of_rows_can_be_written(model, stock, inputs, rows):
    for settings in ({}, {"do_sample": True, "guidance_scale": 3.0}, {"min_new_tokens": rows}):
        grid = assert_same_codes(model, stock, inputs, max_new_tokens=rows, **settings)
        assert grid.shape[1] == rows + (7 if inputs is PROMPTED else 1)


@pytest.fixture(scope="module")
def ending_model():
    """A model whose channel 0 ends sometimes."""
    model = tiny_model()
    model.logits_dense.weight.data[EOS] *= 2.5
    return model


@pytest.mark.parametrize("sample", [False, True], ids=["greedy", "sampled"])
@pytest.mark.parametrize("ids", [{"eos_token_id": -1}, {"eos_token_id": 68}, {"pad_token_id": 0}], ids=str)
@pytest.mark.parametrize("inputs", INPUTS.values(), ids=INPUTS)
def test_the_ids_that_stop_and_fill_a_channel_can_be_overridden(ending_model, stock_twin, inputs, ids, sample):
    assert_same_codes(ending_model, stock_twin(ending_model), inputs, max_new_tokens=30, do_sample=sample, **ids)


@pytest.mark.parametrize("ids", [5, [5, 6]], ids=str)
def test_a_code_can_stop_a_channel(model, stock, ids):
    grid = assert_same_codes(model, stock, BATCH, max_new_tokens=30, eos_token_id=ids)
    assert not torch.equal(grid, generate(model, BATCH, max_new_tokens=30))


SINGLE = {
    "forced_bos_token_id": 7,
    "suppress_tokens": [1, 2, 3],
    "begin_suppress_tokens": [1, 2, 3],
    "bad_words_ids": [[3], [4, 5]],
    "sequence_bias": [[[3], 5.0]],
    "exponential_decay_length_penalty": (3, 1.5),
    "renormalize_logits": True,
    "typical_p": 0.5,
    "epsilon_cutoff": 0.01,
    "eta_cutoff": 0.01,
    "top_h": 0.4,
    "watermarking_config": {"greenlist_ratio": 0.25, "bias": 2.0},
}


@pytest.mark.parametrize(("name", "value"), SINGLE.items(), ids=SINGLE)
def test_a_setting_means_the_same(model, stock, name, value):
    assert_same_codes(model, stock, PROMPTED, max_new_tokens=14, do_sample=True, **{name: value})


@pytest.mark.parametrize("guidance", [None, 3.0])
@pytest.mark.parametrize("step", [1, 3])
def test_positions_of_the_prompt_mean_the_same(model, stock, guidance, step):
    positions = (2 + step * torch.arange(7))[None].repeat(3, 1)
    settings = {"max_new_tokens": 12, "guidance_scale": guidance, "decoder_position_ids": positions}
    assert_same_codes(model, stock, PROMPTED, **settings)


@pytest.mark.parametrize("kind", [None, "static"])
def test_the_returned_cache_has_the_same_size(model, stock_twin, kind):
    stock = stock_twin(model)  # a new model, because stock stores the longest static cache on the model
    wanted = {"return_dict_in_generate": True, "cache_implementation": kind, "max_new_tokens": 12}
    ours, theirs = (cache_in(generate(m, PROMPTED, **wanted)) for m in (model, stock))
    for part in ("self_attention_cache", "cross_attention_cache"):
        sizes = [
            [(type(layer), layer.keys.shape, layer.values.shape) for layer in getattr(cache, part).layers]
            for cache in (ours, theirs)
        ]
        assert sizes[0] == sizes[1]
