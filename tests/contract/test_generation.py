"""`generate()`: features beyond the stock loop, and errors for unsupported arguments."""

import copy
import threading
from collections import Counter

import pytest
import torch
from tiny import (
    BOS,
    CHANNELS,
    EOS,
    PAD,
    PATTERN,
    PLAIN,
    ROW_LIMIT,
    TEXT_LIMIT,
    VOCABULARY,
    Rows,
    prompts,
    texts,
    tiny_model,
)
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import (
    ClassifierFreeGuidanceLogitsProcessor,
    CompileConfig,
    DynamicCache,
    EncoderDecoderCache,
    GenerationConfig,
    LogitsProcessor,
    LogitsProcessorList,
)

from dia import generation_dia
from dia.decoding.cache import CACHE, cache_in
from dia.decoding.call import plain_loop, settings
from dia.decoding.guidance import DiaGuidanceLogitsProcessor
from dia.decoding.sampling import published_generation_config
from dia.decoding.step import runner
from dia.modeling_dia import DiaDecoder

ONE = {**texts(9), **prompts(0)}
BATCH = {**texts(9, 4, 12), **prompts(0, 0, 0)}
PROMPTED = {**texts(12, 7, 10), **prompts(2, 6, 0)}
SAMPLED = {"do_sample": True, "max_new_tokens": 12}


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def row(inputs: dict[str, torch.Tensor], index: int) -> dict[str, torch.Tensor]:
    return {name: tensor[index : index + 1] for name, tensor in inputs.items()}


# Settings


@pytest.mark.parametrize("guidance", [None, 3.0])
def test_temperature_below_1_sharpens(model, guidance):
    def entropy(temperature: float) -> float:
        settings = {"guidance_scale": guidance, "temperature": temperature, "top_k": 0}
        wanted = {"return_dict_in_generate": True, "output_scores": True}
        scores = model.generate(**ONE, **SAMPLED, **settings, **wanted, generator=seeded(0)).scores[0]
        return float(torch.distributions.Categorical(logits=scores[0]).entropy())

    assert entropy(0.1) < entropy(0.5) < entropy(1.0) < entropy(2.0)


def test_a_temperature_near_0_is_greedy(model):
    cold = model.generate(**BATCH, **SAMPLED, temperature=1e-5, generator=seeded(0))
    assert torch.equal(cold, model.generate(**BATCH, max_new_tokens=12))


def test_temperature_does_not_affect_greedy_search(model):
    grids = [model.generate(**BATCH, max_new_tokens=12, temperature=t) for t in (1.0, 0.0, 0.3, 1.8)]
    assert all(torch.equal(grid, grids[0]) for grid in grids)


@pytest.mark.parametrize("temperature", [0.0, -1.0])
def test_an_invalid_temperature_is_refused(model, temperature):
    with pytest.raises(ValueError, match="temperature"):
        model.generate(**ONE, **SAMPLED, temperature=temperature)


def test_guidance_below_1_is_accepted(model):
    plain = model.generate(**BATCH, max_new_tokens=12)
    assert torch.equal(model.generate(**BATCH, max_new_tokens=12, guidance_scale=0.0), plain)
    assert torch.equal(model.generate(**BATCH, max_new_tokens=12, guidance_scale=1.0), plain)
    half, full = (model.generate(**BATCH, max_new_tokens=12, guidance_scale=s, top_k=3) for s in (0.5, 8.0))
    assert half.shape == plain.shape
    assert not torch.equal(half, full)


def test_negative_guidance_is_refused(model):
    with pytest.raises(ValueError, match="guidance_scale"):
        model.generate(**ONE, max_new_tokens=12, guidance_scale=-1.0)


def test_top_k_0_keeps_all_candidates(model):
    first, all_of_them = (model.generate(**ONE, **SAMPLED, top_k=k, generator=seeded(0)) for k in (0, 10_000))
    assert torch.equal(first, all_of_them)
    assert model.generate(**ONE, **SAMPLED, top_k=0, guidance_scale=2.0).shape == first.shape


@pytest.mark.parametrize("guidance", [None, 3.0])
def test_num_return_sequences_are_takes_of_each_text(model, guidance):
    takes = model.generate(**PROMPTED, **SAMPLED, guidance_scale=guidance, num_return_sequences=2)
    assert takes.shape[0] == 6
    prompt = PROMPTED["decoder_input_ids"].repeat_interleave(2, dim=0)
    assert torch.equal(takes[:, :5][prompt[:, :5] != PAD], prompt[:, :5][prompt[:, :5] != PAD])
    assert not torch.equal(takes[0], takes[1])


def test_each_take_has_its_own_generator(model):
    alone = [model.generate(**ONE, **SAMPLED, generator=seeded(seed)) for seed in (5, 6)]
    both = model.generate(**ONE, **SAMPLED, num_return_sequences=2, generator=[seeded(5), seeded(6)])
    assert torch.equal(both, torch.cat(alone))


@pytest.mark.parametrize("guidance", [None, 3.0])
def test_a_seed_gives_the_same_clip_alone_and_in_a_batch(model, guidance):
    settings = {**SAMPLED, "guidance_scale": guidance}
    together = model.generate(**BATCH, **settings, generator=[seeded(seed) for seed in range(3)])
    for index in range(3):
        alone = model.generate(**row(BATCH, index), **settings, generator=seeded(index))[0]
        assert torch.equal(together[index, : len(alone)], alone)
        assert (together[index, len(alone) :] == PAD).all()


def test_a_generator_with_the_same_seed_repeats_the_result(model):
    first, again, other = (model.generate(**BATCH, **SAMPLED, generator=seeded(seed)) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_a_generator_does_not_use_the_global_state(model):
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    model.generate(**ONE, **SAMPLED, generator=seeded(1))
    assert torch.equal(torch.rand(1), expected)


def test_excluded_ids_are_never_drawn(model):
    grid = model.generate(**BATCH, do_sample=True, temperature=5.0, max_new_tokens=40, generator=seeded(0))
    spoken = grid[:, 1 + max(PATTERN) :]
    assert not ((spoken == BOS) | (spoken > PAD)).any()


# Lengths


def test_the_default_length_is_that_of_training(model):
    unset = tiny_model()
    unset.logits_dense.weight.data[EOS] = 0
    grid = unset.generate(**ONE)
    assert grid.shape[1] == ROW_LIMIT + max(PATTERN)


def test_max_length_means_the_same_in_all_three_places(model):
    settled = tiny_model()
    settled.generation_config.max_length = 14
    grids = [
        model.generate(**PROMPTED, max_length=14),
        model.generate(**PROMPTED, generation_config=GenerationConfig(max_length=14)),
        settled.generate(**PROMPTED),
    ]
    assert [grid.shape[1] for grid in grids] == [14 + max(PATTERN)] * 3


@pytest.mark.parametrize(
    "change",
    [
        lambda model: setattr(model.generation_config, "top_k", 1),
        lambda model: setattr(model, "generation_config", GenerationConfig(max_length=9)),
        lambda model: model.generation_config.update(suppress_tokens=[3]),
    ],
)
def test_a_call_sees_settings_that_changed_since_the_last_one_with_the_same_arguments(change):
    model, arguments = tiny_model(), {**texts(9), "max_new_tokens": 6, "do_sample": True}

    def merged(model):
        settings, _ = model._settings(None, {}, dict(arguments))
        return {name: value for name, value in vars(settings).items() if not name.startswith("_")}

    before = merged(model)
    assert merged(model) == before
    change(model)
    assert before != merged(model) == merged(copy.deepcopy(model))  # nothing is kept for the copy


def test_settings_that_a_call_fills_in_are_not_kept_for_the_next(model):
    first, kept = model._settings(None, {}, {**texts(9), "max_new_tokens": 6})
    first.top_k, first.max_length = 1, 2
    second, inputs = model._settings(None, {}, {**texts(4), "max_new_tokens": 6})
    assert (second.top_k, second.max_length) != (1, 2)
    assert inputs["input_ids"].shape != kept["input_ids"].shape
    kept.clear()
    assert inputs


def test_a_modified_model_config_is_refused_although_the_call_is_the_same(model):
    model._settings(None, {}, texts(9))
    model.config.temperature = 0.5
    try:
        with pytest.raises(ValueError, match="modified the pretrained model configuration"):
            model._settings(None, {}, texts(9))
    finally:
        del model.config.temperature


def test_the_minimum_length_is_one_frame(model):
    endless = tiny_model()
    endless.logits_dense.weight.data[EOS] = 0
    grid = endless.generate(**ONE, max_new_tokens=max(PATTERN) + 2)
    assert grid[0, :, 0].tolist()[2:] == [EOS] + [PAD] * max(PATTERN)


@pytest.mark.parametrize("rows", range(1, max(PATTERN) + 1))
def test_a_limit_too_short_for_a_frame_cuts_the_grid_off(rows):
    eager = tiny_model()
    eager.logits_dense.weight.data[EOS] = 0
    for how in ({}, PLAIN):
        grid = eager.generate(**ONE, max_new_tokens=rows, **how)
        assert grid.shape == (1, 1 + rows, CHANNELS)
        assert not (grid == EOS).any()


def test_prompt_longer_than_the_limit_still_ends(model):
    long = {**texts(9), **prompts(20)}
    with pytest.raises(ValueError, match="leaves no room for a new row after 21 rows of prompt"):
        model.generate(**long, max_length=12)
    grid = model.generate(**long, max_new_tokens=10)
    assert grid.shape[1] <= 21 + 10
    assert (grid[0] == EOS).any(0).all()


# The grid


def test_without_a_prompt_it_starts_with_delayed_bos(model):
    text = texts(9, 4)
    implicit = model.generate(**text, max_new_tokens=12)
    assert torch.equal(implicit, model.generate(**text, **prompts(0, 0), max_new_tokens=12))
    for channel, rows in enumerate(PATTERN):
        assert (implicit[:, : rows + 1, channel] == BOS).all()
        assert (implicit[:, rows + 1, channel] < EOS).all()


def test_prefill_forces_the_last_channel_of_the_last_prompt_frame(model):
    prompt = prompts(6)["decoder_input_ids"]
    grid = model.generate(**texts(9), **prompts(6), max_new_tokens=12)
    given = prompt != PAD
    assert torch.equal(grid[:, : prompt.shape[1]][given], prompt[given])
    last_frame = 6 + PATTERN[-1]
    assert given[0, last_frame, -1], "the last row of the prompt has the last channel of its last frame"


def test_padded_prompts_give_the_same_codes_as_alone(model):
    together = model.generate(**PROMPTED, max_new_tokens=12)
    for index, length in enumerate((2, 6, 0)):
        alone = model.generate(**row(texts(12, 7, 10), index), **prompt_of(index, length), max_new_tokens=12)[0]
        padding = 6 - length
        assert torch.equal(together[index, padding : padding + len(alone)], alone)


def prompt_of(index: int, length: int) -> dict[str, torch.Tensor]:
    """The prompt of one row of PROMPTED without its padding."""
    return {name: tensor[index : index + 1, 6 - length :] for name, tensor in PROMPTED.items() if "decoder" in name}


def test_channels_end_one_after_the_other_and_only_pad_follows():
    talkative = tiny_model()
    talkative.logits_dense.weight.data[EOS] *= 2.5
    for clip in talkative.generate(**BATCH, max_new_tokens=50):
        end = int((clip[:, 0] == EOS).nonzero()[0])
        for channel, rows in enumerate(PATTERN):
            ids = clip[:, channel]
            assert (ids == EOS).nonzero().tolist() == [[end + rows]]
            assert (ids[end + rows + 1 :] == PAD).all()
            assert (ids[rows + 1 : end + rows] < EOS).all()


def test_nothing_follows_the_last_end():
    talkative = tiny_model()
    talkative.logits_dense.weight.data[EOS] *= 2.5
    grid = talkative.generate(**BATCH, max_new_tokens=50)
    assert (grid[:, -1] == EOS).any()


class LateFlag:
    """An end flag that is three rows late, as on a GPU."""

    def __init__(self, device: torch.device) -> None:
        self.answers = [False] * 3

    def __call__(self, ended: torch.Tensor) -> bool:
        self.answers.append(bool(ended.all()))
        return self.answers.pop(0)


def test_a_late_end_flag_changes_nothing(monkeypatch):
    talkative = tiny_model()
    talkative.logits_dense.weight.data[EOS] *= 2.5
    wanted = {"max_new_tokens": 50, "return_dict_in_generate": True, "output_scores": True}
    prompt = talkative.generate(**BATCH, **wanted)
    monkeypatch.setattr(plain_loop, "EndFlag", LateFlag)
    streamer = Rows()
    late = talkative.generate(**BATCH, **wanted, streamer=streamer)
    assert torch.equal(late.sequences, prompt.sequences)
    assert len(late.scores) == len(prompt.scores)
    assert len(streamer.taken) == 1 + len(prompt.scores) + 3, "the late rows contain only PAD"


@pytest.mark.gpu
def test_a_gpu_gives_the_codes_of_the_cpu():
    talkative = tiny_model()
    talkative.logits_dense.weight.data[EOS] *= 2.5
    expected = talkative.generate(**PROMPTED, max_new_tokens=50, guidance_scale=3.0)
    inputs = {name: tensor.cuda() for name, tensor in PROMPTED.items()}
    assert torch.equal(talkative.cuda().generate(**inputs, max_new_tokens=50, guidance_scale=3.0).cpu(), expected)


def test_inputs_are_not_changed(model):
    before = {name: tensor.clone() for name, tensor in PROMPTED.items()}
    model.generate(**PROMPTED, **SAMPLED, guidance_scale=3.0)
    assert all(torch.equal(PROMPTED[name], tensor) for name, tensor in before.items())


# Caches and encoder outputs


def test_a_callers_cache_is_filled(model):
    cache = EncoderDecoderCache(DynamicCache(), DynamicCache())
    grid = model.generate(**ONE, max_new_tokens=12, past_key_values=cache)
    assert torch.equal(grid, model.generate(**ONE, max_new_tokens=12))
    assert cache.get_seq_length() == grid.shape[1] - 1


def test_generation_continues_from_a_cache(model):
    whole = model.generate(**ONE, max_new_tokens=16)
    cache = EncoderDecoderCache(DynamicCache(), DynamicCache())
    first = model.generate(
        **ONE, max_new_tokens=16, past_key_values=cache, stopping_criteria=[lambda ids, _: stop(ids, 8)]
    )
    more = model.generate(**texts(9), decoder_input_ids=first, max_new_tokens=9, past_key_values=cache)
    assert torch.equal(more, whole)


def stop(ids: torch.Tensor, length: int) -> torch.Tensor:
    return torch.full((ids.shape[0],), ids.shape[1] >= length)


@pytest.mark.parametrize("name", ["cache", "past_key_values"])
def test_a_cache_that_contains_the_whole_prompt_is_refused(model, name):
    cache = EncoderDecoderCache(DynamicCache(), DynamicCache())
    grid = model.generate(**ONE, max_new_tokens=12, **{name: cache})
    assert torch.equal(grid, model.generate(**ONE, max_new_tokens=12))
    assert cache.get_seq_length() == grid.shape[1] - 1
    with pytest.raises(ValueError, match="must not be cached"):
        model.generate(**ONE, max_new_tokens=12, **{name: cache})


def test_a_static_cache_has_room_for_every_row_but_the_last_or_max_cache_len(model):
    for longest, rows in ((None, 1 + 12 - 1), (40, 40)):
        wanted = {"cache_implementation": "static", "max_cache_len": longest, "return_dict_in_generate": True}
        kept = cache_in(model.generate(**ONE, max_new_tokens=12, **wanted))
        assert {layer.keys.shape[2] for layer in kept.self_attention_cache.layers} == {rows}
        assert {layer.keys.shape[2] for layer in kept.cross_attention_cache.layers} == {9}


def test_logits_to_keep_has_no_effect(model):
    expected = model.generate(**ONE, max_new_tokens=12)
    assert torch.equal(model.generate(**ONE, max_new_tokens=12, logits_to_keep=0), expected)


def test_positions_continue_after_the_prompt(model):
    expected, rows = model.generate(**PROMPTED, max_new_tokens=12), torch.arange(7)[None]
    settings = {**PROMPTED, "max_new_tokens": 12}
    assert torch.equal(model.generate(**settings, decoder_position_ids=rows), expected)
    later = model.generate(**settings, decoder_position_ids=rows + 5, guidance_scale=1.0)
    assert torch.equal(later, expected), "only differences of positions count"
    spread = model.generate(**settings, decoder_position_ids=3 * rows)
    assert not torch.equal(spread, expected)


@pytest.mark.parametrize("guidance", [None, 3.0])
def test_positions_can_differ_between_clips(model, guidance):
    own = torch.stack([torch.arange(7), 2 * torch.arange(7), 3 * torch.arange(7)])
    settings = {"max_new_tokens": 12, "guidance_scale": guidance}
    together = model.generate(**PROMPTED, decoder_position_ids=own, **settings)
    for index in range(3):
        alone = model.generate(**row(PROMPTED, index), decoder_position_ids=own[index : index + 1], **settings)[0]
        assert torch.equal(together[index, : len(alone)], alone)


@pytest.mark.parametrize("guidance", [None, 3.0])
def test_encoder_outputs_give_the_same_codes_as_the_text(model, guidance):
    text = texts(9, 4)
    with torch.no_grad():
        encoded = model.get_encoder()(**text)
    settings = {"max_new_tokens": 12, "guidance_scale": guidance}
    expected = model.generate(**text, **settings)
    got = model.generate(encoder_outputs=encoded, attention_mask=text["attention_mask"], **settings)
    assert torch.equal(got, expected)


def test_a_cache_of_unknown_kind_is_refused(model):
    with pytest.raises(ValueError, match=r"cache_implementation='quantized' .* dynamic, static"):
        model.generate(**ONE, max_new_tokens=12, cache_implementation="quantized")


# The caller's rules


class MergesHalves(LogitsProcessor):
    def __call__(self, input_ids, scores):
        return sum(scores.chunk(2))


GUIDANCE = [DiaGuidanceLogitsProcessor(3.0), ClassifierFreeGuidanceLogitsProcessor(3.0)]


@pytest.mark.parametrize("guidance", [None, 1.0, 3.0])
@pytest.mark.parametrize("rule", GUIDANCE, ids=lambda rule: type(rule).__name__)
def test_guidance_in_logits_processor_is_refused(model, rule, guidance):
    with pytest.raises(ValueError, match=r"`logits_processor` contains .*Guidance.*; pass `guidance_scale`"):
        model.generate(**BATCH, max_new_tokens=12, logits_processor=[rule], guidance_scale=guidance)


def test_a_rule_that_merges_clips_is_refused(model):
    two = {name: tensor[:2] for name, tensor in BATCH.items()}
    with pytest.raises(ValueError, match="scores has 3 rows for 6 rows of input_ids"):
        model.generate(**two, max_new_tokens=12, logits_processor=LogitsProcessorList([MergesHalves()]))


# Sharded weights


@pytest.mark.parametrize("guidance", [None, 3.0])
def test_a_finished_process_runs_steps_until_all_have_finished(model, monkeypatch, guidance):
    reports, calls, expected = [], [], model.generate(**PROMPTED, max_new_tokens=12, guidance_scale=guidance)

    def others_take_four_more(self, finished, synced, device):
        reports.append(finished)
        return not finished or reports.count(True) <= 4

    def counted(self, *args, original=DiaDecoder.forward, **kwargs):
        calls.append(1)
        return original(self, *args, **kwargs)

    monkeypatch.setattr(generation_dia, "is_synced", lambda model, asked: True)
    monkeypatch.setattr(type(model), "_has_unfinished_sequences", others_take_four_more)
    monkeypatch.setattr(DiaDecoder, "forward", counted)
    grid = model.generate(**PROMPTED, max_new_tokens=12, guidance_scale=guidance)
    assert torch.equal(grid, expected)
    rows = reports.count(False)
    assert reports == [False] * rows + [True] * 5
    assert len(calls) == rows + 4, "all processes run the same number of steps"


def sharded(monkeypatch):
    monkeypatch.setattr("torch.distributed.fsdp.FSDPModule", DiaDecoder)  # as after `fully_shard()`


def wrapped(monkeypatch):
    monkeypatch.setattr(settings, "is_fsdp_managed_module", lambda model: True)


def of_deepspeed(monkeypatch):
    monkeypatch.setattr(settings, "is_deepspeed_zero3_enabled", lambda: True)


@pytest.mark.parametrize("shared", [sharded, wrapped, of_deepspeed])
def test_processes_with_sharded_weights_are_synchronized(model, monkeypatch, shared):
    shared(monkeypatch)
    assert settings.is_synced(model, None) is False, "there is no process group"
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    for processes, synced in ((1, False), (2, True)):
        monkeypatch.setattr(torch.distributed, "get_world_size", lambda size=processes: size)
        assert settings.is_synced(model, None) is synced
    assert settings.is_synced(model, False) is False


# Streaming


def test_a_streamer_gets_the_prompt_and_then_row_after_row(model):
    streamer = Rows()
    grid = model.generate(**PROMPTED, max_new_tokens=12, streamer=streamer)
    assert streamer.ended
    prompt, *rows = streamer.taken
    assert prompt.shape == (3, 7, CHANNELS)
    assert all(one.shape == (3, CHANNELS) for one in rows)
    assert torch.equal(torch.cat([prompt, torch.stack(rows, dim=1)], dim=1), grid)


# Threads


def run_in_threads(*calls):
    """The results of all calls, run in threads that start at the same time."""
    barrier, results = threading.Barrier(len(calls)), [None] * len(calls)

    def run(index: int) -> None:
        barrier.wait()
        results[index] = calls[index]()

    threads = [threading.Thread(target=run, args=(index,)) for index in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_guidance_is_not_stored_on_the_model(model):
    def call(scale):
        return lambda: model.generate(**BATCH, max_new_tokens=16, guidance_scale=scale, top_k=3)

    scales = (None, 3.0, 8.0)
    alone = [call(scale)() for scale in scales]
    before = set(vars(model))
    for _ in range(2):
        assert all(torch.equal(a, b) for a, b in zip(run_in_threads(*map(call, scales)), alone, strict=True))
    assert set(vars(model)) == before
    assert model.generation_config.guidance_scale is None


def test_threads_record_their_own_hidden_states(model):
    wanted = {"return_dict_in_generate": True, "output_hidden_states": True, "max_new_tokens": 8}

    def call(inputs):
        return lambda: model.generate(**inputs, **wanted)

    alone = [call(inputs)() for inputs in (ONE, BATCH)]
    for a, b in zip(run_in_threads(call(ONE), call(BATCH)), alone, strict=True):
        torch.testing.assert_close(a.decoder_hidden_states, b.decoder_hidden_states)
        torch.testing.assert_close(a.encoder_hidden_states, b.encoder_hidden_states)


# No host synchronization


class HostReads(TorchDispatchMode):
    """Counts operations that synchronize host and device."""

    WAITS = ("_local_scalar_dense", "item", "nonzero", "is_nonzero", "equal", "masked_select", "unique")

    def __init__(self) -> None:
        super().__init__()
        self.count: Counter[str] = Counter()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.overloadpacket.__name__
        by_mask = name == "index" and any(index is not None and index.dtype == torch.bool for index in args[1])
        self.count[name] += name in self.WAITS or by_mask
        return func(*args, **(kwargs or {}))


CASES = {
    "greedy": (BATCH, {}),
    "guided, sampled": (BATCH, {"do_sample": True, "guidance_scale": 3.0, "temperature": 1.2, "top_p": 0.9}),
    "prompts padded on the left": (PROMPTED, {"guidance_scale": 3.0}),
    "static cache": (PROMPTED, {"guidance_scale": 3.0, "cache_implementation": "static"}),
    "own generators": (BATCH, {"do_sample": True, "generator": [torch.Generator() for _ in range(3)]}),
}


@pytest.mark.parametrize(("inputs", "settings"), CASES.values(), ids=CASES)
def test_the_end_flag_is_the_only_host_sync_of_a_row(monkeypatch, inputs, settings):
    monkeypatch.setattr(runner.GraphRunner, "_compile", lambda self: self.step)  # as on a GPU, but not recorded
    endless = tiny_model()
    endless.logits_dense.weight.data[EOS] = 0

    def waits(rows: int) -> int:
        with HostReads() as reads:
            endless.generate(**inputs, **settings, max_new_tokens=rows, compile_config=CompileConfig())
        return sum(reads.count.values())

    assert waits(20) - waits(10) == 10


# Errors

REFUSED = {
    "prefix_allowed_tokens_fn": lambda batch, ids: [1],
    "assistant_model": object(),
    "negative_prompt_ids": torch.zeros(1, 3, dtype=torch.long),
    "negative_prompt_attention_mask": torch.ones(1, 3),
    "custom_generate": "somebody/loop",
    "stop_strings": ["(laughs)"],
    "token_healing": True,
    "prefill_chunk_size": 4,
    "encoder_repetition_penalty": 1.5,
    "encoder_no_repeat_ngram_size": 2,
}


@pytest.mark.parametrize(("name", "value"), REFUSED.items(), ids=REFUSED)
def test_unsupported_arguments_are_refused_by_name(model, name, value):
    with pytest.raises(ValueError, match=f"`{name}` is not supported by Dia"):
        model.generate(**ONE, max_new_tokens=12, **{name: value})


MODES = {
    "beam_search": {"num_beams": 2},
    "beam_sample": {"num_beams": 2, "do_sample": True},
    "contrastive_search": {"penalty_alpha": 0.6, "top_k": 4},
    "assisted_generation": {"prompt_lookup_num_tokens": 3},
    "dola_generation": {"dola_layers": "low"},
}


@pytest.mark.parametrize(("mode", "settings"), MODES.items(), ids=MODES)
def test_other_modes_are_refused_by_name(model, mode, settings):
    with pytest.raises(ValueError, match=mode):
        model.generate(**ONE, max_new_tokens=12, **settings)


def bad(**changes):
    return {**ONE, "max_new_tokens": 12, **changes}


def a_cache():
    return EncoderDecoderCache(DynamicCache(), DynamicCache())


LONGS = torch.long
WRONG = {
    "no text": ({"max_new_tokens": 12}, "input_ids"),
    "text of one dimension": (bad(input_ids=torch.ones(9, dtype=LONGS)), r"`input_ids` has shape \(9,\)"),
    "empty text": (bad(input_ids=torch.ones(1, 0, dtype=LONGS), attention_mask=None), r"`input_ids` has shape"),
    "text too long": (bad(**texts(TEXT_LIMIT + 1)), f"`input_ids` has {TEXT_LIMIT + 1} ids; the encoder's limit"),
    "mask of another length": (bad(attention_mask=torch.ones(1, 8)), r"`attention_mask` has shape \(1, 8\)"),
    "prompts of another batch": (bad(**prompts(0, 0)), r"`decoder_input_ids` has shape .* expected \[1, rows, 3\]"),
    "a flat prompt": (bad(decoder_input_ids=torch.full((1, 4), BOS)), "`decoder_input_ids` has shape"),
    "prompts of other channels": (bad(decoder_input_ids=torch.full((1, 4, 2), BOS)), "`decoder_input_ids` has shape"),
    "a prompt of nothing": (bad(decoder_input_ids=torch.full((1, 4, 3), PAD)), "`decoder_input_ids`"),
    "a code above the vocabulary": (
        bad(decoder_input_ids=torch.full((1, 4, 3), 99)),
        "`decoder_input_ids` contains 99",
    ),
    "a negative code": (bad(decoder_input_ids=torch.full((1, 4, 3), -1)), "`decoder_input_ids` contains -1"),
    "a byte above the vocabulary": (bad(input_ids=torch.full((1, 9), 256)), "`input_ids` contains 256"),
    "prompt mask of another batch": (bad(decoder_attention_mask=torch.ones(2, 4)), "`decoder_attention_mask`"),
    "prompt mask too short": (bad(decoder_attention_mask=torch.ones(1, 0)), "`decoder_attention_mask`"),
    "an unknown argument": (bad(guidence_scale=3.0), "guidence_scale"),
    "embeddings": (bad(inputs_embeds=torch.zeros(1, 9, 24)), "`inputs_embeds` is not supported by Dia"),
    "two caches": (bad(cache=a_cache(), past_key_values=a_cache()), "names of the same argument"),
    "a cache and a kind": (bad(cache=a_cache(), cache_implementation="static"), "are both given"),
    "positions too few": (bad(decoder_position_ids=torch.zeros(1, 0)), r"`decoder_position_ids` has shape \(1, 0\)"),
    "positions of another batch": (bad(decoder_position_ids=torch.zeros(2, 9)), "`decoder_position_ids` has shape"),
    "a PAD outside the vocabulary": (bad(pad_token_id=-1), "pad_token_id=-1"),
    "a BOS outside the vocabulary": (bad(decoder_start_token_id=VOCABULARY), f"decoder_start_token_id={VOCABULARY}"),
    "peers where there are none": (bad(synced_gpus=True), "`synced_gpus` needs a process group"),
    "text twice": (bad(inputs=texts(9)["input_ids"]), "input_ids"),
    "too few generators": (
        {**BATCH, **SAMPLED, "generator": [torch.Generator()] * 2},
        "`generator` must be a torch.Generator or a list of 3",
    ),
    "a seed in place of a generator": ({**BATCH, **SAMPLED, "generator": [1, 2, 3]}, "`generator`"),
}


@pytest.mark.parametrize(("arguments", "message"), WRONG.values(), ids=WRONG)
def test_invalid_input_is_refused_by_name(model, arguments, message):
    with pytest.raises(ValueError, match=message):
        model.generate(**arguments)


def test_invalid_input_sends_nothing_to_the_streamer(model):
    streamer = Rows()
    with pytest.raises(ValueError, match="generator"):
        model.generate(**BATCH, **SAMPLED, generator=[torch.Generator()] * 2, streamer=streamer)
    assert streamer.taken == []


def test_a_streamer_ends_when_generation_fails(model):
    class Fails(LogitsProcessor):
        def __call__(self, input_ids, scores):
            raise RuntimeError("broken rule")

    streamer = Rows()
    with pytest.raises(RuntimeError, match="broken rule"):
        model.generate(**ONE, max_new_tokens=12, streamer=streamer, logits_processor=LogitsProcessorList([Fails()]))
    assert streamer.ended, "a thread that plays the audio waits for the end"


# Other environments


def test_the_published_settings_run_on_another_size(config):
    model = tiny_model(config)
    model.generation_config = published_generation_config(config)
    assert model.generate(**ONE, generator=seeded(0), max_length=20).shape[1] <= 20 + max(PATTERN)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_generates(dtype):
    grid = tiny_model().to(dtype).generate(**PROMPTED, **SAMPLED, guidance_scale=3.0)
    assert grid.shape == (3, 7 + 12, CHANNELS)


def test_accelerate_places_the_model(model, tmp_path):
    pytest.importorskip("accelerate")
    model.save_pretrained(tmp_path)
    placed = type(model).from_pretrained(tmp_path, device_map="auto")
    assert torch.equal(placed.generate(**PROMPTED, max_new_tokens=12), model.generate(**PROMPTED, max_new_tokens=12))


def test_max_time_stops(model):
    grid = model.generate(**ONE, max_new_tokens=60, max_time=0.0)
    assert grid.shape[1] == 2


@pytest.mark.parametrize("rows", [2, 3])
def test_the_exporter_of_transformers_sees_every_step(model, rows):
    exporters = pytest.importorskip("transformers.exporters.utils", reason="this transformers exports nothing")
    parts = exporters.decompose_prefill_decode(copy.deepcopy(model), dict(texts(9, 4)), multi_token_decode=rows == 3)
    assert set(parts) == {"prefill", "decode"}
    assert [part[1]["decoder_input_ids"].shape for part in parts.values()] == [(2, 1, CHANNELS)] * 2
    assert all(CACHE in part[1] for part in parts.values())
