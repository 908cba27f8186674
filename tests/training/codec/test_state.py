"""An interrupted training of a codec: it resumes with the same result, and nothing is lost."""

import itertools
import json
import resource
from dataclasses import replace

import pytest
import torch
from transformers import DacModel

from dia.training.codec import state as state_module
from dia.training.codec.initialization import MINI_CODEC, build_codec
from dia.training.codec.state import STATE, read_state
from dia.training.codec.trainer import CodecTrainer, Diverged
from dia.training.mini.codec_stages import save_codec
from tests.training.codec.tiny_training import TINY, batches, recipe, tones, trainer

STAGES = [recipe("warmup", 3), recipe("joint", 6, refit_every=2, discriminator="hinge", discriminator_from=0.4)]


class Killed(BaseException):
    """Stands in for a signal."""


def killed_after(count):
    """Batches that end the process when more than `count` have been drawn in all."""

    def start(first):
        for number in itertools.count(first):
            if number >= count:
                raise Killed
            yield tones(4, seed=number)

    return start


def steps(training):
    return [(line["stage"], line["step"]) for line in training.journal.lines()]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    training = trainer(tmp_path_factory.mktemp("undisturbed"))
    training.run_all([replace(stage, save_every=2) for stage in STAGES])
    return training


@pytest.mark.parametrize("count", [1, 20])
def test_a_killed_run_ends_as_one_that_was_not(tmp_path, undisturbed, count):
    stages = [replace(stage, save_every=2) for stage in STAGES]
    killed = CodecTrainer(build_codec(TINY), killed_after(count), tmp_path)
    with pytest.raises(Killed):
        killed.run_all(stages)
    again = trainer(tmp_path)
    again.run_all(stages)
    assert steps(again) == steps(undisturbed)
    losses = [[line["loss"] for line in training.journal.lines()] for training in (again, undisturbed)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


def test_lines_of_steps_that_are_run_again_are_dropped(tmp_path):
    training = trainer(tmp_path)
    training.run(recipe("warmup", 2))
    with (tmp_path / "log.jsonl").open("a") as log:
        log.write('{"stage": "joint", "step": 1}\n{"stage": "jo')
    again = trainer(tmp_path)
    assert again.resume()
    assert steps(again) == [("warmup", 1), ("warmup", 2)]


def test_weights_and_optimizer_are_of_the_same_step_wherever_a_save_is_cut_off(tmp_path, monkeypatch):
    training = trainer(tmp_path)
    training.run(recipe("warmup", 2))
    monkeypatch.setattr(state_module.os, "replace", lambda *paths: (_ for _ in ()).throw(Killed()))
    monkeypatch.setattr("dia.runtime.files.atomic.os.replace", lambda *paths: (_ for _ in ()).throw(Killed()))
    with pytest.raises(Killed):
        training.run(recipe("joint", 2))
    state = read_state(tmp_path)
    assert (state["progress"]["stage"], state["progress"]["step"]) == ("warmup", 2)
    assert {int(moments["step"]) for moments in state["optimizer"]["state"].values()} == {2}
    assert [path.name for path in tmp_path.glob("*part*")] == []


def test_a_full_disk_is_reported_and_leaves_the_state_before(tmp_path):
    training = trainer(tmp_path)
    training.run(recipe("warmup", 2))
    before = (tmp_path / STATE).read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) // 2, limits[1]))
    try:
        with pytest.raises(OSError, match=r"state\.pt cannot be written .* Free disk space"):
            training.run(recipe("joint", 2))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert (tmp_path / STATE).read_bytes() == before
    assert [path.name for path in tmp_path.iterdir() if path.is_file() and path.name != "log.jsonl"] == [STATE]


def test_too_little_disk_space_is_reported_before_the_first_step(tmp_path, monkeypatch):
    usage = state_module.shutil.disk_usage(tmp_path)
    monkeypatch.setattr(state_module.shutil, "disk_usage", lambda folder: usage._replace(free=1000))
    with pytest.raises(OSError, match=r"has 0 MB free; saving needs \d+ MB"):
        trainer(tmp_path)


def test_a_loss_that_is_no_number_names_its_step_and_keeps_the_state(tmp_path):
    def spoilt(first):
        yield from (tones(4, seed=number) for number in range(first, 5))
        yield torch.full((4, 1600), torch.nan)

    training = CodecTrainer(build_codec(TINY), spoilt, tmp_path)
    with pytest.raises(Diverged, match=r"stage warmup, step 6: loss is nan.*lower learning rate"):
        training.run(recipe("warmup", 10, save_every=4))
    state = read_state(tmp_path)
    assert state["progress"]["step"] == 4
    assert all(weight.isfinite().all() for weight in state["codec"].values())


def test_a_state_of_other_sizes_is_refused_by_name(tmp_path):
    trainer(tmp_path).run(recipe("warmup", 1))
    other = type(TINY)(**{**state_module.sizes_of(TINY), "codebook_size": 32})
    with pytest.raises(ValueError, match=r"from a codec with codebook_size 16, not 32"):
        CodecTrainer(build_codec(other), batches, tmp_path).resume()


def test_a_state_begun_from_other_weights_is_refused(tmp_path):
    trainer(tmp_path).run(recipe("warmup", 1))
    with pytest.raises(ValueError, match="started from another codec, or with another seed"):
        CodecTrainer(build_codec(TINY, seed=9), batches, tmp_path).resume()


def test_a_damaged_state_is_refused_with_the_remedy(tmp_path):
    (tmp_path / STATE).write_bytes(b"PK\x03\x04 no state")
    with pytest.raises(ValueError, match=r"state\.pt cannot be read .* Delete it"):
        trainer(tmp_path).resume()


@pytest.fixture
def older(tmp_path):
    """A folder as written before states had their optimizer inside and their log beside them."""
    training = trainer(tmp_path / "new")
    training.run(recipe("warmup", 3))
    state, folder = read_state(tmp_path / "new"), tmp_path / "older"
    folder.mkdir()
    log = [{"stage": "warmup", "step": step, "loss": 1.0} for step in (1, 2, 3)]
    progress = {"stage": "warmup", "step": 3, "seconds": 0.5, "finished": [], "log": log}
    torch.save({"codec": state["codec"], "average": state["average"], "progress": progress}, folder / STATE)
    torch.save(state["optimizer"], folder / "optimizer.pt")
    return folder


def test_an_older_state_goes_on_with_its_optimizer_and_its_log(older):
    assert read_state(older)["optimizer"] is not None
    training = trainer(older)
    training.run_all([recipe("warmup", 5)])
    assert steps(training) == [("warmup", step) for step in (1, 2, 3, 4, 5)]
    assert {int(moments["step"]) for moments in read_state(older)["optimizer"]["state"].values()} == {5}


def test_an_older_optimizer_of_another_step_is_left_alone(older):
    optimizer = torch.load(older / "optimizer.pt", weights_only=True)
    next(iter(optimizer["state"].values()))["step"] += 100
    torch.save(optimizer, older / "optimizer.pt")
    assert read_state(older)["optimizer"] is None


def test_an_older_state_of_another_codec_is_refused(older, tmp_path):
    with pytest.raises(ValueError, match=r"from another codec: encoder\.conv1\.weight"):
        save_codec(older, tmp_path / "codec")


def test_the_mini_codec_is_written_from_a_state_in_16_bits(tmp_path):
    codec = build_codec(MINI_CODEC)
    progress = {"stage": "joint", "step": 0, "seconds": 0.0, "finished": [], "log": []}
    weights = codec.state_dict()
    torch.save({"codec": weights, "average": weights, "progress": progress}, tmp_path / STATE)
    save_codec(tmp_path, tmp_path / "codec")
    written = DacModel.from_pretrained(tmp_path / "codec")
    assert {weight.dtype for weight in written.parameters()} == {torch.float16}
    assert json.loads((tmp_path / "codec" / "config.json").read_text())["codebook_size"] == 256


def test_nothing_to_resume_begins_a_new_log(tmp_path):
    (tmp_path / "log.jsonl").write_text('{"stage": "old"}\n')
    training = trainer(tmp_path)
    assert not training.resume()
    assert training.journal.lines() == []
