"""`Dia`: from script to speech in one call, with arguments as in the native package."""

import numpy as np
import pytest
import soundfile
import torch
from talking import talking
from tiny import CHANNELS, PATTERN
from tiny_checkpoint import HOP, RATE, write_tiny_checkpoint

from dia.audio.dsp.silence import trimmed
from dia.codec.identity import CodecRecord
from dia.model import REAL, Dia, choose_device
from dia.modeling_dia import DiaForConditionalGeneration
from dia.voices.voice import Voice


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_tiny_checkpoint(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def dia(folder):
    return Dia.from_pretrained(folder)


@pytest.fixture
def voice():
    return talking(1.2, rate=RATE)


def test_a_script_gives_an_array_and_a_list_gives_a_list(dia):
    one = dia.generate("[S1] Hi.", seed=1)
    several = dia.generate(["[S1] Hi.", "[S2] You there?"], seed=1)
    assert isinstance(one, np.ndarray)
    assert one.dtype == np.float32
    assert one.ndim == 1
    assert len(one) > 0
    assert [type(audio) for audio in several] == [np.ndarray] * 2


def test_a_one_item_list_returns_a_list(dia):
    assert isinstance(dia.generate(["[S1] Hi."], seed=1), list)


def test_the_format_of_a_text_is_an_option_of_every_method(dia):
    page = "<p>Hi.</p><script>x</script>"
    assert dia.read(page, text_format="html").spoken == "[S1] Hi."
    assert dia.job(page, text_format="html").script.spoken == "[S1] Hi."
    expected = dia.generate("[S1] Hi.", seed=1)
    assert np.array_equal(dia.generate(page, seed=1, text_format="html"), expected)
    with pytest.raises(ValueError, match="text_format is 'docx'; it must be one of plain, markdown, html"):
        dia.job("[S1] Hi.", text_format="docx")


def test_a_seed_gives_the_same_audio_alone_and_inside_a_batch(dia):
    alone = dia.generate("[S2] You there?", seed=5)
    batch = dia.generate(["[S1] Hi.", "[S2] You there?"], seed=[4, 5])
    np.testing.assert_allclose(batch[1], alone, atol=1e-5)
    assert not np.array_equal(dia.generate("[S2] You there?", seed=6), alone)


def test_temperature_zero_is_greedy(dia):
    assert np.array_equal(dia.generate("[S1] Hi.", temperature=0), dia.generate("[S1] Hi.", temperature=0, seed=9))


def test_max_tokens_counts_every_row_of_the_grid(dia):
    codes = Dia(dia.model, without_codec(dia)).generate("[S1] Hi.", max_tokens=20, temperature=0)
    assert len(codes) == 20 - max(PATTERN) - 2  # a row of BOS before, one of EOS and the delay after


def test_cfg_scale_one_guides_as_in_the_native_package(dia, monkeypatch):
    seen = []
    slot_request = dia.model.slot_request
    monkeypatch.setattr(dia.model, "slot_request", lambda **kwargs: seen.append(kwargs) or slot_request(**kwargs))
    dia.generate("[S1] Hi.", cfg_scale=1.0)
    assert seen[0]["guidance_scale"] != 1
    assert seen[0]["guidance_scale"] == pytest.approx(1)


def test_the_prompt_is_not_in_the_audio(dia, voice):
    grid = dia.generate("[S1] Hi.", audio_prompt=voice, audio_prompt_text="[S1] La.", max_tokens=330, temperature=0)
    edges = round(0.2 * RATE)  # the silence at both ends
    assert 0 < len(grid) <= (330 - len(voice) // HOP) * HOP + edges


def test_the_transcript_of_the_prompt_is_prepended_to_the_text(dia, voice):
    apart = dia.generate("[S1] Hi.", audio_prompt=voice, audio_prompt_text="[S1] La.", max_tokens=330, seed=2)
    joined = dia.generate("[S1] La. [S1] Hi.", audio_prompt=voice, max_tokens=330, seed=2)
    assert np.array_equal(apart, joined)


def test_a_prompt_can_be_a_path_or_codes_or_missing_for_one_of_two_texts(dia, voice, tmp_path):
    path = tmp_path / "voice.wav"
    soundfile.write(path, voice, RATE, subtype="FLOAT")
    codes = dia.load_audio(path)
    assert codes.shape[1] == CHANNELS
    assert len(codes) * HOP / RATE == pytest.approx(1.2 + 0.2, abs=0.05)  # with quiet at both ends
    from_path = dia.generate("[S1] Hi.", audio_prompt=str(path), max_tokens=330, seed=2)
    from_codes = dia.generate(["[S1] Hi.", "[S1] Hi."], audio_prompt=[codes, None], max_tokens=330, seed=2)
    np.testing.assert_allclose(from_codes[0], from_path, atol=1e-5)


def test_without_a_codec_it_returns_codes(dia, folder):
    mute = Dia.from_pretrained(folder, load_dac=False)
    codes = mute.generate("[S1] Hi.", seed=1)
    spoken = dia.processor.audio_tokenizer.decode(audio_codes=codes.T[None]).audio_values[0]
    whole, _ = trimmed(spoken.detach().numpy(), RATE)
    np.testing.assert_allclose(whole, dia.generate("[S1] Hi.", seed=1), atol=1e-5)


def test_verbose_prints_device_and_dtype_first(dia, capsys):
    dia.generate("[S1] Hi.", seed=1, verbose=True)
    assert capsys.readouterr().err.splitlines()[0] == "Dia on cpu, float32"


def test_the_chunks_of_a_stream_equal_generate(dia, voice):
    options = {"audio_prompt": voice, "audio_prompt_text": "[S1] La.", "max_tokens": 500, "seed": 2}
    pieces = list(dia.stream("[S1] Hi.", **options))
    np.testing.assert_allclose(np.concatenate(pieces), dia.generate("[S1] Hi.", **options), atol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"text": ["[S1] Hi."]}, "text is list; expected one script"),
        ({"text": "[S1] Hi.", "temperature": -1.0}, "temperature"),
        ({"text": "[S1] Hi.", "timeout": -1.0}, "timeout"),
        ({"text": "[S1] Hi.", "seed": [1, 2]}, r"seed is \[1, 2\]"),
        ({"text": "[S1] Hi.", "loudness": 11}, "loudness"),
        ({"text": "[S1] Hi.", "audio_prompt": "no-such-file.wav"}, "no-such-file.wav"),
    ],
)
def test_a_stream_refuses_bad_input_at_once(dia, arguments, message):
    with pytest.raises((TypeError, ValueError, OSError), match=message):
        dia.stream(**arguments)


def test_a_voice_is_prepended_to_every_text_that_has_one(dia, voice):
    sine = 0.3 * np.sin(2 * np.pi * 220 * np.arange(RATE) / RATE)
    codes = dia.processor.encode_audio({"array": sine, "sampling_rate": RATE})[0]
    alto = Voice(codes, "[S1] La.", CodecRecord.of(dia.processor.audio_tokenizer), "a sine, nobody's voice")
    options = {"max_tokens": 260, "seed": 2}
    by_voice = dia.generate(["[S1] Hi.", "[S1] Ho."], voice=[alto, None], **options)
    by_prompt = dia.generate(alto.before("[S1] Hi."), audio_prompt=alto.codes, **options)
    np.testing.assert_allclose(by_voice[0], by_prompt, atol=1e-5)
    with pytest.raises(ValueError, match="voice cannot be combined with audio_prompt"):
        dia.generate("[S1] Hi.", voice=alto, audio_prompt=voice)
    with pytest.raises(ValueError, match="nobody"):
        dia.generate("[S1] Hi.", voice="nobody")


def test_save_audio_writes_what_generate_returned(dia, tmp_path):
    audio = dia.generate("[S1] Hi.", seed=1)
    dia.save_audio(tmp_path / "hi.wav", audio)
    with pytest.raises(TypeError, match=r"^path is int; expected a path or a list of paths"):
        dia.save_audio(5, audio)
    with pytest.raises(ValueError, match=r"^path has 1 paths for 2 waveforms"):
        dia.save_audio([tmp_path / "one.wav"], [audio, audio])
    read, rate = soundfile.read(tmp_path / "hi.wav", dtype="float32")
    assert rate == dia.sample_rate == RATE
    np.testing.assert_allclose(read, audio, atol=1e-4)


def test_files_name_model_and_seed_but_not_the_models_path(dia, folder, tmp_path):
    dia.save_audio(tmp_path / "hi.wav", np.zeros(800, np.float32), seed=7)
    with soundfile.SoundFile(tmp_path / "hi.wav") as file:
        assert file.comment.endswith(f"model={folder.name}; seed=7")
    assert "/" not in str(dia.provenance())


def test_compiling_does_not_change_the_audio(dia, folder, monkeypatch):
    compiled = []
    fresh = Dia.from_pretrained(folder)
    monkeypatch.setattr(fresh.model, "compile", lambda **options: compiled.append(options))
    assert np.array_equal(fresh.generate("[S1] Hi.", seed=1, use_torch_compile=True), dia.generate("[S1] Hi.", seed=1))
    assert compiled


def test_deprecated_arguments_of_the_native_package_still_work(dia, voice, tmp_path):
    soundfile.write(tmp_path / "voice.wav", voice, RATE, subtype="FLOAT")
    with pytest.warns(FutureWarning, match="audio_prompt_path"):
        old = dia.generate("[S1] Hi.", audio_prompt_path=tmp_path / "voice.wav", max_tokens=330, seed=2)
    new = dia.generate("[S1] Hi.", audio_prompt=tmp_path / "voice.wav", max_tokens=330, seed=2)
    assert np.array_equal(old, new)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"text": None}, "text is NoneType"),
        ({"text": ""}, "text"),
        ({"text": []}, "text"),
        ({"text": ["[S1] Hi.", None]}, "text contains None"),
        ({"text": "[S1] " + "a" * 100}, "48"),
        ({"text": "[S1] Hi.", "temperature": -1.0}, "temperature"),
        ({"text": "[S1] Hi.", "temperature": "hot"}, "temperature"),
        ({"text": "[S1] Hi.", "cfg_scale": -0.5}, "cfg_scale"),
        ({"text": "[S1] Hi.", "top_p": 2}, "top_p"),
        ({"text": "[S1] Hi.", "cfg_filter_top_k": 0}, "cfg_filter_top_k"),
        ({"text": "[S1] Hi.", "max_tokens": 3}, "max_tokens"),
        ({"text": "[S1] Hi.", "seed": 1.5}, "seed is 1.5"),
        ({"text": "[S1] Hi.", "seed": [1, 2]}, r"seed is \[1, 2\]"),
        ({"text": "[S1] Hi.", "audio_prompt_text": 7}, "audio_prompt_text"),
        ({"text": ["[S1] Hi.", "[S1] Ho."], "seed": [1, 2, 3]}, "seed has 3"),
        ({"text": "[S1] Hi.", "audio_prompt": "no-such-file.wav"}, "no-such-file.wav"),
        ({"text": "[S1] Hi.", "audio_prompt": np.array([np.nan] * 4000, np.float32)}, "NaN"),
    ],
)
def test_bad_input_is_refused_by_name(dia, arguments, message):
    with pytest.raises((TypeError, ValueError, OSError), match=message):
        dia.generate(**arguments)


def test_an_unknown_device_or_dtype_is_refused_by_name(folder):
    with pytest.raises(ValueError, match="quantum"):
        choose_device("quantum")
    with pytest.raises(ValueError, match="int3"):
        Dia.from_pretrained(folder, compute_dtype="int3")


@pytest.mark.parametrize("options", [{}, {"quantization": "int8"}])
def test_model_and_processor_come_from_the_same_subfolder(folder, options):
    dia = Dia.from_pretrained(folder.parent, subfolder=folder.name, force_download=False, **options)
    assert len(dia.generate("[S1] Hi.", seed=1)) > 0


def test_a_wrong_dtype_is_refused_before_anything_is_loaded(folder, monkeypatch):
    monkeypatch.setattr(DiaForConditionalGeneration, "from_pretrained", None)
    with pytest.raises(ValueError, match="compute_dtype='int3' must be"):
        Dia.from_pretrained(folder, compute_dtype="int3")


@pytest.mark.parametrize("name", ["dtype", "torch_dtype"])
def test_the_dtype_is_taken_under_the_names_of_transformers_and_refused_by_the_name_given(folder, name):
    assert Dia.from_pretrained(folder, device="cpu", **{name: "float16"}).dtype == torch.float16
    with pytest.raises(ValueError, match=f"^{name}='int3' must be"):
        Dia.from_pretrained(folder, **{name: "int3"})


@pytest.mark.parametrize("name", ["compute_dtype", "dtype", "torch_dtype"])
def test_auto_is_the_default_dtype(folder, name):
    assert Dia.from_pretrained(folder, **{name: "auto"}).dtype == Dia.from_pretrained(folder).dtype


def test_weights_are_read_in_the_dtype_they_will_compute_in(folder, monkeypatch):
    read = []
    load = DiaForConditionalGeneration.from_pretrained.__func__
    spy = classmethod(lambda cls, *args, **kwargs: read.append(kwargs["dtype"]) or load(cls, *args, **kwargs))
    monkeypatch.setattr(DiaForConditionalGeneration, "from_pretrained", spy)
    monkeypatch.setattr("dia.checkpoints.placement._LARGE", 0)
    monkeypatch.setattr("dia.checkpoints.placement._cpu_has_bf16", lambda: True)
    dias = [Dia.from_pretrained(folder, device="cpu", **dtype) for dtype in ({}, {"dtype": torch.float16})]
    assert read == [dia.dtype for dia in dias] == [torch.bfloat16, torch.float16]


def test_two_dtypes_generate(folder):
    for dtype in ("bfloat16", torch.float16):
        dia = Dia.from_pretrained(folder, device="cpu", compute_dtype=dtype)
        audio = dia.generate("[S1] Hi.", seed=1)
        assert np.isfinite(audio).all()
        assert audio.any()


def test_the_default_is_the_published_model():
    assert Dia.from_pretrained.__func__.__defaults__[0] == REAL == "nari-labs/Dia-1.6B-0626"


def test_from_local_reads_config_and_weights(dia, folder):
    local = Dia.from_local(folder / "config.json", folder / "model.safetensors", codec_path=folder / "audio_tokenizer")
    local.processor.tokenizer.model_max_length = dia.processor.tokenizer.model_max_length
    assert np.array_equal(
        local.generate("[S1] Hi.", temperature=0, max_tokens=30, cfg_scale=2.0, cfg_filter_top_k=20),
        dia.generate("[S1] Hi.", temperature=0, max_tokens=30),
    )


def without_codec(dia):
    from dia import DiaProcessor

    parts, own = dia.processor, {"delay_pattern": PATTERN}
    ids = {name: getattr(parts, name) for name in ("bos_token_id", "eos_token_id", "pad_token_id")}
    return DiaProcessor(parts.feature_extractor, parts.tokenizer, None, **own, **ids)


@pytest.mark.parametrize("speaking_rate", [0.5, 1.6])
def test_every_entry_point_applies_the_speaking_rate_alike(dia, speaking_rate):
    options = {"seed": 3, "max_tokens": 60}
    spoken = dia.generate("[S1] Hello there.", **options)
    paced = dia.generate("[S1] Hello there.", speaking_rate=speaking_rate, **options)
    assert len(paced) == round(len(spoken) / speaking_rate)
    streamed = np.concatenate(list(dia.stream("[S1] Hello there.", speaking_rate=speaking_rate, **options)))
    np.testing.assert_allclose(streamed, paced, atol=1e-4)
    assert np.array_equal(dia.generate("[S1] Hello there.", speaking_rate=1, **options), spoken)


def test_a_speaking_rate_out_of_range_or_without_sound_is_refused(dia, folder):
    for rate in (0.4, 2.1, float("nan")):
        with pytest.raises(ValueError, match=r"speaking_rate=.* must be a number from 0\.5 to 2"):
            dia.generate("[S1] Hello.", speaking_rate=rate)
    with pytest.raises(TypeError, match="speaking_rate"):
        dia.generate("[S1] Hello.", speaking_rate="fast")
    with pytest.raises(ValueError, match="there is no codec"):
        Dia.from_pretrained(folder, load_dac=False).generate("[S1] Hello.", speaking_rate=1.5)


def test_a_watermark_takes_a_seed_of_any_numeric_type(dia):
    audio = np.zeros(RATE, np.float32)
    audio[::7] = 0.1
    marked = [dia.watermarker(seed).process(audio) for seed in (7, np.int32(7))]
    np.testing.assert_array_equal(*marked)
