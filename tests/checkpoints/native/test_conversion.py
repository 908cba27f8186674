"""`dia convert` writes complete folders, or nothing and a one-line error."""

import json
import socket
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import native_codecs
import pytest
import torch
from native_checkpoints import first_generation, second_generation, tiny_model, to_native, write
from transformers import DacFeatureExtractor, DacModel, GenerationConfig

from dia import DiaForConditionalGeneration
from dia.checkpoints.native import checkpoint as native
from dia.checkpoints.native import conversion
from dia.cli import main
from dia.processing_dia import DiaProcessor
from dia.runtime.files.atomic import atomic_folder

SCRIPTS = Path(__file__).parents[3] / "conversion_scripts"


def script(name: str) -> ModuleType:
    spec = spec_from_file_location(name, SCRIPTS / f"{name}.py")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def converted(*arguments) -> int:
    """`dia convert model`; returns the exit code."""
    return main(["convert", "model", *map(str, arguments)])


def codec_converted(*arguments) -> int:
    """`dia convert codec`; returns the exit code."""
    return main(["convert", "codec", *map(str, arguments)])


def published_channels(data: dict) -> dict:
    """The same Dia with the channels and codes of the published codec."""
    data["model"]["tgt_vocab_size"] = 1028
    data["data"] = {"text_length": 128, "audio_length": 256}
    return data


def source(folder: Path, data: dict, form: str = "safetensors") -> tuple[Path, DiaForConditionalGeneration]:
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(data))
    model = tiny_model(native.read_config(folder / "config.json"))
    return write(folder, data, to_native(model.state_dict(), model.config), form), model


@pytest.fixture
def codec(tmp_path):
    native_codecs.tiny_codec().save_pretrained(tmp_path / "codec")
    return str(tmp_path / "codec")


@pytest.fixture
def tiny(tmp_path):
    return source(tmp_path / "native", first_generation())


@pytest.fixture
def no_network(monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("the network was used")

    monkeypatch.setattr(socket, "socket", refuse)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize(("generation", "form"), [(first_generation, "safetensors"), (second_generation, "pth")])
def test_a_native_checkpoint_becomes_a_folder_with_everything(tmp_path, codec, no_network, generation, form):
    folder, model = source(tmp_path / "native", generation(), form)
    assert converted(str(folder), str(tmp_path / "dia"), "--codec", codec) == 0
    assert {"config.json", "generation_config.json", "model.safetensors"} <= set(names(tmp_path / "dia"))
    assert {"tokenizer_config.json", "preprocessor_config.json", "processor_config.json"} <= set(
        names(tmp_path / "dia")
    )
    loaded = DiaForConditionalGeneration.from_pretrained(tmp_path / "dia")
    for name, weight in model.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], weight)


def test_the_published_sampling_is_written(tmp_path, tiny, codec):
    conversion.convert_model(tiny[0], tmp_path / "dia", codec)
    written = GenerationConfig.from_pretrained(tmp_path / "dia")
    assert (written.do_sample, written.temperature, written.top_p, written.top_k) == (True, 1.2, 0.95, 45)
    assert (written.guidance_scale, written.max_length) == (3.0, 3072)
    assert (written.eos_token_id, written.pad_token_id, written.bos_token_id) == (16, 17, 18)


def test_with_a_codec_the_folder_speaks_wherever_it_is_moved(tmp_path, tiny, codec, no_network):
    conversion.convert_model(tiny[0], tmp_path / "dia", codec)
    (tmp_path / "dia").rename(tmp_path / "moved")
    (tmp_path / "codec").rename(tmp_path / "gone")
    processor = DiaProcessor.from_pretrained(tmp_path / "moved")
    model = DiaForConditionalGeneration.from_pretrained(tmp_path / "moved")
    torch.manual_seed(0)
    output = model.generate(**processor("[S1] Hello."), max_new_tokens=12)
    assert processor.sampling_rate == 8000
    assert processor.batch_decode(output)[0].dtype == torch.float32
    assert processor.tokenizer.model_max_length == 128


def test_without_a_codec_the_published_one_is_named_and_nothing_downloaded(tmp_path, no_network):
    folder, _ = source(tmp_path / "native", published_channels(first_generation()))
    assert converted(str(folder), str(tmp_path / "dia")) == 0
    settings = json.loads((tmp_path / "dia" / "processor_config.json").read_text())
    assert settings["audio_tokenizer"]["audio_tokenizer_name_or_path"] == "descript/dac_44khz"
    processor = DiaProcessor.from_pretrained(tmp_path / "dia", load_audio_tokenizer=False)
    assert (processor.sampling_rate, processor.feature_extractor.hop_length) == (44100, 512)


def test_a_codec_of_another_model_is_refused(tmp_path, tiny, codec, capsys):
    assert converted(str(tiny[0]), str(tmp_path / "dia")) == 2
    assert "has 9 codebooks of 1024 codes, but the model has 3 channels of 16" in capsys.readouterr().err
    folder, _ = source(tmp_path / "other", published_channels(first_generation()))
    assert converted(str(folder), str(tmp_path / "dia"), "--codec", codec) == 2
    assert "has 3 codebooks of 16 codes, but the model has 9 channels of 1024" in capsys.readouterr().err
    assert not (tmp_path / "dia").exists()


def test_the_weights_are_written_in_the_dtype_asked_for(tmp_path, tiny, codec):
    assert converted(str(tiny[0]), str(tmp_path / "dia"), "--codec", codec, "--dtype", "bfloat16") == 0
    assert DiaForConditionalGeneration.from_pretrained(tmp_path / "dia").dtype == torch.bfloat16


def test_native_weights_beside_hugging_face_ones_are_the_ones_converted(tmp_path, tiny, codec):
    _, model = tiny
    both = tmp_path / "both"
    model.save_pretrained(both)
    doubled = {name: 2 * weight for name, weight in model.state_dict().items()}
    torch.save(to_native(doubled, model.config), both / "dia-v1.pth")
    conversion.convert_model(both, tmp_path / "dia", codec)
    loaded = DiaForConditionalGeneration.from_pretrained(tmp_path / "dia").state_dict()
    assert torch.equal(loaded["logits_dense.weight"], doubled["logits_dense.weight"])


def test_a_weight_file_is_converted_with_the_config_beside_it(tmp_path, codec):
    folder, model = source(tmp_path / "native", second_generation(), "pth")
    conversion.convert_model(folder / "dia-v0_1.pth", tmp_path / "dia", codec)
    assert DiaForConditionalGeneration.from_pretrained(tmp_path / "dia").num_parameters() == model.num_parameters()


def test_unreadable_sources_give_a_one_line_error_and_write_nothing(tmp_path, tiny, codec, capsys):
    file = tiny[0] / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])
    before = names(tmp_path)
    assert converted(str(tiny[0]), str(tmp_path / "dia"), "--codec", codec) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith(f"dia: {file} cannot be read: ")
    assert names(tmp_path) == before


@pytest.mark.parametrize("missing", ["./nowhere", "/nowhere/at/all", "mini"])
def test_a_missing_source_is_reported(tmp_path, missing, no_network, capsys):
    assert converted(missing, tmp_path / "dia") == 2
    assert capsys.readouterr().err == f"dia: there is no folder {missing}.\n"
    with pytest.raises(
        ValueError, match=f"{missing} does not exist" if "/" in missing else "not a native Dia|loaded from"
    ):
        conversion.find_source(missing)


def test_an_unreachable_hub_id_is_reported(tmp_path, monkeypatch, capsys):
    def unreachable(*args, **kwargs):
        raise ConnectionError("no route\nto host")

    monkeypatch.setattr(native, "snapshot_download", unreachable)
    with pytest.raises(ValueError, match=r"cannot be loaded from the Hub: no route$"):
        conversion.find_source("nari-labs/Dia-1.6B")
    monkeypatch.setattr("huggingface_hub.get_hf_file_metadata", unreachable)
    assert converted("nari-labs/Dia-1.6B", tmp_path / "dia") == 2
    expected = "dia: nari-labs/Dia-1.6B is not a local folder, and the Hub cannot be reached (no route to host).\n"
    assert capsys.readouterr().err == expected


def test_an_existing_folder_is_kept_unless_overwrite_is_set(tmp_path, tiny, codec, capsys):
    (tmp_path / "dia").mkdir()
    (tmp_path / "dia" / "mine.txt").write_text("keep me")
    arguments = [str(tiny[0]), str(tmp_path / "dia"), "--codec", codec]
    assert converted(*arguments) == 2
    assert "not empty" in capsys.readouterr().err
    assert names(tmp_path / "dia") == ["mine.txt"]
    assert converted(*arguments, "--overwrite") == 0
    assert "mine.txt" not in names(tmp_path / "dia")
    assert not [name for name in names(tmp_path) if name.startswith(".")]


def test_the_source_is_never_overwritten(tmp_path, tiny, codec, capsys):
    assert converted(str(tiny[0]), str(tiny[0]), "--codec", codec, "--overwrite") == 2
    assert converted(str(tiny[0]), str(tmp_path), "--codec", codec, "--overwrite") == 2
    assert capsys.readouterr().err.count("which is read. Choose another folder") == 2


@pytest.mark.parametrize(("interruption", "status"), [(KeyboardInterrupt, 130), (OSError("disk full"), 2)])
def test_an_interrupted_write_changes_nothing(tmp_path, tiny, codec, interruption, status, monkeypatch):
    (tmp_path / "dia").mkdir()
    (tmp_path / "dia" / "old.txt").write_text("still here")
    before = names(tmp_path)

    def interrupt(*args):
        raise interruption

    monkeypatch.setattr(conversion, "_save_processor", interrupt)
    arguments = [str(tiny[0]), str(tmp_path / "dia"), "--codec", codec, "--overwrite"]
    assert converted(*arguments) == status
    assert names(tmp_path) == before
    assert names(tmp_path / "dia") == ["old.txt"]


def test_a_folder_is_written_beside_its_place_and_moved_there_at_the_end(tmp_path):
    with atomic_folder(tmp_path / "deep" / "folder") as partial:
        (partial / "file").write_text("done")
        assert partial.parent == tmp_path / "deep"
        assert not (tmp_path / "deep" / "folder").exists()
    assert (tmp_path / "deep" / "folder" / "file").read_text() == "done"
    assert names(tmp_path / "deep") == ["folder"]


def test_an_existing_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="is a file"), atomic_folder(tmp_path / "file", overwrite=True):
        pass


def weights_pth(tmp_path: Path) -> tuple[Path, DacModel]:
    codec = native_codecs.tiny_codec()
    return native_codecs.write(tmp_path / "weights.pth", native_codecs.to_native(codec)), codec


def test_a_native_codec_becomes_a_folder_that_sounds_the_same(tmp_path, capsys):
    path, codec = weights_pth(tmp_path)
    assert codec_converted(str(path), str(tmp_path / "dac")) == 0
    assert "8000 Hz, 40 samples per frame, 3 codebooks" in capsys.readouterr().out
    loaded = DacModel.from_pretrained(tmp_path / "dac").eval()
    codes = torch.randint(16, (1, 3, 12), generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        ours, theirs = loaded.decode(audio_codes=codes).audio_values, codec.decode(audio_codes=codes).audio_values
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=0)
    extractor = DacFeatureExtractor.from_pretrained(tmp_path / "dac")
    assert (extractor.sampling_rate, extractor.hop_length) == (8000, 40)


def test_a_damaged_codec_gives_a_one_line_error_and_writes_nothing(tmp_path, capsys):
    path, _ = weights_pth(tmp_path)
    path.write_bytes(path.read_bytes()[:500])
    assert codec_converted(str(path), str(tmp_path / "dac")) == 2
    assert capsys.readouterr().err.startswith(f"dia: {path} cannot be read: ")
    assert names(tmp_path) == ["weights.pth"]


def test_verification_says_when_the_native_package_is_missing(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "dac", None)
    path, _ = weights_pth(tmp_path)
    assert codec_converted(str(path), str(tmp_path / "dac"), "--verify") == 0
    assert "not verified: descript-audio-codec cannot be imported" in capsys.readouterr().out


@pytest.mark.parametrize(("loudness", "status"), [(1.0, 0), (0.5, 2)])
def test_verification_compares_codes_and_sound_with_the_native_package(
    tmp_path, capsys, monkeypatch, loudness, status
):
    path, codec = weights_pth(tmp_path)

    class NativeCodec:
        """A fake `dac.DAC` that gives the output of the tiny codec, multiplied by `loudness`."""

        def __init__(self, **kwargs):
            assert kwargs["encoder_dim"] == 6

        def load_state_dict(self, weights):
            assert "encoder.block.0.weight_g" in weights

        def eval(self):
            return self

        def encode(self, waveform):
            encoded = codec.encode(waveform)
            return encoded.quantized_representation, encoded.audio_codes, None, None, None

        def decode(self, quantized):
            return loudness * codec.decode(quantized).audio_values[:, None]

    package = ModuleType("dac")
    package.DAC = NativeCodec
    monkeypatch.setitem(sys.modules, "dac", package)
    assert codec_converted(str(path), str(tmp_path / "dac"), "--verify") == status
    said = capsys.readouterr()
    assert ("verified against descript-audio-codec: 100.00% of codes are equal" in said.out) == (status == 0)
    assert ("differs from the native one" in said.err) == (status == 2)
    assert (tmp_path / "dac").exists() == (status == 0)


@pytest.mark.parametrize("kind", ["model", "codec"])
def test_help_teaches_with_examples_and_says_what_is_forbidden(kind, capsys):
    with pytest.raises(SystemExit, match="0"):
        main(["convert", kind, "--help"])
    shown = capsys.readouterr().out
    assert f"dia convert {kind}" in shown
    assert "deceive" in shown


@pytest.mark.parametrize(("name", "kind"), [("convert_dia_checkpoint", "model"), ("convert_dac_checkpoint", "codec")])
def test_the_scripts_run_the_command(name, kind, tmp_path, capsys):
    assert script(name).main([str(tmp_path / "nowhere"), str(tmp_path / "dst")]) == 2
    assert "nowhere" in capsys.readouterr().err
    assert script(name).parser().prog == f"dia convert {kind}"
