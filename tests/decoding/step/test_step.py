"""The fast step writes the same codes as the plain loop, and unsupported calls use the plain loop."""

import copy
import gc
import logging
import threading
import weakref
from dataclasses import replace

import pytest
import torch
import transformers
from tiny import BATCH, EOS, INPUTS, ONE, PLAIN, PROMPTED, Rows, prompts, texts, tiny_config, tiny_model
from torch import nn
from transformers import CompileConfig, LogitsProcessorList, MaxLengthCriteria, StoppingCriteriaList
from transformers.cache_utils import DynamicCache, EncoderDecoderCache
from transformers.generation.logits_process import InfNanRemoveLogitsProcessor

from dia import generation_dia
from dia.decoding.cache import cache_in
from dia.decoding.step import config as decode_config
from dia.decoding.step import runner
from dia.decoding.step import step as fast_step
from dia.decoding.step.sampler import PlainLoopNeeded

SETTINGS = {
    "greedy": {},
    "greedy, guided": {"guidance_scale": 3.0},
    "greedy, guided, one candidate": {"guidance_scale": 3.0, "top_k": 1},
    "greedy, max_length": {"max_length": 20, "max_new_tokens": None},
    "greedy, ten rows or more": {"min_new_tokens": 10},
    "sampled": {"do_sample": True},
    "sampled, all ids": {"do_sample": True, "top_k": 0, "guidance_scale": 2.0},
    "sampled, nucleus": {"do_sample": True, "temperature": 1.3, "top_k": 20, "top_p": 0.9},
    "sampled, three of each": {"do_sample": True, "num_return_sequences": 3, "guidance_scale": 3.0, "top_k": 30},
    "guided, 20 rows or more": {"do_sample": True, "guidance_scale": 3.0, "top_k": 30, "min_new_tokens": 20},
    "sampled, guided": {"do_sample": True, "guidance_scale": 3.0, "temperature": 0.8, "top_k": 30, "top_p": 0.8},
}


@pytest.fixture(scope="module")
def ending_model():
    """A model whose clips end on their own, at different rows."""
    model = tiny_model()
    model.logits_dense.weight.data[EOS] *= 2.5
    return model


@pytest.fixture
def fast(monkeypatch):
    """The configs of all calls that use the fast step."""
    configs = []

    def counted(model, config, original=runner.runner_for):
        configs.append(config)
        return original(model, config)

    monkeypatch.setattr(generation_dia, "runner_for", counted)
    return configs


def generate(model, inputs, **settings):
    torch.manual_seed(3)
    return model.generate(**inputs, **{"max_new_tokens": 40, **settings})


def assert_same(model, inputs, **settings):
    expected, got = (generate(model, inputs, **settings, **how) for how in (PLAIN, {}))
    assert got.tolist() == expected.tolist()
    return got


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
@pytest.mark.parametrize("inputs", INPUTS.values(), ids=INPUTS)
def test_codes_equal_those_of_the_plain_loop(ending_model, fast, inputs, settings):
    assert_same(ending_model, inputs, **settings)
    assert len(fast) == 1, "only max_time selects the plain loop"


def test_channels_end_where_they_end_in_the_plain_loop(ending_model):
    grid = assert_same(ending_model, BATCH, max_new_tokens=60)
    ends = [(clip[:, 0] == EOS).nonzero().flatten().tolist() for clip in grid]
    assert len({end[0] for end in ends}) > 1, "the test needs clips that end at different rows"


def test_a_length_limit_ends_every_channel(model):
    endless = copy.deepcopy(model)
    endless.logits_dense.weight.data[EOS] = 0
    grid = assert_same(endless, PROMPTED, max_new_tokens=12)
    assert (grid == EOS).any(1).all()


def test_the_text_mask_is_optional(ending_model, fast):
    assert_same(ending_model, {name: tensor for name, tensor in ONE.items() if name != "attention_mask"})
    assert fast


def test_a_clip_is_the_same_alone_and_in_a_batch(ending_model):
    settings = {"do_sample": True, "guidance_scale": 3.0, "max_new_tokens": 30}
    together = ending_model.generate(
        **BATCH, **settings, generator=[torch.Generator().manual_seed(i) for i in range(3)]
    )
    for index in range(3):
        alone = {name: tensor[index : index + 1] for name, tensor in BATCH.items()}
        clip = ending_model.generate(**alone, **settings, generator=torch.Generator().manual_seed(index))[0]
        assert together[index, : len(clip)].tolist() == clip.tolist()


def test_rows_are_streamed_as_they_are_generated(ending_model):
    streamer = Rows()
    grid = generate(ending_model, PROMPTED, streamer=streamer)
    prompt, *rows = streamer.taken
    assert torch.equal(torch.cat([prompt, torch.stack(rows, dim=1)], dim=1), grid)


def test_two_threads_generate_at_once(ending_model):
    expected = [ending_model.generate(**inputs, max_new_tokens=30) for inputs in (ONE, PROMPTED)]
    got = {}

    def run(index, inputs):
        got[index] = ending_model.generate(**inputs, max_new_tokens=30)

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate((ONE, PROMPTED))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(torch.equal(got[index], grid) for index, grid in enumerate(expected))


def test_no_state_is_left_on_the_model(ending_model):
    before = set(vars(ending_model)), {name: tensor.data_ptr() for name, tensor in ending_model.state_dict().items()}
    generate(ending_model, BATCH)
    after = set(vars(ending_model)), {name: tensor.data_ptr() for name, tensor in ending_model.state_dict().items()}
    assert after == before


def test_a_clip_whose_text_is_all_padding_gives_no_nan(ending_model, fast, in_spans, monkeypatch):
    mask, joined = BATCH["attention_mask"].clone(), []
    mask[1] = 0

    def watched(step, slot, start, original=fast_step.Step.join):
        original(step, slot, start)
        joined.append((step, start.text[0][0].shape[1]))

    monkeypatch.setattr(fast_step.Step, "join", watched)
    for how in ({}, in_spans):
        grid = generate(ending_model, {**BATCH, "attention_mask": mask}, **how)
        assert joined[-2][1] == mask.shape[1], "a text without ids is read whole"
        if how:
            assert (joined[-1][0].text_limit == 0).any(-1).all(), "no row of the mask is fully masked"
        assert torch.equal(grid[[0, 2]], generate(ending_model, BATCH)[[0, 2], : grid.shape[1]])
    assert len(fast) == 4


@pytest.mark.parametrize("heads", [1, 4])
def test_any_number_of_key_heads(heads):
    decoder = {**tiny_config().decoder_config.to_dict(), "num_key_value_heads": heads}
    assert_same(tiny_model(tiny_config(decoder_config=decoder)), PROMPTED, guidance_scale=3.0)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_generates(model, fast, dtype):
    grid = generate(copy.deepcopy(model).to(dtype), PROMPTED, guidance_scale=3.0, do_sample=True)
    assert grid.shape[::2] == (3, 3)
    assert PROMPTED["decoder_input_ids"].shape[1] < grid.shape[1] <= 47
    assert fast


# Cached steps


@pytest.fixture
def in_spans(monkeypatch):
    """Steps that are rounded and cached as for a CUDA graph, but run eagerly."""
    monkeypatch.setattr(decode_config, "_SPAN", 16)
    monkeypatch.setattr(runner.GraphRunner, "_compile", lambda self: self.step)
    return {"compile_config": CompileConfig()}


@pytest.mark.parametrize("inputs", INPUTS.values(), ids=INPUTS)
@pytest.mark.parametrize("settings", [SETTINGS["greedy, guided"], SETTINGS["sampled, guided"]])
def test_rounding_rows_and_batches_up_does_not_change_the_codes(ending_model, in_spans, inputs, settings):
    expected = generate(ending_model, inputs, **settings, **PLAIN)
    assert torch.equal(generate(ending_model, inputs, **settings, **in_spans), expected)


def test_calls_of_other_lengths_and_batch_sizes_reuse_a_step(ending_model, in_spans, monkeypatch):
    made = []
    original = fast_step.Step.__init__
    monkeypatch.setattr(
        fast_step.Step,
        "__init__",
        lambda self, model, config: (made.append(config), original(self, model, config))[1],
    )
    four = {**texts(8, 3, 5, 11), **prompts(0, 0, 0, 0)}
    model = copy.deepcopy(ending_model)
    for inputs, rows in ((BATCH, 40), (four, 38), (PROMPTED, 35)):
        settings = {"guidance_scale": 3.0, "max_new_tokens": rows}
        assert torch.equal(
            generate(model, inputs, **settings, **in_spans), generate(model, inputs, **settings, **PLAIN)
        )
    assert len(made) == 1


def test_clips_of_an_earlier_call_do_not_stay_in_a_kept_step(ending_model, in_spans):
    endless = copy.deepcopy(ending_model)
    endless.logits_dense.weight.data[EOS] = 0
    four, three = ({**texts(*sizes), **prompts(*(0 for _ in sizes))} for sizes in ((8, 3, 5, 11), (8, 3, 5)))
    generate(endless, four, **in_spans)
    for _ in range(3):  # the fourth slot would run out of rows
        codes = generate(endless, three, **in_spans)
    assert torch.equal(codes, generate(endless, three, **PLAIN))


def test_the_unconditional_text_takes_one_encoder_row_and_no_keys(ending_model, monkeypatch):
    encoded, steps = [], []
    encoder, made = type(ending_model.get_encoder()).forward, fast_step.Step.__init__

    def counted(self, input_ids, **rest):
        encoded.append(tuple(input_ids.shape))
        return encoder(self, input_ids=input_ids, **rest)

    def kept(self, *arguments):
        made(self, *arguments)
        steps.append(self)

    monkeypatch.setattr(type(ending_model.get_encoder()), "forward", counted)
    monkeypatch.setattr(fast_step.Step, "__init__", kept)
    generate(copy.deepcopy(ending_model), BATCH, guidance_scale=3.0)  # one that keeps no state yet
    lengths = BATCH["attention_mask"].sum(1).tolist()
    assert encoded == [*((1, length) for length in lengths), (1, 1)]
    assert {layer.keys.shape[:2] for layer in steps[0].layers} == {(len(lengths), 2)}
    assert {len(layer.texts) for layer in steps[0].layers} == {len(lengths)}


def test_every_position_of_the_unconditional_text_has_the_same_state(ending_model):
    zeros = torch.zeros(1, 9, dtype=torch.long)
    states = ending_model.get_encoder()(input_ids=zeros).last_hidden_state
    torch.testing.assert_close(states, states[:, :1].expand_as(states))


def test_a_cached_step_uses_the_current_weights(ending_model, in_spans):
    model = copy.deepcopy(ending_model)
    generate(model, BATCH, **in_spans)
    for weight in model.parameters():
        weight.data.mul_(0.9)
    assert torch.equal(generate(model, BATCH, **in_spans), generate(model, BATCH, **PLAIN))


def test_a_cached_step_works_in_and_out_of_inference_mode(ending_model, in_spans):
    model = copy.deepcopy(ending_model)
    with torch.inference_mode():
        within = generate(model, BATCH, **in_spans)
    assert torch.equal(generate(model, BATCH, **in_spans), within)


def test_nan_in_the_buffers_of_a_cached_step_does_not_affect_the_next_call(ending_model, in_spans):
    model = copy.deepcopy(ending_model)
    expected = generate(model, BATCH, **in_spans)
    ((_, kept),) = runner._runners[model]
    for layer in kept.step.layers:
        layer.keys.fill_(float("nan"))
        layer.text_values.fill_(float("inf"))
    assert torch.equal(generate(model, BATCH, **in_spans), expected)
    assert runner._runners[model][0][1] is kept


def test_steps_for_former_weights_are_freed(ending_model, in_spans):
    model = copy.deepcopy(ending_model)
    generate(model, BATCH, **in_spans)
    old = weakref.ref(runner._runners[model][0][1])
    generate(model.double().float(), BATCH, **in_spans)
    gc.collect()
    assert old() is None
    assert len(runner._runners[model]) == 1


def test_cached_steps_are_freed_when_memory_runs_out(ending_model, in_spans, monkeypatch):
    model, original, refused = copy.deepcopy(ending_model), fast_step.Step.__init__, []
    generate(model, ONE, **in_spans)

    def crowded(self, model, config):
        if runner._runners[model]:
            refused.append(config)
            raise torch.OutOfMemoryError
        original(self, model, config)

    monkeypatch.setattr(fast_step.Step, "__init__", crowded)
    assert torch.equal(generate(model, BATCH, **in_spans), generate(ending_model, BATCH, **PLAIN))
    assert len(refused) == 1


def test_a_model_is_freed_with_its_cached_steps(ending_model, in_spans):
    model = copy.deepcopy(ending_model)
    generate(model, BATCH, **in_spans)
    step, gone = weakref.ref(runner._runners[model][0][1].step), weakref.ref(model)
    del model
    gc.collect()
    assert gone() is None
    assert step() is None


@pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")
def test_steps_of_models_with_adapters_are_not_cached(ending_model, in_spans):
    peft = pytest.importorskip("peft")
    config = peft.LoraConfig(target_modules=["q_proj", "down_proj"], r=4, init_lora_weights=False)
    adapted = peft.get_peft_model(copy.deepcopy(ending_model), config).eval()
    generate(adapted, BATCH, **in_spans)
    with adapted.disable_adapter():
        assert torch.equal(generate(adapted, BATCH, **in_spans), generate(ending_model, BATCH, **PLAIN))
    assert not runner._runners.get(adapted.base_model.model)


def test_every_span_is_compiled(model, monkeypatch):
    endless, graphs = copy.deepcopy(model), []
    endless.logits_dense.weight.data[EOS] = 0
    monkeypatch.setattr(decode_config, "_SPAN", 1)

    def backend(graph, _):
        graphs.append(graph)
        return graph.forward

    for settings in ({}, {"do_sample": True}):
        generate(endless, ONE, **settings, compile_config=CompileConfig(backend=backend, mode=None))
    assert len(graphs) == 2 * len([1, 2, 4, 8, 16, 32, 64]), "by default torch stops after eight recompilations"


def test_if_compilation_fails_the_step_runs_eagerly_with_a_warning(ending_model, monkeypatch):
    def compiled(self):
        def fails(span):
            self.step.row.add_(5)
            raise RuntimeError("no compiler here")

        return fails

    warnings = []
    monkeypatch.setattr(runner.GraphRunner, "_compile", compiled)
    monkeypatch.setattr(runner.logger, "warning_once", warnings.append)
    model = copy.deepcopy(ending_model)
    grid = generate(model, BATCH, compile_config=CompileConfig())
    assert torch.equal(grid, generate(model, BATCH, **PLAIN))
    assert warnings == ["torch.compile failed, so the step runs eagerly: RuntimeError: no compiler here"]


def test_if_recording_fails_the_step_runs_eagerly_with_a_warning(ending_model, monkeypatch):
    def fails(self, span):
        raise RuntimeError("not permitted when stream is capturing\nhere is the whole trace")

    def for_a_gpu(model, config, original=runner.runner_for):
        return original(model, replace(config, recorded=True, compiled=None))

    warnings = []
    monkeypatch.setattr(runner.GraphRunner, "_record", fails)
    monkeypatch.setattr(generation_dia, "runner_for", for_a_gpu)
    monkeypatch.setattr(runner.logger, "warning_once", warnings.append)
    model = copy.deepcopy(ending_model)
    grid = generate(model, BATCH, compile_config=CompileConfig())
    assert torch.equal(grid, generate(model, BATCH, **PLAIN))
    assert len(warnings) == 1
    assert warnings[0].endswith("eagerly: RuntimeError: not permitted when stream is capturing"), "only the first line"


def test_for_a_compiled_model_only_the_step_is_compiled(ending_model, fast, in_spans):
    model = copy.deepcopy(ending_model)
    model._compiled_call_impl = "never called"
    assert torch.equal(generate(model, BATCH), generate(ending_model, BATCH, **PLAIN))
    assert fast[0].compiled is not None


@pytest.mark.real
@pytest.mark.filterwarnings("ignore")
def test_a_compiled_step_writes_the_same_codes(ending_model):
    grid = generate(ending_model, PROMPTED, guidance_scale=3.0, compile_config=CompileConfig(fullgraph=True))
    assert torch.equal(grid, generate(ending_model, PROMPTED, guidance_scale=3.0, **PLAIN))


@pytest.mark.gpu
@pytest.mark.parametrize("settings", [SETTINGS["greedy, guided"], SETTINGS["sampled, guided"]])
def test_a_recorded_step_writes_the_same_codes(ending_model, settings):
    model = copy.deepcopy(ending_model).cuda()
    for inputs in INPUTS.values():
        inputs = {name: tensor.cuda() for name, tensor in inputs.items()}
        recorded = generate(model, inputs, **settings)
        assert torch.equal(recorded, generate(model, inputs, **settings, **PLAIN))
        assert torch.equal(recorded, generate(model, inputs, **settings, disable_compile=True))


# When the plain loop is used

UNSUPPORTED = {
    "cache": lambda: {"cache": EncoderDecoderCache(DynamicCache(), DynamicCache())},
    "logits_processor": lambda: {"logits_processor": LogitsProcessorList([InfNanRemoveLogitsProcessor()])},
    "a rule of the settings": lambda: {"repetition_penalty": 1.2},
    "stopping_criteria": lambda: {"stopping_criteria": StoppingCriteriaList([MaxLengthCriteria(9)])},
    "decoder_position_ids": lambda: {"decoder_position_ids": torch.arange(1)[None]},
    "max_time": lambda: {"max_time": 60.0},
    "use_cache": lambda: {"use_cache": False},
    "scores": lambda: {"return_dict_in_generate": True, "output_scores": True},
    "eos_token_id": lambda: {"eos_token_id": 5},
    "pad_token_id": lambda: {"pad_token_id": 0},
    "a keyword for the model": lambda: {"output_attentions": True},
    "compile_config with scores": lambda: {
        "compile_config": CompileConfig(),
        "return_dict_in_generate": True,
        "output_logits": True,
    },
}


@pytest.fixture
def log_lines(monkeypatch):
    """The log messages of level INFO."""
    lines = []
    monkeypatch.setattr(generation_dia.logger, "info_once", lines.append)
    return lines


@pytest.mark.parametrize("settings", UNSUPPORTED.values(), ids=UNSUPPORTED)
def test_unsupported_calls_use_the_plain_loop_and_log_the_reason(model, fast, settings, log_lines):
    generate(model, ONE, max_new_tokens=12, **settings())
    assert fast == []
    (line,) = log_lines
    assert line.startswith("generate() uses the plain loop, which is slower, because ")
    assert ("compile_config is ignored" in line) == ("compile_config" in settings())


SERVED = {
    "nothing": {},
    "cache_implementation dynamic": {"cache_implementation": "dynamic"},
    "cache_implementation static": {"cache_implementation": "static"},
    "a dict of codes": {"return_dict_in_generate": True},
    "a compiled dict of codes": {"return_dict_in_generate": True, "compile_config": CompileConfig()},
}


@pytest.mark.parametrize("settings", SERVED.values(), ids=SERVED)
def test_supported_calls_use_the_fast_step_and_log_it(ending_model, fast, in_spans, settings, log_lines):
    grid = generate(ending_model, BATCH, **settings)
    assert torch.equal(getattr(grid, "sequences", grid), generate(ending_model, BATCH, **PLAIN))
    assert len(fast) == 1
    mode = "compiled" if "compile_config" in settings else "eager"
    assert log_lines[0] == f"generate() uses the fast step, {mode}."


@pytest.mark.parametrize("attention", ["eager", "flex_attention", "flash_attention_2", "flash_attention_3"])
def test_the_fast_step_supports_every_attention_of_transformers(model, attention):
    other = copy.deepcopy(model)
    other.model.decoder.config._attn_implementation_internal = attention
    decode_config.check_model(other)


def test_the_log_line_follows_the_verbosity_of_transformers():
    before = transformers.logging.get_verbosity()
    try:
        for verbosity, heard in ((logging.INFO, True), (logging.WARNING, False)):
            transformers.logging.set_verbosity(verbosity)
            assert generation_dia.logger.isEnabledFor(logging.INFO) is heard
    finally:
        transformers.logging.set_verbosity(before)


@pytest.mark.parametrize("kind", [None, "dynamic", "static"])
@pytest.mark.parametrize("guidance", [None, 3.0])
def test_the_fast_step_returns_the_cache_of_the_plain_loop(ending_model, fast, in_spans, kind, guidance):
    wanted = {"return_dict_in_generate": True, "cache_implementation": kind, "guidance_scale": guidance}
    plain = cache_in(generate(ending_model, PROMPTED, **wanted, **PLAIN))
    for how in ({}, in_spans):
        kept = cache_in(generate(ending_model, PROMPTED, **wanted, **how))
        for part in ("self_attention_cache", "cross_attention_cache"):
            own, expected = getattr(kept, part), getattr(plain, part)
            assert type(own) is type(expected)
            assert own.get_seq_length() == expected.get_seq_length()
            read = _read_positions(part, own.layers[0].keys, 1 if guidance is None else 2)
            for layer, other in zip(own.layers, expected.layers, strict=True):
                for kept_values, values in ((layer.keys, other.keys), (layer.values, other.values)):
                    torch.testing.assert_close(kept_values * read, values * read, atol=1e-4, rtol=1e-4)
    assert len(fast) == 2


def _read_positions(part, keys, halves):
    """1 where a cache holds a row or text id that is read, 0 for padding: [N, 1, length, 1]."""
    mask = PROMPTED["decoder_attention_mask" if part == "self_attention_cache" else "attention_mask"]
    rest = mask.new_ones(len(mask), max(keys.shape[2] - mask.shape[1], 0))
    read = torch.cat([mask, rest], dim=1)[:, : keys.shape[2]]
    return read.repeat(halves, 1)[:, None, :, None]


def test_generation_continues_from_a_cache_of_the_fast_step(model, fast):
    whole = generate(model, ONE, max_new_tokens=20)
    first = generate(model, ONE, max_new_tokens=8, return_dict_in_generate=True)
    kept, given = cache_in(first), whole[:, :6]  # its last rows end what the longer one goes on with
    kept.self_attention_cache.crop(5 - kept.get_seq_length())
    more = generate(model, texts(9), decoder_input_ids=given, cache=kept, max_new_tokens=whole.shape[1] - 6)
    assert torch.equal(more, whole)
    assert len(fast) == 2


def hooked(model):
    model.model.decoder.layers[0].register_forward_hook(lambda *_: None)


def patched(model):
    model.model.decoder.layers[1].mlp.forward = model.model.decoder.layers[1].mlp.forward


class Louder(nn.Module):
    def __init__(self, mlp):
        super().__init__()
        self.inner = mlp

    def forward(self, hidden):
        return 2 * self.inner(hidden)


def replaced(model):
    model.model.decoder.layers[0].mlp = Louder(model.model.decoder.layers[0].mlp)


def other_attention(model):
    model.model.decoder.config._attn_implementation_internal = "custom_attention"


def length_dependent_rope(model):
    model.model.decoder.rotary_emb.rope_type = "dynamic"


def hooked_head(model):
    model.logits_dense.register_forward_hook(lambda module, inputs, logits: -logits)


@pytest.mark.parametrize("change", [hooked, patched, replaced, hooked_head, other_attention, length_dependent_rope])
def test_changed_models_use_the_plain_loop(model, change):
    changed = copy.deepcopy(model)
    change(changed)
    with pytest.raises(PlainLoopNeeded):
        decode_config.check_model(changed)


def test_hooks_that_record_outputs_do_not_disable_the_fast_step(model, fast):
    used = copy.deepcopy(model)
    generate(used, ONE, max_new_tokens=12, return_dict_in_generate=True, output_hidden_states=True)
    assert_same(used, ONE)
    assert len(fast) == 1


class Halved(nn.Module):
    """A projection that is not an `nn.Linear`."""

    def __init__(self, linear):
        super().__init__()
        self.kept = nn.Parameter(linear.weight.detach() / 2)

    def forward(self, rows):
        return rows @ (2 * self.kept).T


def test_projections_of_other_classes_are_called_unchanged(ending_model, fast):
    changed = copy.deepcopy(ending_model)
    layer = changed.model.decoder.layers[0]
    layer.self_attention.k_proj = Halved(layer.self_attention.k_proj)
    layer.mlp.down_proj = Halved(layer.mlp.down_proj)
    assert_same(changed, BATCH, guidance_scale=3.0)
    assert len(fast) == 1


@pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")
def test_adapters_affect_the_codes(ending_model, fast):
    peft = pytest.importorskip("peft")
    config = peft.LoraConfig(target_modules=["q_proj", "down_proj"], r=4, init_lora_weights=False)
    adapted = peft.get_peft_model(copy.deepcopy(ending_model), config).eval()
    grid = assert_same(adapted, BATCH)
    assert len(fast) == 1
    assert not torch.equal(grid, generate(ending_model, BATCH))
