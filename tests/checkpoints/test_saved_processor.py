"""A saved processor is one complete, movable folder that transformers' Dia can read; loading has options."""

import json
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import torch
from tiny import BOS, EOS, PAD, PATTERN
from tiny_checkpoint import write_tiny_checkpoint
from tiny_codec import HOP, RATE, random_codes, tiny_codec, tiny_processor
from transformers import AutoProcessor, DacModel, GenerationConfig
from transformers.utils import PushToHubMixin

from dia.checkpoints.saved_processor import ProcessorSettingsReader
from dia.configuration_dia import DiaConfig
from dia.decoding.delay import delay
from dia.feature_extraction_dia import DiaFeatureExtractor
from dia.model import Dia
from dia.processing_dia import DiaProcessor
from dia.runtime.files.atomic import atomic_entries, atomic_folder
from dia.text.lexicon import Pronunciations
from dia.tokenization_dia import PRONUNCIATIONS, DiaTokenizer


@pytest.fixture(scope="module")
def model():
    return tiny_codec()


@pytest.fixture(scope="module")
def processor(model):
    return tiny_processor(model)


@pytest.fixture(scope="module")
def text_processor():
    """A processor without a codec."""
    return tiny_processor()


def noise(samples, seed=0):
    return (np.random.default_rng(seed).random(samples, dtype=np.float32) - 0.5).astype(np.float32)


def settings(folder):
    return json.loads((folder / "processor_config.json").read_text())


def named(folder):
    """The codec that transformers' Dia would load."""
    return settings(folder)["audio_tokenizer"]["audio_tokenizer_name_or_path"]


def sound(processor):
    return processor.decode(processor("[S1] é", noise(600))["decoder_input_ids"])


def test_a_saved_processor_is_self_contained_and_can_be_moved(processor, tmp_path, monkeypatch):
    processor.save_pretrained(tmp_path / "here")
    shutil.move(tmp_path / "here", tmp_path / "there")
    monkeypatch.chdir(tmp_path / "there" / "audio_tokenizer")
    loaded = DiaProcessor.from_pretrained(tmp_path / "there")
    assert loaded.delay_pattern == PATTERN
    assert (loaded.eos_token_id, loaded.pad_token_id, loaded.bos_token_id) == (EOS, PAD, BOS)
    assert (loaded.sampling_rate, loaded.tokenizer.max_length) == (RATE, 48)
    assert isinstance(loaded.audio_tokenizer, DacModel)
    torch.testing.assert_close(sound(loaded), sound(processor), rtol=0, atol=1e-6)


def test_the_only_path_in_a_saved_folder_is_the_codec_for_transformers(processor, tmp_path):
    processor.save_pretrained(tmp_path)
    assert settings(tmp_path)["audio_tokenizer_subfolder"] == "audio_tokenizer"
    reference = settings(tmp_path)["audio_tokenizer"]
    assert reference == {
        "audio_tokenizer_class": "DacModel",
        "audio_tokenizer_name_or_path": str(tmp_path / "audio_tokenizer"),
    }
    counts = {file.name: file.read_text().count(str(tmp_path)) for file in tmp_path.rglob("*.json")}
    assert {name for name, count in counts.items() if count} == {"processor_config.json"}
    assert counts["processor_config.json"] == 1


def test_a_folder_written_to_a_temporary_place_has_its_final_path(processor, tmp_path):
    with atomic_folder(tmp_path / "whole") as place:
        processor.save_pretrained(place)
    with atomic_entries(tmp_path / "entries there") as place:
        processor.save_pretrained(place)
    assert named(tmp_path / "whole") == str(tmp_path / "whole" / "audio_tokenizer")
    assert named(tmp_path / "entries there") == str(tmp_path / "entries there" / "audio_tokenizer")


@pytest.mark.parametrize("load_audio_tokenizer", [True, False])
def test_saving_a_moved_folder_again_updates_the_path(processor, tmp_path, load_audio_tokenizer):
    processor.save_pretrained(tmp_path / "here")
    shutil.move(tmp_path / "here", tmp_path / "there")
    moved = AutoProcessor.from_pretrained(tmp_path / "there", load_audio_tokenizer=load_audio_tokenizer)
    assert isinstance(moved, DiaProcessor)
    moved.save_pretrained(tmp_path / "there")
    assert named(tmp_path / "there") == str(tmp_path / "there" / "audio_tokenizer")


def test_an_unchanged_codec_from_the_hub_keeps_its_name(monkeypatch, tmp_path):
    published, own = tiny_codec(), tiny_codec()
    monkeypatch.setattr(DacModel, "from_pretrained", lambda name, **options: published)
    own.name_or_path = "someone/codec"
    tiny_processor(own).save_pretrained(tmp_path / "unchanged")
    with torch.no_grad():
        next(own.parameters()).add_(1)
    tiny_processor(own).save_pretrained(tmp_path / "trained")
    assert named(tmp_path / "unchanged") == "someone/codec"
    assert named(tmp_path / "trained") == str(tmp_path / "trained" / "audio_tokenizer")
    monkeypatch.undo()
    for folder in ("unchanged", "trained"):
        assert settings(tmp_path / folder)["audio_tokenizer_subfolder"] == "audio_tokenizer"
    assert DiaProcessor.from_pretrained(tmp_path / "unchanged").audio_tokenizer.name_or_path == "someone/codec"


def test_a_hub_name_is_not_kept_without_a_local_copy_to_compare(tmp_path):
    own = tiny_codec()
    own.name_or_path = "someone/codec-that-is-not-here"
    tiny_processor(own).save_pretrained(tmp_path)
    assert named(tmp_path) == str(tmp_path / "audio_tokenizer")


def content(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_saving_that_fails_changes_nothing(processor, monkeypatch, tmp_path):
    processor.save_pretrained(tmp_path)
    before = content(tmp_path)
    other = tiny_processor(tiny_codec(seed=1))

    def full(folder, **options):
        folder.mkdir()
        (folder / "model.safetensors").write_bytes(b"half")
        raise OSError("No space left on device")

    monkeypatch.setattr(other.audio_tokenizer, "save_pretrained", full)
    with pytest.raises(OSError, match="No space left"):
        other.save_pretrained(tmp_path)
    assert content(tmp_path) == before


def test_a_codec_may_be_saved_over_the_files_it_was_loaded_from(processor, tmp_path):
    processor.save_pretrained(tmp_path)
    for _ in range(2):
        DiaProcessor.from_pretrained(tmp_path).save_pretrained(tmp_path)
    assert torch.equal(sound(DiaProcessor.from_pretrained(tmp_path)), sound(processor))


def test_old_files_that_would_take_precedence_are_removed(processor, text_processor, tmp_path):
    text_processor.save_pretrained(tmp_path)
    (tmp_path / "audio_tokenizer_config.json").write_text(json.dumps(REFERENCE))
    Pronunciations(["b"], {"bee": "b"}).save(tmp_path / PRONUNCIATIONS)
    processor.save_pretrained(tmp_path)
    assert not (tmp_path / "audio_tokenizer_config.json").exists()
    assert not (tmp_path / PRONUNCIATIONS).exists()


def test_transformers_refuses_a_tokenizer_with_phones(model, tmp_path):
    Pronunciations(["b"], {"bee": "b"}).save(tmp_path / "phones.gz")
    tokenizer = DiaTokenizer(max_length=48, pronunciations_file=tmp_path / "phones.gz", truncation_side="left")
    extractor = DiaFeatureExtractor(sampling_rate=RATE, hop_length=HOP)
    DiaProcessor(extractor, tokenizer, model, delay_pattern=PATTERN, eos_token_id=EOS).save_pretrained(tmp_path)
    side = json.loads((tmp_path / "tokenizer_config.json").read_text())["truncation_side"]
    assert side.startswith("left; this tokenizer reads phones, which only the package dia-tts does: install it")
    assert "audio_tokenizer" not in settings(tmp_path)
    loaded = DiaProcessor.from_pretrained(tmp_path)
    assert loaded.tokenizer.truncation_side == "left"
    assert loaded.tokenizer("bee")["input_ids"] == tokenizer("bee")["input_ids"]
    (tmp_path / PRONUNCIATIONS).unlink()
    with pytest.raises(ValueError, match=r"uses phones, but its folder has no pronunciations\.txt\.gz; copy it"):
        DiaProcessor.from_pretrained(tmp_path)


def test_parts_of_a_saved_folder_load_alone(processor, tmp_path):
    processor.save_pretrained(tmp_path)
    assert DiaTokenizer.from_pretrained(tmp_path).max_length == 48
    assert DiaFeatureExtractor.from_pretrained(tmp_path).hop_length == HOP
    assert (tmp_path / "preprocessor_config.json").is_file()


def test_the_codec_can_be_omitted_or_passed(processor, tmp_path):
    processor.save_pretrained(tmp_path)
    assert DiaProcessor.from_pretrained(tmp_path, load_audio_tokenizer=False).audio_tokenizer is None
    own = tiny_codec(seed=1)
    assert DiaProcessor.from_pretrained(tmp_path, audio_tokenizer=own).audio_tokenizer is own
    assert DiaProcessor.from_pretrained(tmp_path, load_audio_tokenizer=False, eos_token_id=59).eos_token_id == 59


def test_a_processor_without_a_codec_is_saved_and_loaded(text_processor, tmp_path):
    text_processor.save_pretrained(tmp_path)
    assert DiaProcessor.from_pretrained(tmp_path).audio_tokenizer is None


def test_saving_without_the_codec_leaves_the_folders_codec_in_place(processor, tmp_path):
    processor.save_pretrained(tmp_path)
    DiaProcessor.from_pretrained(tmp_path, load_audio_tokenizer=False).save_pretrained(tmp_path)
    assert DiaProcessor.from_pretrained(tmp_path).audio_tokenizer is not None


def test_a_processor_inside_a_subfolder_is_found(processor, tmp_path):
    processor.save_pretrained(tmp_path / "inside")
    loaded = DiaProcessor.from_pretrained(tmp_path, subfolder="inside")
    assert torch.equal(sound(loaded), sound(processor))


@pytest.fixture
def hub(monkeypatch, model):
    """The codecs requested from a fake Hub."""
    asked = []

    def from_pretrained(name, **options):
        asked.append((name, options))
        return model

    monkeypatch.setattr("dia.codec.dac.load_codec", from_pretrained)
    return asked


REFERENCE = {"audio_tokenizer_class": "DacModel", "audio_tokenizer_name_or_path": "descript/dac_44khz"}


def test_a_processor_that_names_its_codec_loads_it_from_the_hub(text_processor, hub, tmp_path):
    text_processor.save_pretrained(tmp_path, audio_tokenizer_reference="descript/dac_44khz")
    assert json.loads((tmp_path / "processor_config.json").read_text())["audio_tokenizer"] == REFERENCE
    DiaProcessor.from_pretrained(tmp_path, revision="main", token="t", dtype="auto")
    ((name, options),) = hub
    assert name == "descript/dac_44khz"
    assert "revision" not in options  # the processor's revision, not the codec's
    assert (options["token"], options["dtype"]) == ("t", "auto")


def test_an_older_processor_names_its_codec_in_a_file_of_its_own(text_processor, hub, tmp_path):
    text_processor.save_pretrained(tmp_path)
    (tmp_path / "audio_tokenizer_config.json").write_text(json.dumps(REFERENCE))
    DiaProcessor.from_pretrained(tmp_path)
    assert [name for name, _ in hub] == ["descript/dac_44khz"]


def test_published_files_without_processor_config_get_the_published_ids(text_processor, hub, tmp_path):
    DiaFeatureExtractor(sampling_rate=44100).save_pretrained(tmp_path)
    DiaTokenizer().save_pretrained(tmp_path)
    processor = DiaProcessor.from_pretrained(tmp_path)
    assert (processor.eos_token_id, processor.audio_tokenizer, hub) == (1024, None, [])


def test_a_relative_codec_path_is_relative_to_the_processor(text_processor, model, tmp_path):
    text_processor.save_pretrained(tmp_path / "p", audio_tokenizer_reference="../codec")
    model.save_pretrained(tmp_path / "codec")
    assert isinstance(DiaProcessor.from_pretrained(tmp_path / "p").audio_tokenizer, DacModel)


def test_a_codec_that_cannot_be_loaded_is_named_with_the_remedy(text_processor, tmp_path):
    text_processor.save_pretrained(tmp_path, audio_tokenizer_reference=str(tmp_path / "gone"))
    with pytest.raises(OSError, match=r"the codec .*gone.* cannot be loaded: .*load_audio_tokenizer=False"):
        DiaProcessor.from_pretrained(tmp_path)


def test_a_codec_of_another_kind_is_refused(text_processor, tmp_path):
    text_processor.save_pretrained(tmp_path)
    other = {"audio_tokenizer_class": "EncodecModel", "audio_tokenizer_name_or_path": "x"}
    (tmp_path / "audio_tokenizer_config.json").write_text(json.dumps(other))
    with pytest.raises(ValueError, match="has a codec of type EncodecModel"):
        DiaProcessor.from_pretrained(tmp_path)


def test_saving_to_a_file_is_refused(text_processor, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match="is a file; pass a folder"):
        text_processor.save_pretrained(tmp_path / "file")


@pytest.fixture
def pushed(monkeypatch):
    """The repository, the options and the files of each upload, which stays here."""
    uploads = []

    def push(saved, repository, **options):
        with TemporaryDirectory() as place:
            saved.save_pretrained(place, max_shard_size="50GB")
            files = {str(path.relative_to(place)): path.read_bytes() for path in Path(place).rglob("*.*")}
        uploads.append((repository, options, files))

    monkeypatch.setattr(PushToHubMixin, "push_to_hub", push)
    return uploads


def test_pushing_uploads_under_the_folders_name(text_processor, tmp_path, pushed):
    text_processor.save_pretrained(tmp_path / "mine", push_to_hub=True, private=True)
    text_processor.save_pretrained(tmp_path / "mine", push_to_hub=True, repo_id="me/other")
    text_processor.push_to_hub("me/third", revision="new")
    given = [(repository, options) for repository, options, _ in pushed]
    assert given == [("mine", {"private": True}), ("me/other", {}), ("me/third", {"revision": "new"})]


def test_the_saved_folder_is_uploaded_without_paths_of_this_machine(processor, text_processor, tmp_path, pushed):
    tmp_path.joinpath("model.safetensors").touch()
    processor.save_pretrained(tmp_path, push_to_hub=True)
    processor.push_to_hub("me/mine")
    text_processor.save_pretrained(tmp_path, push_to_hub=True)  # keeps the codec
    processor.save_pretrained(tmp_path, push_to_hub=True, audio_tokenizer_reference="me/codec")
    *files, referred = [files for _, _, files in pushed]
    for uploaded in files:
        described = json.loads(uploaded["processor_config.json"])
        assert described["audio_tokenizer_subfolder"] == "audio_tokenizer"
        assert "audio_tokenizer" not in described
        assert {"preprocessor_config.json", "tokenizer_config.json"} <= uploaded.keys()
        assert {"audio_tokenizer/config.json", "audio_tokenizer/model.safetensors"} <= uploaded.keys()
        assert "model.safetensors" not in uploaded
    assert (
        json.loads(referred["processor_config.json"])["audio_tokenizer"]["audio_tokenizer_name_or_path"] == "me/codec"
    )
    assert "audio_tokenizer/config.json" not in referred


def test_a_damaged_file_is_named(text_processor, tmp_path):
    text_processor.save_pretrained(tmp_path)
    (tmp_path / "processor_config.json").write_text("{")
    with pytest.raises(ValueError, match=r"processor_config\.json is not valid JSON"):
        DiaProcessor.from_pretrained(tmp_path)


# Options of loading


@pytest.mark.parametrize(
    ("option", "value", "part"),
    [
        ("padding_side", "left", "tokenizer"),
        ("padding_side", "left", "feature_extractor"),
        ("sampling_rate", 16000, "feature_extractor"),
        ("hop_length", 12, "feature_extractor"),
        ("feature_size", 2, "feature_extractor"),
        ("max_seconds", 2.0, "feature_extractor"),
        ("pad_token", "[PAD]", "tokenizer"),
        ("unk_token", "[S1]", "tokenizer"),
        ("model_max_length", 10, "tokenizer"),
        ("max_length", 60, "tokenizer"),
        ("cls_token", "(CLS)", "tokenizer"),
    ],
)
@pytest.mark.parametrize("auto", [AutoProcessor, DiaProcessor])
def test_options_reach_their_part(processor, tmp_path, auto, option, value, part):
    processor.save_pretrained(tmp_path)
    loaded = auto.from_pretrained(tmp_path, **{option: value})
    assert getattr(getattr(loaded, part), option) == value
    loaded.save_pretrained(tmp_path / "again")
    kept = json.loads((tmp_path / "again" / "tokenizer_config.json").read_text())
    assert not {"sampling_rate", "hop_length", "feature_size", "max_seconds"} & set(kept)


def test_options_of_the_tokenizer_have_an_effect(text_processor, tmp_path):
    text_processor.save_pretrained(tmp_path)
    left = AutoProcessor.from_pretrained(tmp_path, padding_side="left", pad_token="[PAD]")
    assert left(["a", "[PAD]bc"])["input_ids"].tolist() == [[0, 0, 97], [0, 98, 99]]
    assert left(["a", "bc"], padding_side="right")["input_ids"].tolist() == [[97, 0], [98, 99]]
    short = AutoProcessor.from_pretrained(tmp_path, model_max_length=5)
    assert short("abcdefgh", truncation=True)["input_ids"].shape == (1, 5)
    with pytest.raises(ValueError, match=r"text has 6 bytes .*; model_max_length is 5"):
        short("abcdef")
    padded = AutoProcessor.from_pretrained(tmp_path, max_length=9, padding="max_length")
    assert padded("abc")["input_ids"].shape == (1, 9)


def test_a_rate_other_than_the_codecs_is_refused_when_encoding(processor, tmp_path):
    processor.save_pretrained(tmp_path)
    loaded = AutoProcessor.from_pretrained(tmp_path, sampling_rate=2 * RATE)
    assert loaded("a")["input_ids"].tolist() == [[97]]
    assert loaded.sampling_rate == RATE  # of what `batch_decode` returns
    with pytest.raises(ValueError, match=rf"{RATE} Hz, but feature_extractor.sampling_rate is {2 * RATE}"):
        loaded("a", noise(600))
    with pytest.raises(ValueError, match="sampling_rate=0"):
        AutoProcessor.from_pretrained(tmp_path, sampling_rate=0)


def grid(codes, pattern):
    ends = [torch.full((1, len(pattern)), value) for value in (BOS, EOS)]
    return delay(torch.cat([ends[0], codes, ends[1]])[None], pattern, BOS, PAD)


@pytest.fixture
def as_transformers_saves(tmp_path):
    """A processor with four codebooks, in a folder without delays and ids."""
    codec = tiny_codec(channels=4)
    ids = {"bos_token_id": BOS, "eos_token_id": EOS, "pad_token_id": PAD}
    extractor = DiaFeatureExtractor(sampling_rate=RATE, hop_length=HOP)
    DiaProcessor(extractor, DiaTokenizer(), codec, delay_pattern=[0, 1, 2, 3], **ids).save_pretrained(tmp_path)
    kept = {key: value for key, value in settings(tmp_path).items() if key not in {"delay_pattern", *ids}}
    (tmp_path / "processor_config.json").write_text(json.dumps(kept))
    return tmp_path


def test_a_codec_of_any_number_of_codebooks_loads_and_the_call_gives_the_delays(as_transformers_saves):
    loaded = AutoProcessor.from_pretrained(as_transformers_saves)
    own = {"delay_pattern": [0, 1, 2, 3], "bos_token_id": BOS, "eos_token_id": EOS, "pad_token_id": PAD}
    codes = random_codes(9, channels=4)[0]
    inputs = loaded("a", codes, **own)
    assert torch.equal(loaded.undelayed_codes(inputs["decoder_input_ids"], **own)[0], codes)
    assert loaded("a", noise(60), **own)["decoder_input_ids"].shape == (1, 1 + 10 + 3, 4)
    assert len(loaded.decode(grid(codes, own["delay_pattern"]), **own)) > 0
    for call in (lambda: loaded("a", noise(60)), lambda: loaded.decode(grid(codes, [0, 1, 2, 3]))):
        with pytest.raises(ValueError, match=r"4 codebooks, but delay_pattern has 9 delays\. Pass the delay_pattern"):
            call()
    with pytest.raises(ValueError, match="eos_token_id=5 must be at least 64, the codec's"):
        loaded("a", noise(60), **{**own, "eos_token_id": 5})


def test_missing_delays_and_ids_come_from_the_model_in_the_same_folder(as_transformers_saves):
    config = DiaConfig(delay_pattern=[0, 2, 3, 5], decoder_config={"num_channels": 4, "bos_token_id": 1027})
    config.save_pretrained(as_transformers_saves)
    loaded = AutoProcessor.from_pretrained(as_transformers_saves)
    assert (loaded.delay_pattern, loaded.bos_token_id) == ([0, 2, 3, 5], 1027)


def test_loading_refuses_a_codec_that_does_not_match(tmp_path):
    write_tiny_checkpoint(tmp_path)
    AutoProcessor.from_pretrained(tmp_path, sampling_rate=2 * RATE).save_pretrained(tmp_path)
    with pytest.raises(ValueError, match=f"{RATE} Hz, but feature_extractor.sampling_rate is {2 * RATE}"):
        Dia.from_pretrained(tmp_path, device="cpu")


def test_processors_of_other_models_are_read_as_transformers_reads_them(tmp_path):
    (tmp_path / "processor_config.json").write_text('{"processor_class": "ClapProcessor", "a": 1}')
    assert ProcessorSettingsReader.get_processor_dict(tmp_path, b=2) == (
        {"processor_class": "ClapProcessor", "a": 1},
        {"b": 2},
    )


def test_final_stop_is_read_from_the_folder_of_the_model(text_processor, tmp_path):
    text_processor.save_pretrained(tmp_path)
    assert DiaProcessor.from_pretrained(tmp_path).final_stop is False
    GenerationConfig(final_stop=True).save_pretrained(tmp_path)
    assert DiaProcessor.from_pretrained(tmp_path).final_stop is True
    assert AutoProcessor.from_pretrained(tmp_path).final_stop is True
    assert DiaProcessor.from_pretrained(tmp_path, final_stop=False).final_stop is False


def test_final_stop_is_saved_with_the_processor(text_processor, tmp_path):
    text_processor.save_pretrained(tmp_path)
    assert "final_stop" not in settings(tmp_path)  # the folder of a model that needs no stops stays as it was
    DiaProcessor.from_pretrained(tmp_path, final_stop=True).save_pretrained(tmp_path / "alone")
    assert settings(tmp_path / "alone")["final_stop"] is True
    assert DiaProcessor.from_pretrained(tmp_path / "alone").final_stop is True
    GenerationConfig(final_stop=False).save_pretrained(tmp_path / "alone")
    assert DiaProcessor.from_pretrained(tmp_path / "alone").final_stop is False  # the model's word comes first


def test_a_damaged_convention_is_named(text_processor, tmp_path):
    text_processor.save_pretrained(tmp_path)
    GenerationConfig(final_stop="yes").save_pretrained(tmp_path)
    with pytest.raises(
        ValueError,
        match=r"generation_config\.json: generation_config\.final_stop is 'yes'; it must be one of True, False",
    ):
        DiaProcessor.from_pretrained(tmp_path)
