"""`dia train-codec`: recordings in, a codec out that a processor can use; the same command goes on after a stop."""

import argparse
import json

import numpy as np
import pytest
import soundfile
import torch
from datasets import Dataset
from tiny import tiny_config
from tiny_codec import CODES, RATE, random_codes, tiny_codec
from transformers import DacModel

from dia.commands.training import train_codec as codec_command
from dia.processing_dia import DiaProcessor
from dia.training.codec import fit
from dia.training.codec.fit import BatchOptions
from dia.training.codec.recipe import stages_from_nothing, stages_of_tuning
from dia.training.codec.trainer import CodecTrainer, Diverged
from dia.training.data.source import read_source

SIZES = ["--rate", "8000", "--ratios", "2,4,5", "--codebooks", "3", "--codebook-size", "64", "--codebook-width", "4"]
SIZES += ["--encoder-width", "2", "--decoder-width", "16"]


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    """Tones in subfolders, at two rates; without transcripts."""
    folder, noise = tmp_path_factory.mktemp("recordings"), np.random.default_rng(0)
    for number in range(24):
        rate = (8000, 16000)[number % 2]
        (folder / f"part{number % 3}").mkdir(exist_ok=True)
        tone = 0.3 * np.sin(2 * np.pi * noise.uniform(80, 900) * np.arange(rate) / rate)
        soundfile.write(folder / f"part{number % 3}" / f"{number}.wav", tone + 0.01 * noise.normal(size=rate), rate)
    return folder


def command(*arguments, notice="Be kind."):
    parser = argparse.ArgumentParser(prog="dia")
    codec_command.add_command(parser.add_subparsers(), notice)
    parsed = parser.parse_args(["train-codec", *map(str, arguments)])
    return parsed.run(parsed)


def test_a_codec_trained_from_scratch_fits_a_processor(recordings, tmp_path, capsys):
    out = tmp_path / "codec"
    arguments = ["--data", recordings, "--output", out, *SIZES, "--steps", "10", "--batch-size", "4"]
    assert command(*arguments) == 0
    assert f"{out}: " in capsys.readouterr().out.splitlines()[-1]
    codec = DacModel.from_pretrained(out)
    assert codec.config.hop_length == 40
    assert codec.dtype == torch.float32
    processor = DiaProcessor.for_config(tiny_config(), codec)
    assert processor.sampling_rate == RATE
    assert codec.config.codebook_size == CODES
    lines = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    assert [line["stage"] for line in lines] == ["warmup", "joint", "decoder"]
    assert len(lines[-1]["codes_used"]) == 3
    samples = {path.name for path in (tmp_path / "codec-work" / "samples").iterdir()}
    assert {"original-0.wav", "original-0.png", "decoder-000002-0.wav", "decoder-000002-0.png"} <= samples


def test_tuning_only_the_decoder_preserves_the_codes(recordings, tmp_path):
    base = tiny_codec((2, 4, 5))
    base.save_pretrained(tmp_path / "base")
    arguments = ["--data", recordings, "--from", tmp_path / "base", "--decoder-only", "--discriminator", "hinge"]
    assert command(*arguments, "--discriminator-from", "0", "--output", tmp_path / "tuned", "--steps", "2") == 0
    tuned, audio = DacModel.from_pretrained(tmp_path / "tuned"), 0.1 * torch.randn(1, 1, 4000)
    assert torch.equal(tuned.encode(audio).audio_codes, base.encode(audio).audio_codes)
    codes = random_codes(12)[0].T[None]
    assert not torch.equal(tuned.decode(audio_codes=codes).audio_values, base.decode(audio_codes=codes).audio_values)


def test_the_same_command_resumes_after_a_stop(recordings, tmp_path, monkeypatch, capsys):
    arguments = ["--data", recordings, "--output", tmp_path / "codec", *SIZES, "--steps", "8", "--save-every", "2"]
    step, counted = CodecTrainer._step, []

    def interrupted(self, *rest):
        counted.append(1)
        if len(counted) == 4:
            raise KeyboardInterrupt
        return step(self, *rest)

    monkeypatch.setattr(CodecTrainer, "_step", interrupted)
    assert command(*arguments) == 130
    assert "run the same command again" in capsys.readouterr().err
    assert not (tmp_path / "codec").exists()
    assert command(*arguments) == 0
    assert len(counted) == 4 + 8 - 2  # two steps had been saved; the third is made again


def test_recordings_need_no_transcripts(recordings, tmp_path):
    files = [path.as_posix() for path in recordings.rglob("*.wav")]
    (tmp_path / "metadata.csv").write_text("\n".join(["file_name", *files]))
    listed = read_source(tmp_path, text_column=None)
    saved = Dataset.from_dict({"audio": files})
    assert (
        [row.audio.as_posix() for row in listed]
        == files
        == [row.audio for row in read_source(saved, text_column=None)]
    )
    assert {row.text for row in (*listed, *read_source(recordings, text_column=None))} == {""}
    assert len(read_source(recordings, text_column=None)) == len(files)


def test_a_diverged_run_is_reported_and_leaves_no_partial_files(recordings, tmp_path, monkeypatch, capsys):
    def diverge(self, *rest):
        raise Diverged("stage warmup, step 1: loss is nan.")

    monkeypatch.setattr(CodecTrainer, "_step", diverge)
    assert command("--data", recordings, "--output", tmp_path / "codec", *SIZES, "--steps", "4") == 1
    assert capsys.readouterr().err == "dia: stage warmup, step 1: loss is nan.\n"
    assert [path.name for path in tmp_path.iterdir()] == ["codec-work"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--rate", "8000", "--from", "x"], "--rate cannot be used with --from"),
        (["--decoder-only"], "--decoder-only needs an existing codec"),
        (["--ratios", "2,4", "--decoder-width", "10"], "decoder_width is 10; 2 ratios need a multiple of 4"),
        (["--ratios", "2,0"], r"ratios\[1\]=0[.0]* must be"),
        (["--codebook-size", "1"], "codebook_size=1[.0]* must be"),
        (["--codebook-width", "99", "--encoder-width", "2"], "codebook_width is 99; the encoder ends 32 wide"),
        (["--device", "quantum"], "--device quantum cannot be used here"),
        (["--batch-size", "0"], "batch=0[.0]* must be"),
        (["--segment-seconds", "0.01"], "segment_seconds is 0.01; pass at least"),
        (["--minutes", "0"], "minutes=0[.0]* must be"),
        (["--steps", "-3"], "steps=-3[.0]* must be"),
        (["--held-out", "1"], "heldout_share=1[.0]* must be"),
        (["--discriminator-from", "2"], "discriminator_from=2[.0]* must be"),
        (["--save-every", "0"], "save_every=0[.0]* must be"),
        (["--learning-rate", "-1"], "learning_rate=-1[.05]* must be"),
    ],
)
def test_errors_are_reported_before_training(recordings, tmp_path, arguments, message):
    with pytest.raises(ValueError, match=message):
        command("--data", recordings, "--output", tmp_path / "codec", *arguments)
    assert not (tmp_path / "codec").exists()


def test_a_non_empty_folder_is_rejected_before_anything_is_read(tmp_path):
    (tmp_path / "codec").mkdir()
    (tmp_path / "codec" / "precious").touch()
    with pytest.raises(ValueError, match="not empty"):
        command("--data", tmp_path / "nothing", "--output", tmp_path / "codec")


@pytest.mark.parametrize("options", [(), ("--overwrite",)])
@pytest.mark.parametrize("place", [".", "..", "", "part/..", "/"])
def test_the_working_directory_is_not_replaced(tmp_path, monkeypatch, place, options):
    (tmp_path / "here" / "part").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here")
    with pytest.raises(ValueError, match="is or contains the working directory, which cannot be replaced"):
        command("--data", tmp_path / "nothing", "--output", place, *options)
    assert [path.name for path in tmp_path.iterdir()] == ["here"]


def test_too_little_audio_is_rejected(recordings, tmp_path):
    with pytest.raises(ValueError, match=r"7\.0 s of audio to train on"):
        command("--data", recordings / "part0", "--held-out", "0.01", "--output", tmp_path / "codec", *SIZES)


def test_help_shows_examples_and_the_notice(capsys):
    with pytest.raises(SystemExit):
        command("--help")
    text = " ".join(capsys.readouterr().out.split())
    for part in ("examples:", "dia train-codec --data recordings --output my-codec", "log.jsonl", "codes_used"):
        assert part in text
    assert text.endswith("Be kind.")


def test_stages_share_the_time_and_the_steps():
    stages = stages_from_nothing(10, 1000)
    assert [(stage.stage, stage.steps) for stage in stages] == [("warmup", 250), ("joint", 450), ("decoder", 300)]
    assert [stage.seconds for stage in stages[1:]] == [360, 240]
    assert not any(stage.half for stage in stages[1:])
    assert stages[0].discriminator is None
    (decoder,) = stages_of_tuning(10, decoder_only=True, discriminator="hinge")
    assert (decoder.stage, decoder.seconds, decoder.discriminator) == ("decoder", 600, "hinge")
    assert not stages_of_tuning(10)[0].refit_every


def test_segments_are_whole_frames_of_the_codec():
    assert BatchOptions(segment_seconds=0.1).samples(tiny_codec((2, 4, 5))) == 800
    assert fit.LEAST_SECONDS > 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--from", "nowhere/at/all"], "--from nowhere/at/all: no such folder"),
        (["--from", "{dia}"], "contains a model of type dia; expected type dac"),
        (["--from", "{data}"], "contains no model: config.json is missing"),
        (["--output", "{data}/codec"], "lies inside --data .*Choose a folder outside"),
        (["--work", "{data}/work"], "--work .*lies inside --data"),
        (["--output", "{file}"], "is a file"),
        (["--work", "{file}/work"], "cannot be written"),
        (["--data", "{file}"], "is a file; pass the folder that contains the recordings"),
    ],
)
def test_invalid_output_folders_are_reported_before_training(recordings, tmp_path, arguments, message):
    (tmp_path / "file").touch()
    (tmp_path / "dia").mkdir()
    tiny_config().save_pretrained(tmp_path / "dia")
    names = {"data": recordings, "file": tmp_path / "file", "dia": tmp_path / "dia"}
    given = [argument.format(**names) for argument in arguments]
    with pytest.raises((ValueError, OSError), match=message):
        command("--data", recordings, "--output", tmp_path / "codec", *given)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dia", "file"]
    assert not list(recordings.glob(".*"))


@pytest.mark.parametrize("arguments", [("--threads", "0"), ("--seed", "-1")])
def test_invalid_numbers_are_reported_with_their_option(tmp_path, arguments, capsys):
    with pytest.raises(SystemExit):
        command("--data", "x", "--output", tmp_path / "codec", *arguments)
    assert f"argument {arguments[0]}: {arguments[1]} must be" in capsys.readouterr().err
