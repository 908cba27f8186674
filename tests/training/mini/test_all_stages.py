"""Every stage of the build, from texts to voices, on a corpus of hums; only the training of the codec is replaced."""

import dataclasses
import json
import random
import sys

import numpy as np
import pytest
import torch
from transformers import DacConfig, DacModel

from dia.modeling_dia import DiaForConditionalGeneration
from dia.processing_dia import DiaProcessor
from dia.training.mini import build, codec_stages
from dia.training.mini import encoding as mini_encoding
from dia.training.mini.pretraining import trainer as language_trainer
from dia.training.mini.pretraining.initialization import mini_config
from dia.training.mini.teacher.corpus import split_of
from dia.training.mini.teacher.natural import production
from dia.training.mini.teacher.natural import pronunciations as lexicon
from dia.training.mini.teacher.natural.plan import Recipe, Role
from dia.training.mini.teacher.natural.teachers.teacher import Speech, timed
from dia.training.mini.teacher.natural.texts.mixture import Text

SYMBOLS = {letter: f"ˈ{letter}" if letter in "aiu" else letter for letter in "abdfhiklmnpstuvwz"}
_DRAWN = [
    " ".join(random.Random(number).choices(["lad", "tub", "is", "a", "mad", "fit", "him"], k=3))
    for number in range(900)
]
_HELD_OUT = [text for text in dict.fromkeys(_DRAWN) if split_of(text) == "heldout"]
TEXTS = [Text(f"{text}.", f"{text}.", "prose") for text in [*_HELD_OUT, *dict.fromkeys(_DRAWN)]]
ROLES = (Role("S1", "hum", "heart", 2.0), Role("S2", "hum", "am_low", 1.0), Role("am_high", "hum", "am_high", 1.0))
RECIPE = Recipe(rate=16_000, shard_clips=5, limit=0.0, roles=ROLES)


def symbols_of(text):
    return "".join(SYMBOLS.get(letter, letter) for letter in text.lower() if letter in SYMBOLS or letter in " ,.")


class Humming:
    """A teacher whose phones are letters, each a short hum."""

    voices = ("heart", "am_low", "am_high", "bf_emma", "am_fenrir")

    def say(self, text, voice, tempo=1.0):
        symbols = symbols_of(text)
        pitch = 0.1 + 0.05 * self.voices.index(voice)
        voiced = np.repeat([symbol.isalpha() for symbol in symbols], 400)
        hum = voiced * 0.3 * np.sin(np.arange(400 * len(symbols)) * pitch).astype(np.float32)
        return Speech(hum, 16_000, tuple(timed(symbols, [1] * len(symbols), 400 / 16_000)))


class Reading:
    """Reads words as `Humming` speaks them."""

    def __call__(self, word, tag=""):
        return symbols_of(word)

    def knows(self, word):
        return True

    def words(self):
        return {"lad", "tub", "is", "a", "mad"}

    def spelled(self, capitals):
        return symbols_of(capitals)


class Texts:
    def __init__(self, packages, never):
        pass

    def stream(self, seed):
        return iter(TEXTS)


@pytest.fixture
def stubs(monkeypatch):
    monkeypatch.setattr(build, "CorpusRecipe", lambda: RECIPE)
    monkeypatch.setattr(build, "LEAST_CLIPS", 1)
    for module in (production, build):
        monkeypatch.setattr(module, "open_teacher", lambda name, packages: Humming())
    monkeypatch.setattr(production, "Texts", Texts)
    monkeypatch.setattr(lexicon, "Reader", Reading)
    monkeypatch.setattr(lexicon, "listed", list)
    monkeypatch.setattr(lexicon, "listed_lines", lambda: [])
    monkeypatch.setattr(build, "train_codec", lambda *arguments: None)
    monkeypatch.setattr(build, "save_codec", lambda state, folder: tiny_codec().half().save_pretrained(folder))
    monkeypatch.setattr(codec_stages, "MINI_CODEC", tiny_codec().config)
    monkeypatch.setattr(language_trainer, "mini_config", tiny_config)
    monkeypatch.setattr(language_trainer, "UNTIMED_STEPS", 0)
    monkeypatch.setattr(mini_encoding, "ROW_FRAMES", 60)


def tiny_codec():
    torch.manual_seed(0)
    sizes = {"encoder_hidden_size": 4, "decoder_hidden_size": 8, "downsampling_ratios": [8, 40], "codebook_dim": 2}
    return DacModel(DacConfig(sampling_rate=16_000, n_codebooks=2, codebook_size=16, **sizes))


def tiny_config(codes, channels, phones):
    config = mini_config(codes, channels, phones)
    config.encoder_config.num_hidden_layers = 1
    config.decoder_config.num_hidden_layers = 3
    config.decoder_config.intermediate_size = config.encoder_config.intermediate_size = 32
    return config


def run(folder, *options):
    minutes = [
        *("--minutes-codec", "1", "--minutes-speakers", "0.002"),
        *("--minutes-language", "0.005", "--minutes-decoder", "1"),
    ]
    paths = ["--work", str(folder / "work"), "--out", str(folder / "mini")]
    return build.main([*paths, "--workers", "1", "--no-compile", *minutes, *options])


@pytest.mark.filterwarnings("ignore::dia.DiaWarning")
def test_a_checkpoint_that_speaks_is_made_from_nothing(stubs, tmp_path, capsys):
    assert run(tmp_path, "--clips", "40") == 0, capsys.readouterr().err
    model = DiaForConditionalGeneration.from_pretrained(tmp_path / "mini", dtype=torch.float32)
    processor = DiaProcessor.from_pretrained(tmp_path / "mini")
    grid = model.generate(**processor(text="[S1] A mad tub. [S2] It is!"), max_new_tokens=12, do_sample=False)
    assert processor.batch_decode(grid)[0].numel()
    assert processor.tokenizer("tub")["input_ids"][0] > 255
    assert processor.speaker_encoder is not None
    assert {path.stem for path in (tmp_path / "mini" / "voices").iterdir()} == {"clara", "bruno"}
    log = (tmp_path / "work" / "stages.jsonl").read_text().splitlines()
    assert [json.loads(line)["stage"] for line in log] == list(build.STAGES)


def test_a_shard_that_is_added_later_is_used_and_nothing_is_done_twice(stubs, tmp_path, monkeypatch):
    assert run(tmp_path, "--clips", "10", "--stages", "speech,codec,codes,words") == 0
    first = {path: path.stat().st_mtime_ns for path in (tmp_path / "work").rglob("*-0000*.*")}
    assert len(first) == 2 * 2 * 2
    assert run(tmp_path, "--clips", "15", "--stages", "speech,codes,words") == 0
    assert (tmp_path / "work" / "codes" / "codes-00002-0.npy").exists()
    assert {path: path.stat().st_mtime_ns for path in first} == first


def test_a_trained_codec_is_taken_and_only_its_decoder_is_trained(stubs, tmp_path, monkeypatch):
    trained = []
    monkeypatch.setattr(build, "train_codec", lambda *arguments: trained.append(arguments))
    tiny_codec().save_pretrained(tmp_path / "given")
    options = "--codec", str(tmp_path / "given"), "--clips", "10", "--stages", "speech,codec,decoder"
    assert run(tmp_path, *options) == 0
    ((_, _, recipes, _, start, predicted),) = trained
    assert predicted is None
    assert [recipe.stage for recipe in recipes] == ["decoder"]
    wanted = {name: value.half().float() for name, value in tiny_codec().state_dict().items()}
    assert all(torch.equal(value, wanted[name]) for name, value in start.state_dict().items())


def test_a_codec_of_other_sizes_is_refused(stubs, tmp_path, monkeypatch, capsys):
    tiny_codec().save_pretrained(tmp_path / "given")
    monkeypatch.undo()
    assert run(tmp_path, "--codec", str(tmp_path / "given"), "--stages", "codec") == 1
    assert "'codebook_size': 16" in capsys.readouterr().err


def test_the_decoder_learns_from_the_language_models_codes(stubs, tmp_path, monkeypatch):
    trained = []
    monkeypatch.setattr(build, "train_codec", lambda *arguments: trained.append(arguments))
    monkeypatch.setattr(build, "SEGMENT_FRAMES", 4)
    assert run(tmp_path, "--clips", "40", "--stages", ",".join(build.STAGES)) == 0
    audio, codes = next(trained[-1][-1](0))
    assert audio.shape == (3, 4 * 320)
    assert codes.shape == (3, 4, 2)


def test_a_corpus_elsewhere_is_used(stubs, tmp_path):
    assert run(tmp_path, "--clips", "10", "--stages", "speech", "--speech", str(tmp_path / "corpus")) == 0
    assert run(tmp_path, "--stages", "codec,codes", "--speech", str(tmp_path / "corpus")) == 0
    assert len(list((tmp_path / "work" / "codes").glob("*.npy"))) == 2


def test_a_finished_corpus_needs_no_teacher(stubs, tmp_path, monkeypatch):
    assert run(tmp_path, "--clips", "10", "--stages", "speech") == 0
    monkeypatch.setattr(production, "open_teacher", lambda name, packages: sys.exit("a teacher was opened"))
    assert run(tmp_path, "--clips", "10", "--stages", "speech") == 0


def test_a_corpus_of_another_recipe_is_refused(stubs, tmp_path, monkeypatch, capsys):
    assert run(tmp_path, "--clips", "10", "--stages", "speech") == 0
    monkeypatch.setattr(build, "CorpusRecipe", lambda: dataclasses.replace(RECIPE, seed=1))
    assert run(tmp_path, "--clips", "10", "--stages", "speech") == 1
    assert "another seed" in capsys.readouterr().err
