"""A clip that reaches the model's own length limit causes one warning, unless the call sets the limit."""

import warnings

import pytest
import torch
from tiny import BATCH, CHANNELS, EOS, ONE, PAD, PATTERN, PLAIN, PROMPTED, Rows, tiny_model
from tiny_checkpoint import write_tiny_checkpoint
from tiny_speech import tiny_speech
from transformers import GenerationConfig, pipeline

from dia import DiaWarning
from dia.decoding.call.inputs import Grid
from dia.decoding.call.overrun import overrun
from dia.model import Dia


def speaker():
    """A model that never ends by itself."""
    model = tiny_model()
    model.generation_config = GenerationConfig(max_length=12)  # rows; with the largest delay 15
    model.logits_dense.weight.data[EOS] *= 0
    return model


def found(call):
    with warnings.catch_warnings(record=True) as raised:
        warnings.simplefilter("always", DiaWarning)
        call()
    return [str(warning.message) for warning in raised if warning.category is DiaWarning]


@pytest.mark.parametrize("way", [{}, PLAIN], ids=["fast step", "plain loop"])
@pytest.mark.parametrize("inputs", [ONE, PROMPTED], ids=["one text", "prompts"])
def test_a_clip_that_reaches_the_models_limit_causes_a_warning(inputs, way):
    (said,) = found(lambda: speaker().generate(**inputs, **way))
    assert "did not end by itself within 15 rows, the model's own limit" in said
    assert "pass max_new_tokens" in said


def test_only_clips_that_did_not_end_are_found():
    ids = torch.zeros(3, CHANNELS, 15, dtype=torch.long)
    ids[0, 0, 11] = EOS  # forced, so that the last channel ends in row 14
    ids[1, 0, 6], ids[1, 0, 7:] = EOS, PAD
    ids[2, 0, 10] = EOS  # just in time
    grid = Grid(ids.flatten(0, 1), ids.flatten(0, 1), None, 4, CHANNELS, PAD)
    assert overrun(grid, end=15, limit=15, delay_rows=max(PATTERN), eos=EOS) == [0]
    assert overrun(grid, end=14, limit=15, delay_rows=max(PATTERN), eos=EOS) == []  # stopped before the limit


def test_several_clips_are_numbered():
    (said,) = found(lambda: speaker().generate(**BATCH))
    assert said.startswith("clip 0, 1, 2 of 3 did not end")


@pytest.mark.parametrize("asked", [{"max_new_tokens": 11}, {"max_length": 12}, {"max_new_tokens": 20}], ids=str)
def test_a_requested_length_causes_no_warning(asked):
    assert found(lambda: speaker().generate(**ONE, **asked)) == []


def test_a_config_of_the_call_sets_a_limit_unless_it_equals_the_models():
    given = {length: GenerationConfig(max_length=length) for length in (12, 13)}
    assert found(lambda: speaker().generate(**ONE, generation_config=given[13])) == []
    assert len(found(lambda: speaker().generate(**ONE, generation_config=given[12]))) == 1  # as a pipeline passes it


def test_a_clip_stopped_by_a_streamer_causes_no_warning():
    class Leaving(Rows):
        @property
        def closed(self):
            return len(self.taken) > 4

    assert found(lambda: speaker().generate(**ONE, streamer=Leaving())) == []


def test_the_warning_points_at_the_caller():
    with pytest.warns(DiaWarning, match="own limit") as raised:
        speaker().generate(**ONE)
    assert raised[0].filename == __file__


def test_a_pipeline_warns_as_well(tmp_path):
    folder = write_tiny_checkpoint(tmp_path)
    speak = pipeline("text-to-speech", model=str(folder))
    speak.model.logits_dense.weight.data[EOS] *= 0
    (said,) = found(lambda: speak("[S1] Hello."))
    assert "did not end by itself" in said
    assert found(lambda: speak("[S1] Hello.", generate_kwargs={"max_new_tokens": 12})) == []


@pytest.mark.parametrize("way", ["generate", "stream", "pieces"])
def test_the_facade_warns_once(way):
    speech = tiny_speech(ends=0)  # its own limit is below what the text may take
    dia = Dia(speech.model, speech.processor)
    said = found(lambda: list(getattr(dia, way)("[S1] Good morning, everyone.", seed=1)))
    assert len([message for message in said if "did not end by itself" in message]) == 1
    assert not any("own limit" in message for message in said)
