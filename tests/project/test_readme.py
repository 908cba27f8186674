"""The documents: what they show runs, what they link to is there, what they name exists.

Every block of Python in README.md and docs/ is run, in order and in one namespace per document, in a folder of its
own. The embedded model stands in for the published one (where it is not there, a tiny model), a data set made here for
the public one, and the CPU for CUDA where there is none.
"""

import importlib.util
import io
import json
import re
import shlex
import shutil
from collections.abc import Iterator
from importlib.metadata import metadata
from itertools import groupby
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import native_checkpoints
import numpy as np
import pytest
import soundfile
import torch
from ffmpeg import why_data_sets_are_mute
from talking import talking
from tiny import tiny_config, tiny_model
from tiny_codec import tiny_codec, tiny_processor

import dia
from dia import cli
from dia.checkpoints.native import checkpoint as native
from dia.decoding.sampling import published_generation_config
from dia.model import REAL
from tests.project import frameworks

ROOT = Path(__file__).parents[2]
PAGES = ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "examples/README.md")
DOCUMENTS = [*(ROOT / page for page in PAGES), *sorted((ROOT / "docs").glob("**/*.md"))]
DATA_SET = "hf-internal-testing/dailytalk-dummy"
LANGUAGES = {"python", "sh", "bash", "text", "json", "mermaid"}

RECORDING_SECONDS, SPOKEN_ROWS, TEXT_LIMIT = 1.2, 40, 512

TEXT_TO_SPEECH = """\
import soundfile as sf
from dia.model import Dia

# Load the model
model = Dia.from_pretrained("nari-labs/Dia-1.6B-0626")

# Provide a script with speaker tags and non-verbal cues
text = "[S1] Dia is an open weights text to dialogue model. [S2] You get full control over scripts and voices. \
[S1] Wow. Amazing. (laughs) [S2] Try it now on Git hub or Hugging Face."

# Generate the audio
output = model.generate(text)

# Save the output file
sf.write("dialogue.mp3", output, 44100)
"""

VOICE_CLONING = """\
from datasets import load_dataset, Audio
from transformers import AutoProcessor, DiaForConditionalGeneration

torch_device = "cuda"
model_checkpoint = "nari-labs/Dia-1.6B-0626"

# Load an audio dataset for the prompt
ds = load_dataset("hf-internal-testing/dailytalk-dummy", split="train")
ds = ds.cast_column("audio", Audio(sampling_rate=44100))
audio_prompt = ds[-1]["audio"]["array"]

# The text includes a transcript of the prompt audio followed by the new text to generate
text = "[S1] I know. It's going to save me a lot of money, I hope. [S2] I sure hope so for you."

# Process inputs
processor = AutoProcessor.from_pretrained(model_checkpoint)
inputs = processor(text=text, audio=audio_prompt, padding=True, return_tensors="pt").to(torch_device)
prompt_len = processor.get_audio_prompt_len(inputs["decoder_attention_mask"])

# Load model and generate
model = DiaForConditionalGeneration.from_pretrained(model_checkpoint).to(torch_device)
outputs = model.generate(**inputs, max_new_tokens=256)

# Decode and save the newly generated part of the audio
outputs = processor.batch_decode(outputs, audio_prompt_len=prompt_len)
processor.save_audio(outputs, "cloned_voice_output.wav")
"""


class Block(NamedTuple):
    """A fenced block of a document and the line before its content."""

    language: str
    line: int
    content: str


def blocks(document: Path) -> list[Block]:
    text = document.read_text(encoding="utf-8")
    found = re.finditer(r"^```(\w*)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    return [Block(match[1], text[: match.start(2)].count("\n"), match[2]) for match in found]


def prose(document: Path) -> str:
    return re.sub(r"^```.*?^```$", "", document.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)


def title(document: Path) -> str:
    return str(document.relative_to(ROOT)).removeprefix("docs/")


def commands(document: Path) -> Iterator[list[str]]:
    """The words of every command in the shell blocks; pipes are taken apart, comments dropped."""
    shell = [block.content for block in blocks(document) if block.language in ("sh", "bash")]
    for line in "".join(shell).replace("\\\n", " ").splitlines():
        words = shlex.shlex(line, posix=True, punctuation_chars="|;&<>")
        words.whitespace_split = True
        parts = groupby(words, key=lambda word: bool(set(word) - set("|;&<>")))
        yield from (list(part) for is_command, part in parts if is_command)


def anchors(document: Path) -> set[str]:
    """What `#…` may follow a link to a document: its headings, as code hosts spell them."""
    headings = re.findall(r"^#+ (.*)$", prose(document), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def recording(pitch: float, rate: int = 22050) -> bytes:
    """Something like a short recording of a voice, as the content of a wav file."""
    content = io.BytesIO()
    soundfile.write(content, talking(RECORDING_SECONDS, pitch, rate), rate, format="WAV")
    return content.getvalue()


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory) -> Path:
    """The embedded model, or where it is not there the tiny one; told to be brief but not mute."""
    folder = tmp_path_factory.mktemp("checkpoint") / "dia"
    if (dia.MINI / "config.json").is_file():
        shutil.copytree(dia.MINI, folder)
    else:
        write_tiny_checkpoint_with_room_for_a_dialogue(folder)
    frame_rate = dia.DiaProcessor.from_pretrained(folder).frame_rate
    limits = {
        "max_length": int(RECORDING_SECONDS * frame_rate) + SPOKEN_ROWS,
        "min_new_tokens": SPOKEN_ROWS // 2,  # random weights may end at once
    }
    settings = folder / "generation_config.json"
    settings.write_text(json.dumps(json.loads(settings.read_text()) | limits))
    return folder


def write_tiny_checkpoint_with_room_for_a_dialogue(folder: Path) -> None:
    config, processor = tiny_config(), tiny_processor(tiny_codec((2, 4, 5)))
    config.encoder_config.max_position_embeddings = TEXT_LIMIT
    processor.tokenizer = dia.DiaTokenizer(max_length=TEXT_LIMIT)
    model = tiny_model(config)
    model.generation_config = published_generation_config(config)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)


def write_native_checkpoint(folder: Path) -> None:
    native_checkpoints.write(folder, native_checkpoints.first_generation(), {}, "pth")
    config = native.read_config(folder / "config.json")
    weights = native_checkpoints.tiny_model(config).state_dict()
    torch.save(native_checkpoints.to_native(weights, config), folder / "dia-v0_1.pth")


@pytest.fixture
def workplace(tmp_path, monkeypatch, checkpoint) -> Path:
    """The folder that programs run in: recordings, a script and a native checkpoint lie there."""
    (tmp_path / "voice.wav").write_bytes(recording(110))
    (tmp_path / "friend.wav").write_bytes(recording(220, rate=16000))
    (tmp_path / "recordings").mkdir()
    for pitch in (110, 220):
        (tmp_path / "recordings" / f"{pitch}.wav").write_bytes(recording(pitch))
        (tmp_path / "recordings" / f"{pitch}.txt").write_text(f"Tone {pitch}.", encoding="utf-8")
    (tmp_path / "script.txt").write_text("[S1] Good morning. [S2] Good morning!", encoding="utf-8")
    write_native_checkpoint(tmp_path / "native-dia")
    monkeypatch.chdir(tmp_path)
    frameworks.stand_in(monkeypatch)
    monkeypatch.setattr("dia.MINI", checkpoint)
    monkeypatch.setattr("dia.checkpoints.loading.MINI", checkpoint)
    monkeypatch.setattr("dia.training.codec.fit.LEAST_SECONDS", 0.0)  # tones of a quarter of a second
    torch.manual_seed(0)
    return tmp_path


@pytest.fixture
def data_set(tmp_path_factory, monkeypatch) -> str:
    """A folder of two recordings that `load_dataset` reads; skips where nothing can decode them."""
    if (reason := why_data_sets_are_mute()) is not None:
        pytest.skip(reason)
    from datasets import Audio, Dataset, Features

    folder = tmp_path_factory.mktemp("data_set")
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", folder / "cache")
    rows = {"audio": [{"path": None, "bytes": recording(pitch)} for pitch in (110, 220)]}
    Dataset.from_dict(rows, Features({"audio": Audio()})).to_parquet(folder / "train.parquet")
    return str(folder)


def run(program: str, names: dict[str, str], namespace: dict[str, Any], title: str = "program", line: int = 0) -> None:
    """Run a program with what `names` says in the place of names that only a network gives."""
    if not torch.cuda.is_available():
        names = {**names, '"cuda"': '"cpu"'}
    for name, stand_in in names.items():
        program = program.replace(name, stand_in)
    exec(compile("\n" * line + program, title, "exec"), namespace)


def assert_sound(path: Path) -> None:
    samples, _ = soundfile.read(path)
    assert samples.ndim == 1, path.name
    assert len(samples) > 0, path.name
    assert np.isfinite(samples).all(), path.name
    assert np.ptp(samples) > 0, path.name


def test_seed_program_text_to_speech(workplace, checkpoint):
    run(TEXT_TO_SPEECH, {REAL: str(checkpoint)}, {})
    assert_sound(workplace / "dialogue.mp3")


@pytest.mark.parametrize("source", ["transformers", "dia"])
def test_seed_program_voice_cloning(workplace, checkpoint, data_set, source):
    program = VOICE_CLONING
    if source == "dia":  # the model class by name; transformers' own stays transformers' own
        ours = "AutoProcessor\nfrom dia import DiaForConditionalGeneration"
        program = program.replace("AutoProcessor, DiaForConditionalGeneration", ours)
    namespace: dict[str, Any] = {}
    run(program, {REAL: str(checkpoint), DATA_SET: data_set}, namespace)
    assert type(namespace["processor"]) is dia.DiaProcessor
    assert type(namespace["model"]).__module__.startswith(source)
    assert_sound(workplace / "cloned_voice_output.wav")


def test_the_readme_shows_both_programs_unchanged():
    shown = [block.content for block in blocks(ROOT / "README.md") if block.language == "python"]
    assert TEXT_TO_SPEECH in shown
    assert VOICE_CLONING in shown


@pytest.mark.parametrize("document", DOCUMENTS, ids=title)
def test_every_block_of_python_runs(document, workplace, checkpoint, request):
    mute, left_out, namespace = why_data_sets_are_mute(), 0, {}
    for language, line, content in blocks(document):
        if language != "python" or content in (TEXT_TO_SPEECH, VOICE_CLONING):
            continue
        names = {REAL: str(checkpoint)}
        if DATA_SET in content and mute is not None:
            left_out += 1
            continue
        if DATA_SET in content:
            names[DATA_SET] = request.getfixturevalue("data_set")
        run(content, names, namespace, str(document), line)
    for path in workplace.iterdir():
        if path.suffix[1:] in ("wav", "flac", "mp3", "ogg"):
            assert_sound(path)
    if left_out:
        pytest.skip(f"every block ran but {left_out}: {mute}")


@pytest.mark.parametrize("document", DOCUMENTS, ids=title)
def test_every_block_says_its_language(document):
    """A misspelled language would leave a block untested."""
    assert {block.language for block in blocks(document)} <= LANGUAGES


@pytest.mark.parametrize("document", DOCUMENTS, ids=title)
def test_every_command_is_one_that_the_project_has(document):
    for words in commands(document):
        match words:
            case ["dia", *arguments]:
                cli.build_parser().parse_args(arguments)
            case ["python", "-m", module, *_]:
                assert importlib.util.find_spec(module), words
            case ["python", script] if script.startswith("examples/"):
                assert (ROOT / script).is_file()
            case ["python", script, *arguments]:
                load(ROOT / script).parser().parse_args(arguments)


def load(script: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(script.stem, script)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("document", DOCUMENTS, ids=title)
def test_every_make_target_and_extra_exists(document):
    text = document.read_text(encoding="utf-8")
    targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert set(re.findall(r"(?:^|`)make ([\w-]+)", text, re.MULTILINE)) <= set(targets)
    extras = ",".join(re.findall(r"(?:dia-tts|\.)\[([a-z,]+)\]", text))
    assert set(filter(None, extras.split(","))) <= set(metadata("dia-tts").get_all("Provides-Extra"))


@pytest.mark.parametrize("document", DOCUMENTS, ids=title)
def test_every_relative_link_leads_to_a_file_and_a_heading(document):
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(document)):
        if "://" in target:
            continue
        file, _, anchor = target.partition("#")
        there = document.parent / file if file else document
        assert there.exists(), target
        assert not anchor or anchor in anchors(there), target


@pytest.mark.parametrize("document", DOCUMENTS, ids=title)
def test_every_test_that_a_document_names_exists(document):
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py")]
    known = {name for source in sources for name in re.findall(r"^def (test_\w+)", source, re.MULTILINE)}
    known |= {path.stem for path in (ROOT / "tests").rglob("test_*.py")}
    assert set(re.findall(r"\btest_\w+", prose(document))) <= known
