"""integrations/comfyui: the nodes, imported and run as ComfyUI does."""

import inspect
import re
import shutil
import sys
from pathlib import Path
from threading import enumerate as enumerate_threads
from types import ModuleType

import numpy as np
import pytest
import torch
from talking import RATE, talking
from tiny_speech import tiny_speech

from dia.cli import main
from dia.model import Dia
from dia.voices import Voice
from dia.voices.library import EXAMPLES
from tests.integrations.comfyui import faults, import_nodes, run

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "integrations" / "comfyui"
PACKAGE = import_nodes(FOLDER)
NODES = PACKAGE.NODE_CLASS_MAPPINGS
SCRIPT = "[S1] I owe you $5. [S2] Yes."
LONG = " ".join(f"[S{1 + number % 2}] These are words." for number in range(10))
AUDIO = {"waveform": torch.from_numpy(talking(1.2))[None, None], "sample_rate": RATE}
VOICE = {"transcript": "[S1] Good morning.", "consent": "nobody's voice"}


class LoadAudio:
    """ComfyUI's own node for a recording."""

    RETURN_TYPES, FUNCTION = ("AUDIO",), "load"

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {}}

    def load(self):
        return (AUDIO,)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A model whose passes have room for a recording."""
    folder, speech = tmp_path_factory.mktemp("tiny"), tiny_speech(pass_seconds=5.0, max_length=500)
    speech.model.save_pretrained(folder)
    speech.processor.save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="module")
def dia(folder):
    return Dia.from_pretrained(folder, device="cpu")


@pytest.fixture
def comfy(monkeypatch):
    """A stub of ComfyUI's own modules: `checks_left` until the user interrupts, and the values of the progress bar."""

    class Interrupted(Exception):
        pass

    def check():
        stub.checks_left -= 1
        if stub.checks_left < 0:
            raise Interrupted

    class ProgressBar:
        def __init__(self, total):
            stub.total = total

        def update_absolute(self, value, total):
            stub.values.append((value, total))

    stub, management, utils = (ModuleType(name) for name in ("comfy", "comfy.model_management", "comfy.utils"))
    stub.checks_left, stub.values, stub.Interrupted = 1000, [], Interrupted
    management.throw_exception_if_processing_interrupted, utils.ProgressBar = check, ProgressBar
    for module in (stub, management, utils):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    return stub


def node(name, **inputs):
    """A node of a prompt, with the defaults of the widgets for inputs that are not given."""
    widgets = NODES[name].INPUT_TYPES()["required"].items()
    defaults = {key: rest[0]["default"] for key, (_, *rest) in widgets if rest and "default" in rest[0]}
    return {"class_type": name, "inputs": defaults | inputs}


def loaded(folder):
    return node("DiaLoadModel", model_name=folder, device="cpu")


def say(dia, **inputs):
    """The outputs of the node that speaks, for a model that is loaded."""
    given = node("DiaSay", **inputs)["inputs"]
    with torch.inference_mode():
        return NODES["DiaSay"]().say(model=dia, **given)


# What ComfyUI reads of a node


@pytest.mark.parametrize("name", NODES)
def test_a_node_declares_what_comfyui_reads(name):
    cls = NODES[name]
    declared = cls.INPUT_TYPES()
    inputs = [*declared["required"], *declared.get("optional", {})]
    assert list(inspect.signature(getattr(cls, cls.FUNCTION)).parameters)[1:] == inputs
    assert set(inspect.getfullargspec(cls.VALIDATE_INPUTS).args[1:]) <= set(inputs)
    assert len(cls.RETURN_TYPES) == len(cls.RETURN_NAMES)
    assert cls.CATEGORY == "audio/Dia"
    assert cls.DESCRIPTION


def test_every_node_has_a_name_to_show():
    assert set(PACKAGE.NODE_DISPLAY_NAME_MAPPINGS) == set(NODES)


def test_the_seed_has_64_bits_and_changes_after_a_run():
    kind, settings = NODES["DiaSay"].INPUT_TYPES()["required"]["seed"]
    assert (kind, settings["min"], settings["max"]) == ("INT", 0, 2**64 - 1)
    assert settings["control_after_generate"] is True


def test_the_readme_lists_the_nodes_with_their_inputs():
    rows = re.findall(r"^\| (Dia: [^|]+) \| ([^|]+) \|", (FOLDER / "README.md").read_text("utf-8"), re.MULTILINE)
    declared = {name: cls.INPUT_TYPES() for name, cls in NODES.items()}
    shown = {
        PACKAGE.NODE_DISPLAY_NAME_MAPPINGS[name]: [*inputs["required"], *inputs.get("optional", {})]
        for name, inputs in declared.items()
    }
    assert {name: inputs.split(", ") for name, inputs in rows} == shown


def test_the_notice_is_in_the_readme_and_at_the_nodes_that_make_voices_and_speech():
    section = (ROOT / "README.md").read_text("utf-8").partition("## Use it responsibly")[2].partition("\n## ")[0]
    forbidden = [line.strip(" -;.") for line in section.splitlines() if line.startswith("- ")]
    assert len(forbidden) == 3
    for text in ((FOLDER / "README.md").read_text("utf-8"), NODES["DiaSay"].DESCRIPTION):
        assert [use for use in forbidden if use not in text] == []
    assert NODES["DiaSay"].DESCRIPTION.partition(". ")[2] in NODES["DiaVoiceFromAudio"].DESCRIPTION


# Speech


def test_a_prompt_loads_a_model_and_speaks(folder, dia):
    outputs = run(NODES, {"1": loaded(folder), "2": node("DiaSay", model=["1", 0], script=SCRIPT, seed=3)})
    assert isinstance(outputs["1"][0], Dia)
    audio, script = outputs["2"]
    waveform = audio["waveform"]
    assert (waveform.dtype, waveform.shape[:2]) == (torch.float32, (1, 1))
    assert audio["sample_rate"] == dia.sample_rate
    np.testing.assert_allclose(waveform[0, 0].numpy(), dia.generate(SCRIPT, seed=3), atol=1e-5)
    assert script == "[S1] I owe you five dollars.\n[S2] Yes."


def test_quantized_weights_speak(folder):
    model = node("DiaLoadModel", model_name=folder, device="cpu", quantization="int8")
    audio, _ = run(NODES, {"1": model, "2": node("DiaSay", model=["1", 0], script=SCRIPT)})["2"]
    assert audio["waveform"].shape[2] > 0


def test_the_same_seed_gives_the_same_audio(dia):
    first, again, other = (say(dia, script=LONG, seed=seed)[0]["waveform"] for seed in (3, 3, 4))
    assert torch.equal(first, again)
    assert first.shape != other.shape or not torch.equal(first, other)


def test_inputs_reach_the_facade(dia, monkeypatch):
    jobs, job = [], Dia.job
    monkeypatch.setattr(Dia, "job", lambda self, text, **options: jobs.append(options) or job(self, text, **options))
    say(dia, script="Yes.", temperature=0.0, guidance=2.5, speaking_rate=1.25, text_format="html")
    say(dia, script="Yes.", normalize=False)
    asked = {"temperature": 0.0, "cfg_scale": 2.5, "speaking_rate": 1.25, "text_format": "html", "normalize": True}
    assert jobs[0] == asked | {"seed": 0, "voice": None}
    own = {"temperature": None, "cfg_scale": None, "speaking_rate": 1.0, "text_format": "plain", "normalize": False}
    assert jobs[1] == own | {"seed": 0, "voice": None}


def test_a_recording_becomes_a_voice_that_speaks(folder, dia):
    prompt = {
        "1": loaded(folder),
        "2": {"class_type": "LoadAudio", "inputs": {}},
        "3": node("DiaVoiceFromAudio", model=["1", 0], audio=["2", 0], **VOICE),
        "4": node("DiaSay", model=["1", 0], voice=["3", 0], script=SCRIPT, seed=3),
    }
    outputs = run(NODES | {"LoadAudio": LoadAudio}, prompt)
    voice, audio = outputs["3"][0], outputs["4"][0]
    assert isinstance(voice, Voice)
    assert (voice.transcript, voice.consent) == ("[S1] Good morning.", "nobody's voice")
    np.testing.assert_allclose(audio["waveform"][0, 0].numpy(), dia.generate(SCRIPT, seed=3, voice=voice), atol=1e-4)


def test_voices_are_given_by_name_file_or_speaker(dia, tmp_path, monkeypatch):
    given, job = [], Dia.job
    monkeypatch.setattr(
        Dia, "job", lambda self, text, voice, **options: given.append(voice) or job(self, text, **options)
    )
    for name in ("clara", "S1=clara, S2=bruno", "/voices/one, two.safetensors"):
        say(dia, script="Yes.", voice_name=name)
    assert given == ["clara", {"S1": "clara", "S2": "bruno"}, "/voices/one, two.safetensors"]


def test_a_voice_that_is_made_anew_is_a_change(tmp_path, monkeypatch):
    monkeypatch.setenv("DIA_VOICES", str(tmp_path))
    for name in ("ann", "joe"):
        shutil.copy(EXAMPLES / "clara.safetensors", tmp_path / f"{name}.safetensors")
    changed = NODES["DiaSay"].IS_CHANGED
    before = changed(voice_name="S1=ann, S2=joe", seed=1), changed(voice_name="ann", seed=1)
    (tmp_path / "joe.safetensors").touch()
    after = changed(voice_name="S1=ann, S2=joe", seed=1), changed(voice_name="ann", seed=1)
    assert after[0] != before[0]
    assert after[1] == before[1]
    assert changed(voice_name="") == changed(voice_name=None) == changed() == ""


# Errors


WRONG = {
    "a model that does not exist": (node("DiaLoadModel", model_name="minni"), r"no folder minni; did you mean 'mini'"),
    "a device that does not exist": (node("DiaLoadModel", device="cuda:99"), r"device='cuda:99' is not available"),
    "a quantization": (node("DiaLoadModel", quantization="int3"), "quantization is not in the list"),
    "an empty script": (node("DiaSay", model=["1", 0], script=" "), "text is empty or contains no words"),
    "subtitles without cues": (node("DiaSay", model=["1", 0], script="Hi.", text_format="srt"), "cue"),
    "a voice that does not exist": (node("DiaSay", model=["1", 0], voice_name="clra"), "did you mean 'clara'"),
    "a voice for both and one": (node("DiaSay", model=["1", 0], voice_name="clara, S2=bruno"), "one voice for all"),
    "a rate": (node("DiaSay", model=["1", 0], speaking_rate=3.0), "speaking_rate is out of range"),
    "no transcript": (node("DiaVoiceFromAudio", model=["1", 0], audio=["2", 0], consent="my own"), "transcript is"),
    "no consent": (node("DiaVoiceFromAudio", model=["1", 0], audio=["2", 0], transcript="Hi."), "consent is ''"),
    "an unknown format": (node("DiaReadScript", text_format="pdf"), "text_format is 'pdf'"),
}


@pytest.mark.parametrize("case", WRONG)
def test_bad_input_is_an_error_before_a_node_runs(case, folder):
    wrong, message = WRONG[case]
    prompt = {"1": loaded(folder), "2": {"class_type": "LoadAudio", "inputs": {}}, "3": wrong}
    (found,) = faults(NODES | {"LoadAudio": LoadAudio}, prompt)
    assert re.search(message, found)


@pytest.mark.parametrize("name", NODES)
def test_linked_inputs_are_not_checked_early(name):
    validate = NODES[name].VALIDATE_INPUTS
    assert validate() is True
    assert validate(**dict.fromkeys(inspect.getfullargspec(validate).args[1:])) is True


def test_a_voice_and_a_name_of_a_voice_are_an_error(dia):
    with pytest.raises(ValueError, match="voice_name and voice are both given"):
        say(dia, voice_name="clara", voice=Voice.load(EXAMPLES / "bruno.safetensors"))


def test_errors_of_the_facade_pass_through(dia):
    silent = {"waveform": torch.zeros(1, 2, 2 * RATE), "sample_rate": RATE}
    with pytest.raises(ValueError, match="audio is silent"):
        NODES["DiaVoiceFromAudio"]().make(model=dia, audio=silent, **VOICE)
    with pytest.raises(ValueError, match="temperature"):
        say(dia, temperature=-0.5)
    with pytest.raises(ValueError, match="a different codec"):
        say(dia, voice_name="clara")


# Interruption and progress


@pytest.mark.parametrize(("script", "ends"), [(SCRIPT, 0), (LONG, 2.5)], ids=["within a pass", "between parts"])
def test_an_interruption_stops_the_speech(comfy, script, ends):
    speech = tiny_speech(ends, pass_seconds=5.0, max_length=400)
    comfy.checks_left = 1
    with pytest.raises(comfy.Interrupted):
        say(Dia(speech.model, speech.processor), script=script, seed=3)
    assert len(comfy.values) == 1
    assert not [thread for thread in enumerate_threads() if thread.name in ("dia.runtime.background", "dia.stream")]


def test_the_progress_bar_grows_to_its_end(dia, comfy):
    audio, _ = say(dia, script=LONG, seed=3)
    values = [value for value, _ in comfy.values]
    assert len(values) > 2
    assert values == sorted(values)
    assert values[-1] == min(comfy.total, 10 * audio["waveform"].shape[2] // dia.sample_rate)
    assert {total for _, total in comfy.values} == {comfy.total}


# Reading


@pytest.mark.parametrize("script", [SCRIPT, "JOHN: Hi. [pause:1s]\nANN: Dr. Lee?", "[S1] Wait… [music]"])
def test_the_report_is_that_of_dia_read(script, capsys, monkeypatch):
    monkeypatch.setattr(Dia, "from_pretrained", lambda *_: pytest.fail("a model is loaded"))
    report, read = run(NODES, {"1": node("DiaReadScript", script=script)})["1"]
    assert main(["read", script]) == 0
    assert report + "\n" == capsys.readouterr().out
    assert read.startswith("[S1] ")


def test_a_report_is_for_the_model_that_is_named(folder, tmp_path):
    (tmp_path / "generation_config.json").write_text('{"text_frontend": "none"}', encoding="utf-8")
    shutil.copy(Path(folder) / "config.json", tmp_path)
    scripts = {
        name: NODES["DiaReadScript"]().read("[S1] 5", "plain", True, name)[1]
        for name in ("mini", "nari-labs/Dia-1.6B-0626", str(tmp_path))
    }
    assert list(scripts.values()) == ["[S1] five", "[S1] five", "[S1] 5"]
