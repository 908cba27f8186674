"""The stages of the embedded codec, from nothing and from a trained codec."""

import sys

import pytest
from transformers import DacModel

from dia.training.codec.initialization import MINI_CODEC, build_codec
from dia.training.mini import codec_stages


class Trainer:
    """Records what it would train."""

    def __init__(self, codec, *_, **__):
        self.codec = codec

    def run_all(self, recipes):
        self.recipes = recipes
        return self


@pytest.fixture
def command(monkeypatch, tmp_path):
    """Run the command; returns the trainer, and what would be saved from where."""
    monkeypatch.setattr(codec_stages, "CodecTrainer", Trainer)
    monkeypatch.setattr(codec_stages, "heldout_probe", lambda *_: None)

    def run(*options):
        made, saved = [], []
        train = codec_stages.train_codec
        monkeypatch.setattr(codec_stages, "train_codec", lambda *arguments: made.append(train(*arguments)))
        monkeypatch.setattr(codec_stages, "save_codec", lambda *folders: saved.append(folders))
        monkeypatch.setattr(sys, "argv", ["codec_stages", str(tmp_path), str(tmp_path / "out"), *options])
        codec_stages.main()
        assert saved == [(tmp_path / "out", tmp_path / "out" / "codec")]
        return made[0]

    return run


def test_a_new_codec_has_three_stages(command):
    trained = command()
    assert [recipe.stage for recipe in trained.recipes] == ["warmup", "joint", "decoder"]


def test_a_trained_codec_is_adapted(command, tmp_path):
    build_codec(MINI_CODEC, seed=5).save_pretrained(tmp_path / "start")
    trained = command("--start", str(tmp_path / "start"), "--joint-minutes", "7", "--decoder-minutes", "2")
    assert [(recipe.stage, recipe.seconds) for recipe in trained.recipes] == [("joint", 420), ("decoder", 120)]
    assert trained.recipes[1].discriminator == "hinge"
    wanted = DacModel.from_pretrained(tmp_path / "start").state_dict()
    assert all((value == wanted[name]).all() for name, value in trained.codec.state_dict().items())


def test_a_codec_of_other_sizes_is_refused(command, tmp_path, capsys):
    other = MINI_CODEC.to_dict() | {"codebook_size": 64}
    DacModel(type(MINI_CODEC)(**other)).save_pretrained(tmp_path / "other")
    with pytest.raises(SystemExit):
        command("--start", str(tmp_path / "other"))
    assert "'codebook_size': 64" in capsys.readouterr().err
