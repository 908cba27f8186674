"""The assembled checkpoint loads and speaks, has a model card, and replaces an old one cleanly."""

import json

import pytest
import torch
from transformers import DacConfig, DacModel

from dia.modeling_dia import DiaForConditionalGeneration
from dia.processing_dia import DiaProcessor
from dia.text.lexicon import Pronunciations
from dia.text.prompt_format import PromptFormat
from dia.training.mini.model_card import figures_table
from dia.training.mini.packaging import PROMPT_FORMAT, SAMPLING, assemble
from dia.training.mini.pretraining.initialization import mini_config
from dia.training.mini.teacher.english import vocabulary
from dia.training.mini.teacher.sounds import SOUNDS

FIGURES = {
    "figures": {
        "word_error_S1": {"value": 0.3, "of": 200, "low": 0.25, "high": 0.352},
        "word_error_S2": {"value": 0.2, "of": 200, "low": 0.15, "high": 0.25},
        "opinion_score_S1": {"value": 2.5, "of": 200, "low": 2.45, "high": 2.551},
        "realtime_S1": {"value": 3.13, "of": 1},
        "realtime_S2": {"value": 4.0, "of": 1},
        "ended": {"value": 0.99, "of": 300, "low": 0.97, "high": 1.0},
        "own_voice": {"value": 0.85, "of": 60, "low": 0.74, "high": 0.92},
        "closer": {"value": 0.1, "of": 20, "low": 0.05, "high": 0.15},
    },
}


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    folder = tmp_path_factory.mktemp("parts")
    torch.manual_seed(0)
    config = mini_config(16, 2)
    config.encoder_config.num_hidden_layers = config.decoder_config.num_hidden_layers = 1
    DiaForConditionalGeneration(config).save_pretrained(folder / "language")
    sizes = {"encoder_hidden_size": 4, "decoder_hidden_size": 8, "hidden_size": 16, "codebook_dim": 2}
    ratios = {"downsampling_ratios": [2, 4], "upsampling_ratios": [4, 2]}
    codec = DacModel(DacConfig(n_codebooks=2, codebook_size=16, sampling_rate=160, **sizes, **ratios))
    codec.half().save_pretrained(folder / "codec")
    log = [{"minutes": 2.0, "step": 7, "validation": [5.0], "gap": 0.5}]
    (folder / "log.jsonl").write_text("\n".join(map(json.dumps, log)), encoding="utf-8")
    (folder / "figures.json").write_text(json.dumps(FIGURES), encoding="utf-8")
    (folder / "drawn.png").write_bytes(b"drawn")
    return folder


def test_the_folder_loads_and_speaks(parts, tmp_path):
    assemble(parts / "language", parts / "codec", tmp_path / "mini")
    model = DiaForConditionalGeneration.from_pretrained(tmp_path / "mini", dtype=torch.float32)
    processor = DiaProcessor.from_pretrained(tmp_path / "mini")
    grid = model.generate(**processor(text="[S1] Hello."), max_new_tokens=12, do_sample=False)
    assert processor.batch_decode(grid)[0].dtype == torch.float32


def test_weights_are_stored_in_half_precision_and_the_codec_is_read_in_full(parts, tmp_path):
    assemble(parts / "language", parts / "codec", tmp_path / "mini")
    assert DiaForConditionalGeneration.from_pretrained(tmp_path / "mini").dtype == torch.bfloat16
    assert DiaProcessor.from_pretrained(tmp_path / "mini").audio_tokenizer.dtype == torch.float32
    stored = (tmp_path / "mini" / "audio_tokenizer" / "model.safetensors").stat().st_size
    assert stored < 2.5 * DacModel.from_pretrained(parts / "codec").num_parameters() + 30_000


def test_vocabulary_sampling_and_limits_come_with_it(parts, tmp_path):
    assemble(parts / "language", parts / "codec", tmp_path / "mini")
    settings = json.loads((tmp_path / "mini" / "generation_config.json").read_text())
    assert {name: settings[name] for name in SAMPLING} == SAMPLING
    assert settings["max_length"] == 30 * 160 / 8
    assert (tmp_path / "mini" / "vocabulary.txt").read_text().split() == list(vocabulary())


def test_the_prompt_format_is_the_embedded_models(parts, tmp_path):
    assemble(parts / "language", parts / "codec", tmp_path / "mini")
    loaded = DiaForConditionalGeneration.from_pretrained(tmp_path / "mini").generation_config
    assert {name: getattr(loaded, name) for name in PROMPT_FORMAT} == PROMPT_FORMAT
    assert PromptFormat.of(loaded).closing_tag is False


def test_pronunciations_come_with_it(parts, tmp_path):
    Pronunciations(["g", "ow1"], {"go": "g ow1"}).save(tmp_path / "words")
    assemble(parts / "language", parts / "codec", tmp_path / "mini", tmp_path / "words")
    tokenizer = DiaProcessor.from_pretrained(tmp_path / "mini").tokenizer
    assert tokenizer("go")["input_ids"] == [256, 257]


def test_the_card_contains_figures_run_and_ethics(parts, tmp_path):
    assemble(
        parts / "language",
        parts / "codec",
        tmp_path / "mini",
        log=parts / "log.jsonl",
        figures=parts / "figures.json",
        spectrograms=parts / "drawn.png",
        data="Much.",
    )
    card = (tmp_path / "mini" / "README.md").read_text()
    for fact in ("Much.", "7 steps in 2 minutes", "0.50 more with another text", "without consent", "Apache-2.0"):
        assert fact in card
    assert f"the {len(vocabulary()):,} words" in card
    assert all(f"`{tag}`" in card for tag in SOUNDS)
    assert "| ends by itself | 99.0 % [97.0, 100.0] | 300 |" in card
    assert (tmp_path / "mini" / "curves.png").exists() == ("curves.png" in card)
    assert (tmp_path / "mini" / "spectrograms.png").read_bytes() == b"drawn"
    assert "(spectrograms.png)" in card


def test_without_measurements_the_card_says_so(parts, tmp_path):
    assemble(parts / "language", parts / "codec", tmp_path / "mini")
    card = (tmp_path / "mini" / "README.md").read_text()
    assert "Not measured yet." in card
    assert ".png" not in card


def test_notes_on_the_weights_stand_before_the_limits(parts, tmp_path):
    (notes := tmp_path / "notes.md").write_text("## What failed\n- All {of} it.\n")
    assemble(parts / "language", parts / "codec", tmp_path / "mini", notes=notes)
    assert "\n## What failed\n- All {of} it.\n\n## Limits\n" in (tmp_path / "mini" / "README.md").read_text()


def test_a_failed_assembly_leaves_the_old_folder(parts, tmp_path):
    old = tmp_path / "mini" / "README.md"
    old.parent.mkdir()
    old.write_text("old")
    with pytest.raises(OSError, match="nothing"):
        assemble(parts / "language", parts / "nothing", tmp_path / "mini")
    assert old.read_text() == "old"


def test_figures_become_tables_with_their_intervals():
    table = figures_table(FIGURES)
    assert "| word error, everyday sentences | 30.0 % [25.0, 35.2] | 20.0 % [15.0, 25.0] |" in table
    assert "| Distill-MOS, from 1 to 5 | 2.50 [2.45, 2.55] | not measured |" in table
    assert "| times faster than real time, one thread | 3.13 | 4.00 |" in table
    assert "the nearest to the new speech | 85.0 % [74.0, 92.0] | 60 |" in table
    assert "less that to other women | 0.10 [0.05, 0.15] | 20 |" in table
    assert "digits" not in table


def test_what_was_not_measured_is_left_out():
    assert "sounds" not in figures_table({"figures": {}})
