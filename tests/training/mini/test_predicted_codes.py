"""The model's own codes: known channels are kept, clips end where they should, and batches fit the audio."""

import numpy as np
import pytest
import torch
from transformers import DacConfig, DacModel

from dia.decoding.grid import Channels
from dia.modeling_dia import DiaForConditionalGeneration
from dia.text.lexicon import Pronunciations
from dia.training.data import code_cache
from dia.training.mini import predicted_codes
from dia.training.mini.encoding import sound_of
from dia.training.mini.predicted_codes import KnownChannels, predict, predict_codes, predicted_batches
from dia.training.mini.pretraining.initialization import mini_config
from dia.training.mini.teacher.natural.corpus import read_shard, write_shard

RATE, HOP, FRAMES = 16_000, 320, 6
TEXTS = ["a mad tub", "fit him", "is it", "a lad"]
LABELS = [["x", 0.0, 0.05], ["y", 0.05, 0.1]]


@pytest.fixture(scope="module")
def codec():
    torch.manual_seed(0)
    sizes = {"encoder_hidden_size": 4, "decoder_hidden_size": 8, "downsampling_ratios": [8, 40], "codebook_dim": 2}
    return DacModel(DacConfig(sampling_rate=RATE, n_codebooks=2, codebook_size=16, **sizes)).eval()


@pytest.fixture(scope="module")
def model():
    config = mini_config(16, 2, 0)
    config.encoder_config.num_hidden_layers = config.decoder_config.num_hidden_layers = 1
    torch.manual_seed(0)
    return DiaForConditionalGeneration(config).eval()


@pytest.fixture
def folders(tmp_path, codec, model, monkeypatch):
    """A corpus of one shard, its codes, and a language model; the third clip is held out, the fourth another voice."""
    rng = np.random.default_rng(0)
    audio = {
        text: (3000 * rng.standard_normal(HOP * (8 + 2 * place))).astype(np.int16) for place, text in enumerate(TEXTS)
    }
    lines = [
        {"typed": text, "spoken": text, "kind": "prose", "split": split, "speaker": speaker, "teacher": "hum"}
        | {"voice": "heart", "tempo": 1.0, "labels": LABELS}
        for text, split, speaker in zip(
            TEXTS, ("train", "train", "heldout", "train"), ("S1", "S2", "S1", "am_high"), strict=True
        )
    ]
    (tmp_path / "corpus").mkdir()
    write_shard(tmp_path / "corpus", 7, [(line, audio[line["spoken"]]) for line in lines], RATE)
    code_cache.claim(tmp_path / "codes", codec)
    sounds = [sound_of(clip, RATE) for clip in read_shard(tmp_path / "corpus", 7)]
    grids = [rng.integers(0, 16, (-(-len(sound.audio) // HOP), 2)).astype(np.uint16) for sound in sounds]
    code_cache.write_shard(
        code_cache.index_of(tmp_path / "codes", 7, 0), grids, [{**sound.line, "seconds": 1.0} for sound in sounds]
    )
    model.save_pretrained(tmp_path / "language")
    monkeypatch.setattr(Pronunciations, "load", lambda path: None)
    return tmp_path


def run(folders, codec, **options):
    arguments = folders / "language", codec, folders / "codes", folders / "predicted", folders / "words"
    predict_codes(*arguments, **{"minutes": 1.0, **options})
    return code_cache.index_of(folders / "predicted", 7, 0)


@pytest.mark.parametrize("known", [[1, 2], [2, 1]])
def test_known_channels_are_kept_and_every_clip_ends_where_its_codes_end(model, known):
    codes = [torch.randint(0, 16, (length, 2)) for length in (5, 9)]
    made = predict(model, ["[S1] a", "[S2] longer"], codes, known, torch.Generator().manual_seed(0))
    assert [len(grid) for grid in made] == [5, 9]
    for grid, original, count in zip(made, codes, known, strict=True):
        assert torch.equal(grid[:, :count], original[:, :count])
        assert not torch.equal(grid[:, count:], original[:, count:]) or count == 2


def test_unknown_channels_are_the_models_choice(model):
    codes = [torch.randint(0, 16, (9, 2))]
    first, again, other = (
        predict(model, ["[S1] a"], codes, [1], torch.Generator().manual_seed(seed))[0] for seed in (0, 0, 1)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_scores_of_unknown_ids_are_unchanged():
    rule = KnownChannels([torch.tensor([[3, 4], [5, 6]])], [1], Channels([0, 1], bos=18, eos=16, pad=17))
    scores = torch.randn(2, 19)
    for rows, wanted in ((1, 3), (2, 5), (3, 16)):
        ruled = rule(torch.zeros(2, rows, dtype=torch.long), scores)
        assert ruled[0].isfinite().nonzero().flatten().tolist() == [wanted]
        assert torch.equal(ruled[1], scores[1])
    assert torch.equal(rule(torch.zeros(2, 9, dtype=torch.long), scores), scores)


def test_training_clips_of_the_main_voices_are_predicted(folders, codec):
    lines = code_cache.read_lines(run(folders, codec))
    assert sorted(line["text"].split("(")[0].strip() for line in lines) == ["a mad tub", "fit him"]
    assert all(1 <= line["known"] <= 4 for line in lines)


def test_what_exists_is_not_made_again(folders, codec):
    index = run(folders, codec)
    before = index.stat().st_mtime_ns
    run(folders, codec)
    assert index.stat().st_mtime_ns == before


def test_a_batch_is_the_recording_with_codes_of_the_same_place(folders, codec, monkeypatch):
    index = run(folders, codec)
    monkeypatch.setattr(predicted_codes, "RECORDED_SHARE", 0.0)
    sounds = {
        sound.line["text"]: sound.audio for sound in (sound_of(c, RATE) for c in read_shard(folders / "corpus", 7))
    }
    grids = {clip.text: clip.codes for clip in code_cache.clips_of(index)}
    audio, codes = next(predicted_batches(index.parent, folders / "codes", folders / "corpus", codec, FRAMES, 4))
    assert audio.shape == (4, FRAMES * HOP)
    assert codes.shape == (4, FRAMES, 2)
    for part, used in zip(audio.numpy(), codes.numpy(), strict=True):
        places = [
            (text, first)
            for text, grid in grids.items()
            for first in range(len(grid) - FRAMES + 1)
            if np.array_equal(grid[first : first + FRAMES], used)
        ]
        assert any(np.array_equal(sounds[text][first * HOP :][: FRAMES * HOP], part) for text, first in places)


def test_recorded_codes_are_used_for_a_share(folders, codec, monkeypatch):
    index = run(folders, codec)
    monkeypatch.setattr(predicted_codes, "RECORDED_SHARE", 1.0)
    recorded = {clip.text: clip.codes for clip in code_cache.clips_of(folders / "codes" / index.name)}
    _, codes = next(predicted_batches(index.parent, folders / "codes", folders / "corpus", codec, FRAMES, 2))
    windows = [grid[first : first + FRAMES] for grid in recorded.values() for first in range(len(grid) - FRAMES + 1)]
    assert all(any(np.array_equal(window, used) for window in windows) for used in codes.numpy())


def test_a_corpus_that_has_changed_is_refused(folders, codec):
    index = run(folders, codec)
    clips = code_cache.clips_of(folders / "codes" / index.name)
    lines = [line | {"text": "other"} for line in code_cache.read_lines(folders / "codes" / index.name)]
    code_cache.write_shard(folders / "codes" / index.name, [clip.codes for clip in clips], lines)
    with pytest.raises(ValueError, match="does not fit"):
        next(predicted_batches(index.parent, folders / "codes", folders / "corpus", codec, FRAMES, 2))


def test_an_empty_folder_names_the_stage_to_run(folders, codec):
    with pytest.raises(ValueError, match="--stages predicted"):
        next(predicted_batches(folders / "predicted", folders / "codes", folders / "corpus", codec, FRAMES, 2))


def test_codes_without_the_main_voices_are_refused(folders, codec):
    index = code_cache.index_of(folders / "codes", 7, 0)
    clips = code_cache.clips_of(index)
    lines = [line | {"speaker": "am_high"} for line in code_cache.read_lines(index)]
    code_cache.write_shard(index, [clip.codes for clip in clips], lines)
    with pytest.raises(ValueError, match="no training clips of S1 or S2"):
        run(folders, codec)


def test_codes_of_another_codec_are_not_mixed(folders, codec):
    run(folders, codec)
    other = DacModel(codec.config)
    with pytest.raises(ValueError, match="another codec"):
        run(folders, other)
