"""After a warm-up, nothing is built for a clip, and the engine has the slots that were asked for."""

import pytest
import torch
from tiny import EOS, INPUTS, ONE, PLAIN, tiny_model
from tiny_speech import tiny_speech
from transformers import CompileConfig, GenerationConfig

from dia.decoding.engine import engine_of
from dia.decoding.step import runner
from dia.kernels import compile as kernel_compilation
from dia.kernels import decoder
from dia.model import Dia
from tests.decoding.step.as_recorded import COUNTED, MASKED, record_plainly

SAMPLING = {"do_sample": True, "guidance_scale": 3.0, "temperature": 1.2, "top_k": 20, "max_length": 40}


@pytest.fixture
def model():
    endless = tiny_model()
    endless.logits_dense.weight.data[EOS] = 0
    endless.generation_config = GenerationConfig(**SAMPLING)
    return endless


@pytest.fixture(params=[MASKED, COUNTED], ids=lambda attention: attention.name)
def built(request, monkeypatch):
    return record_plainly(monkeypatch, request.param)


def clip(model, **settings):
    inputs = {**ONE, "generator": torch.Generator().manual_seed(1), **settings}
    return engine_of(model).submit(model.slot_request(**inputs)).result(60)


def test_no_clip_builds_anything_after_a_warm_up(model, built):
    model.warm_up(slots=4)
    before = list(built.spans), list(built.steps)
    assert built.spans
    for settings in ({}, {"max_new_tokens": 5}, {"temperature": 0.7}, {"guidance_scale": 1.5}, {"max_length": 60}):
        clip(model, **settings)
    if (thread := engine_of(model)._state.thread) is not None:
        thread.join(60)  # it may still have the step after the last result
    for inputs in INPUTS.values():
        if len(inputs["input_ids"]) == 3:  # rounded up to 4 slots
            model.generate(**inputs)
    assert (built.spans, built.steps) == before


def test_without_a_warm_up_the_first_clip_builds(model, built):
    clip(model)
    assert built.spans


def test_a_second_warm_up_builds_nothing(model, built):
    first = model.warm_up()
    before = list(built.spans), list(built.steps)
    assert model.warm_up().step == first.step
    assert (built.spans, built.steps) == before


def test_a_warm_up_does_not_change_the_codes(model, built):
    expected = model.generate(**ONE, generator=torch.Generator().manual_seed(1), **PLAIN)[0]
    model.warm_up(slots=2)
    assert torch.equal(clip(model), expected)


def test_a_compiled_step_is_compiled_for_all_lengths(model, monkeypatch):
    prepared = []
    monkeypatch.setattr(runner.GraphRunner, "_compile", lambda self: lambda span: prepared.append(span))
    model.generation_config.compile_config = CompileConfig()
    with torch.no_grad(), runner.runner_for(model, model.slot_request(**ONE).config) as found:
        found.prepare()
        assert sorted(prepared) == list(found.step.spans)


def test_no_kernel_is_loaded_for_a_clip_after_a_warm_up(monkeypatch):
    loaded, compiled = [], kernel_compilation.compiled

    def counted(source, *flags):
        loaded.append(source.name)
        return compiled(source, *flags)

    monkeypatch.setattr(kernel_compilation, "compiled", counted)
    model = tiny_model().bfloat16()
    model.generation_config = GenerationConfig(**SAMPLING)
    decoder._kernel.cache_clear()
    model.warm_up()
    before = list(loaded)
    clip(model)
    assert loaded == before
    decoder._kernel.cache_clear()
    clip(model)
    mine = decoder._SOURCE.name
    assert loaded.count(mine) == 2 * before.count(mine), "the clip asks for the kernels that this CPU has"


def test_the_engine_has_the_slots_that_were_asked_for(model):
    found = model.warm_up(slots=3)
    assert engine_of(model).load().slots == found.step.slots == 3
    assert model.warm_up().step.slots == 3, "as before"


@pytest.mark.parametrize(("slots", "error"), [(0, ValueError), (-1, ValueError), (2.5, TypeError), (True, TypeError)])
def test_wrong_slots_are_refused(model, slots, error):
    with pytest.raises(error, match="slots"):
        model.warm_up(slots=slots)


def test_a_model_that_needs_the_plain_loop_says_why(model):
    model.model.decoder.layers[0].register_forward_hook(lambda *_: None)
    found = model.warm_up()
    assert found.step is None
    assert "with the plain loop, because decoder.layers.0 has a hook" in str(found)


def test_the_facade_also_decodes_and_reports_the_time(capsys, monkeypatch):
    speaker = tiny_speech()
    dia, decoded = Dia(speaker.model, speaker.processor), []
    sound = type(speaker).sound
    monkeypatch.setattr(type(speaker), "sound", lambda self, codes: decoded.append(codes) or sound(self, codes))
    found = dia.warm_up(slots=2, verbose=True)
    assert found.seconds > 0
    assert len(decoded) == 1
    assert str(found) in capsys.readouterr().err
    assert str(found).startswith("ready after ")
    assert "2 slots of" in str(found)


def test_without_a_codec_the_facade_warms_the_model_up():
    speaker = tiny_speech()
    speaker.processor.audio_tokenizer = None
    assert Dia(speaker.model, speaker.processor).warm_up().step is not None
