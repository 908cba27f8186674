"""With the same weights, our network gives the same results as transformers' Dia."""

import json

import pytest
import torch
from tiny import CHANNELS, VOCABULARY, prompts, texts, tiny_config, tiny_model
from transformers import GenerationConfig
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS
from transformers.models.dia import configuration_dia, modeling_dia

import dia
from dia.configuration_dia import DiaConfig
from dia.decoding.cache import cache_in
from dia.modeling_dia import DiaForConditionalGeneration, DiaModel
from dia.quantization.config import quantize

PARAMETERS_OF_DIA_1_6B = 1_611_160_576
INPUTS = {
    "text alone": texts(9),
    "padded texts": texts(9, 4, 12),
    "a prompt": {**texts(9), **prompts(5)},
    "prompts padded on the left": {**texts(9, 4, 12), **prompts(2, 6, 0)},
}
each_input = pytest.mark.parametrize("inputs", INPUTS.values(), ids=INPUTS)


def valid_rows(inputs, logits):
    """`logits` [B · C, R, V] without padding rows on the left."""
    mask = inputs.get("decoder_attention_mask")
    return logits if mask is None else logits[mask.repeat_interleave(CHANNELS, dim=0).bool()]


def training_batch():
    """Texts, grids, and labels, a third of which are ignored."""
    inputs = {**texts(9, 4), **prompts(3, 6)}
    grid = inputs["decoder_input_ids"]
    labels = grid.roll(-1, dims=1).transpose(1, 2).flatten(0, 1).clone()
    labels[:, ::3] = -100
    return {**inputs, "labels": labels}


@each_input
@torch.no_grad()
def test_logits_are_equal(model, stock, inputs):
    ours, theirs = model(**inputs), stock(**inputs)
    assert ours.logits.shape == theirs.logits.shape
    torch.testing.assert_close(
        valid_rows(inputs, ours.logits), valid_rows(inputs, theirs.logits), atol=1e-4, rtol=1e-4
    )
    torch.testing.assert_close(ours.encoder_last_hidden_state, theirs.encoder_last_hidden_state, atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_cached_rows_give_the_logits_of_the_whole_grid(model, stock):
    inputs = {**texts(9, 4), **prompts(3, 6)}
    whole, mask = inputs["decoder_input_ids"], inputs["decoder_attention_mask"]
    first = {**inputs, "decoder_input_ids": whole[:, :5], "decoder_attention_mask": mask[:, :5]}
    rest = {**inputs, "decoder_input_ids": whole[:, 5:]}
    expected = stock(**inputs).logits[:, 5:]
    for start in (model, stock):  # our model can use a cache filled by stock
        cache = start(**first, use_cache=True).past_key_values
        assert cache.get_seq_length() == 5
        torch.testing.assert_close(model(**rest, past_key_values=cache).logits, expected, atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_tuples_hold_the_same_in_the_same_order(model, stock):
    ours, theirs = (m(**texts(9), return_dict=False) for m in (model, stock))
    assert [type(part) for part in ours] == [type(part) for part in theirs]
    torch.testing.assert_close(ours[0], theirs[0], atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_hidden_states_and_attentions_are_equal(stock_twin):
    ours = tiny_model()
    ours.set_attn_implementation("eager")
    theirs, inputs = stock_twin(ours), {**texts(9, 4), **prompts(5, 5)}
    a, b = (m(**inputs, output_hidden_states=True, output_attentions=True) for m in (ours, theirs))
    for field in ("decoder_hidden_states", "decoder_attentions", "cross_attentions"):
        torch.testing.assert_close(a[field], b[field], atol=1e-4, rtol=1e-4)
    for field in ("encoder_hidden_states", "encoder_attentions"):
        torch.testing.assert_close(a[field], b[field], atol=1e-4, rtol=1e-4)


def test_loss_and_its_gradient_are_equal(stock_twin):
    ours = tiny_model().train()
    theirs, batch = stock_twin(ours), training_batch()
    losses = [m(**batch).loss for m in (ours, theirs)]
    torch.testing.assert_close(*losses)
    for loss in losses:
        loss.backward()
    expected = dict(theirs.named_parameters())
    for name, weight in ours.named_parameters():
        gradient = expected[name].grad
        torch.testing.assert_close(weight.grad, gradient, atol=1e-5, rtol=1e-4, msg=lambda m, n=name: f"{n}: {m}")


def test_the_loss_counts_items_as_the_trainer_asks(model, stock):
    batch = training_batch()
    losses = [m(**batch, num_items_in_batch=7).loss for m in (model, stock)]
    torch.testing.assert_close(*losses)


@torch.no_grad()
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_close(stock_twin, dtype):
    ours, inputs = tiny_model().to(dtype), {**texts(9, 4), **prompts(5, 5)}
    a, b = (m(**inputs).logits for m in (ours, stock_twin(ours)))
    assert a.dtype == dtype
    torch.testing.assert_close(a.float(), b.float(), atol=0.3, rtol=0.05)


@each_input
@torch.no_grad()
def test_eager_and_sdpa_agree(model, inputs):
    eager = tiny_model()
    eager.set_attn_implementation("eager")
    torch.testing.assert_close(
        valid_rows(inputs, eager(**inputs).logits), valid_rows(inputs, model(**inputs).logits), atol=1e-4, rtol=1e-4
    )


@pytest.mark.gpu
@torch.no_grad()
@pytest.mark.parametrize("implementation", ["flex_attention", "flash_attention_2"])
@each_input
def test_gpu_attention_agrees_with_eager(inputs, implementation):
    inputs = {name: tensor.cuda() for name, tensor in inputs.items()}
    ours = tiny_model().cuda().to(torch.bfloat16)
    ours.set_attn_implementation("eager")
    expected = valid_rows(inputs, ours(**inputs).logits)
    ours.set_attn_implementation(implementation)
    torch.testing.assert_close(valid_rows(inputs, ours(**inputs).logits), expected, atol=0.1, rtol=0.05)


def test_weights_have_the_published_names_and_shapes_at_the_published_size():
    with torch.device("meta"):
        ours = DiaForConditionalGeneration(DiaConfig())
        theirs = modeling_dia.DiaForConditionalGeneration(configuration_dia.DiaConfig())
    shapes = {name: tuple(weight.shape) for name, weight in ours.state_dict().items()}
    assert shapes == {name: tuple(weight.shape) for name, weight in theirs.state_dict().items()}
    assert sum(weight.numel() for weight in ours.parameters()) == PARAMETERS_OF_DIA_1_6B


def test_default_configs_are_the_same():
    ours, theirs = DiaConfig().to_dict(), configuration_dia.DiaConfig().to_dict()
    assert ours == theirs


@torch.no_grad()
@pytest.mark.parametrize("shard", ["5GB", "50KB"], ids=["whole", "sharded"])
def test_stock_loads_what_ours_saves_and_back(model, tmp_path, shard):
    model = tiny_model()
    model.generation_config = GenerationConfig(do_sample=True, guidance_scale=3.0, top_k=7, max_length=99)
    model.save_pretrained(tmp_path / "ours", max_shard_size=shard)
    assert (tmp_path / "ours" / "model.safetensors.index.json").exists() == (shard == "50KB")
    theirs, report = modeling_dia.DiaForConditionalGeneration.from_pretrained(
        tmp_path / "ours", output_loading_info=True
    )
    assert not any(report.values())
    theirs.save_pretrained(tmp_path / "theirs", max_shard_size=shard)
    ours, report = DiaForConditionalGeneration.from_pretrained(tmp_path / "theirs", output_loading_info=True)
    assert not any(report.values())
    inputs = {**texts(9), **prompts(5)}
    for loaded in (theirs, ours):
        torch.testing.assert_close(loaded(**inputs).logits, model(**inputs).logits)
        assert loaded.generation_config.to_diff_dict() == model.generation_config.to_diff_dict()


def test_config_files_are_the_same(model, tmp_path):
    model.config.save_pretrained(tmp_path / "ours")
    configuration_dia.DiaConfig.from_pretrained(tmp_path / "ours").save_pretrained(tmp_path / "theirs")
    ours, theirs = (json.loads((tmp_path / name / "config.json").read_text()) for name in ("ours", "theirs"))
    assert ours == theirs


@torch.no_grad()
def test_the_bare_model_reads_the_same_checkpoint(model, tmp_path):
    model.save_pretrained(tmp_path)
    bare = DiaModel.from_pretrained(tmp_path)
    states = bare(**texts(9)).last_hidden_state
    logits = model.logits_dense(states).unflatten(-1, (CHANNELS, VOCABULARY)).transpose(1, 2).flatten(0, 1)
    torch.testing.assert_close(logits, model(**texts(9)).logits)


ROPES = {
    "default": {},
    "linear": {"factor": 4.0},
    "dynamic": {"factor": 4.0},
    "yarn": {"factor": 4.0, "original_max_position_embeddings": 16},
    "longrope": {
        "factor": 4.0,
        "short_factor": [1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.7, 1.8],
        "long_factor": [2.0, 2.3, 2.6, 2.9, 3.2, 3.5, 3.8, 4.1],
        "original_max_position_embeddings": 16,
    },
    "llama3": {
        "factor": 4.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 16,
    },
    "proportional": {"partial_rotary_factor": 0.5},
}


def test_every_rope_type_of_transformers_is_compared():
    assert {"default", *ROPE_INIT_FUNCTIONS} == set(ROPES)


@pytest.mark.parametrize("rope_type", ROPES)
@torch.no_grad()
def test_rope_types_turn_by_the_same_angles(stock_twin, rope_type):
    config = tiny_config()
    for part in (config.encoder_config, config.decoder_config):
        part.rope_parameters = {"rope_type": rope_type, "rope_theta": 100.0, **ROPES[rope_type]}
        part.max_position_embeddings = 12
    ours = tiny_model(config)
    theirs = stock_twin(ours)
    for length in (6, 12, 13, 17, 40):  # up to the trained length, and beyond
        noise = torch.Generator().manual_seed(length)
        text = torch.randint(1, 256, (2, length), generator=noise)
        rows = torch.randint(0, 64, (2, length, CHANNELS), generator=noise)
        logits = (m(input_ids=text, decoder_input_ids=rows).logits for m in (ours, theirs))
        torch.testing.assert_close(*logits, atol=1e-4, rtol=1e-4)
    for settings in ({}, {"use_cache": False}):
        grids = [m.generate(**texts(9, 4), **prompts(3, 1), max_new_tokens=24, **settings) for m in (ours, theirs)]
        assert torch.equal(*grids)


def test_plans_for_several_devices_are_those_of_stock():
    for part in ("DiaConfig", "DiaEncoderConfig", "DiaDecoderConfig"):
        ours, theirs = getattr(dia, part), getattr(configuration_dia, part)
        for plan in ("base_model_tp_plan", "base_model_pp_plan", "base_model_ep_plan"):
            assert getattr(ours, plan) == getattr(theirs, plan)
    for part in ("DiaModel", "DiaForConditionalGeneration"):
        ours, theirs = getattr(dia, part), getattr(modeling_dia, part)
        for plan in ("_tp_plan", "_pp_plan", "_no_split_modules"):
            assert getattr(ours, plan) == getattr(theirs, plan)


@torch.no_grad()
def test_a_cache_under_either_name_gives_the_same(model, stock):
    inputs, whole = texts(9, 4), prompts(3, 6)["decoder_input_ids"]
    first, rest = ({**inputs, "decoder_input_ids": rows} for rows in (whole[:, :5], whole[:, 5:]))
    expected = stock(**inputs, decoder_input_ids=whole).logits[:, 5:]
    for name in ("cache", "past_key_values"):
        cache = cache_in(model(**first, use_cache=True))
        torch.testing.assert_close(model(**rest, **{name: cache}).logits, expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("weights", ["int8", "int4"])
def test_stock_refuses_quantized_weights_and_names_this_package(tmp_path, weights):
    model = quantize(tiny_model(), weights)
    model.save_pretrained(tmp_path)
    with pytest.raises(ValueError, match=r"weights of dia-tts, to be loaded after `import dia`"):
        modeling_dia.DiaForConditionalGeneration.from_pretrained(tmp_path)
    loaded = DiaForConditionalGeneration.from_pretrained(tmp_path)
    assert torch.equal(loaded.generate(**texts(9), max_new_tokens=9), model.generate(**texts(9), max_new_tokens=9))
    loaded.save_pretrained(tmp_path / "again")
    assert "`import dia`" in (tmp_path / "again" / "config.json").read_text()
