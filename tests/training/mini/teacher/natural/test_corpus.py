"""The corpus: shards that survive a kill, clips that are heard and dropped, and a disk that fills."""

import errno
import json
import multiprocessing
import os
import signal
import time

import numpy as np
import pytest

from dia.training.mini.teacher.natural import corpus
from dia.training.mini.teacher.natural.__main__ import main
from dia.training.mini.teacher.natural.corpus import Studio, build, index, read_shard, shard_numbers, summary
from dia.training.mini.teacher.natural.plan import Recipe, Role, requests
from dia.training.mini.teacher.natural.recognition import Saying, _shares_of, hear, letters_wrong
from dia.training.mini.teacher.natural.teachers.teacher import Speech
from dia.training.mini.teacher.natural.texts.mixture import Text
from tests.training.mini.teacher.natural.conftest import Humming

ROLES = (Role("S1", "hum", "low", 2.0), Role("S2", "hum", "high", 1.0, (0.9, 1.1)))
RECIPE = Recipe(rate=16_000, shard_clips=4, roles=ROLES)
TEXTS = [Text(f"Text {number}.", f"Text number {'x' * number}.", "prose") for number in range(40)]


def _hum(text):
    speech = Humming().say(text, "low")
    return speech.waveform, speech.rate


def _studio(teacher, ear=None):
    return Studio(lambda name: teacher, ear)


def test_a_shard_returns_the_clips_as_they_were_spoken(tmp_path, humming):
    build(tmp_path, RECIPE, TEXTS, 8, _studio(humming))
    clips = [clip for number in shard_numbers(tmp_path) for clip in read_shard(tmp_path, number)]
    assert [clip.line["spoken"] for clip in clips] == [text.spoken for text in TEXTS[:8]]
    assert [clip.line["typed"] for clip in clips] == [text.typed for text in TEXTS[:8]]
    assert {clip.line["speaker"] for clip in clips} == {"S1", "S2"}
    assert {clip.rate for clip in clips} == {16_000}
    clip = clips[2]
    assert len(clip.audio) == pytest.approx(16_000 * (0.2 + 0.1 * len(clip.line["spoken"])), abs=8)
    assert np.abs(clip.audio[:1500]).max() < 0.01 * 32767
    assert [label.phone for label in clip.labels] == list(clip.line["spoken"])
    assert clip.labels[0].start == pytest.approx(0.1, abs=0.01)
    assert clip.labels[-1].end == pytest.approx(len(clip.audio) / clip.rate - 0.1, abs=0.01)


def test_a_run_goes_on_where_it_ended(tmp_path, humming):
    build(tmp_path, RECIPE, TEXTS, 8, _studio(humming))
    build(tmp_path, RECIPE, TEXTS, 16, _studio(humming))
    assert [text for text, *_ in humming.said] == [text.spoken for text in TEXTS[:16]]
    assert shard_numbers(tmp_path) == [0, 1, 2, 3]


def test_parts_made_apart_are_together_what_one_run_makes(tmp_path, humming):
    for part in (1, 2):
        build(tmp_path / "both", RECIPE, TEXTS, 16, _studio(humming), (part, 2))
    build(tmp_path / "one", RECIPE, TEXTS, 16, _studio(humming))
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "both" / path.name).read_bytes()


def _until_killed(folder):
    """Speaks three shards and a half."""

    class Stopping(Humming):
        def say(self, *arguments):
            if len(self.said) == 14:
                time.sleep(1000)
            return super().say(*arguments)

    build(folder, RECIPE, TEXTS, 40, _studio(Stopping()))


def test_a_killed_run_leaves_whole_shards_and_goes_on(tmp_path, humming):
    process = multiprocessing.get_context("fork").Process(target=_until_killed, args=(tmp_path,))
    process.start()
    deadline = time.monotonic() + 60
    while len(shard_numbers(tmp_path)) < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    before = shard_numbers(tmp_path)
    assert before == [0, 1, 2]
    assert all(len(list(read_shard(tmp_path, number))) == 4 for number in before)
    build(tmp_path, RECIPE, TEXTS, 40, _studio(humming))
    assert len(humming.said) == 40 - 12
    build(tmp_path / "whole", RECIPE, TEXTS, 40, _studio(humming))
    assert all(index(tmp_path, number) == index(tmp_path / "whole", number) for number in range(10))


def test_audio_without_its_lines_is_made_again(tmp_path, humming):
    build(tmp_path, RECIPE, TEXTS, 4, _studio(humming))
    (tmp_path / "speech-00000.jsonl").unlink()
    (tmp_path / "speech-00000.flac").write_bytes(b"half a file")
    build(tmp_path, RECIPE, TEXTS, 4, _studio(humming))
    assert len(list(read_shard(tmp_path, 0))) == 4


def _ear(said, mistakes):
    """Understands a hum by its length: the texts of `said`, but for those in `mistakes`, which it hears as others."""

    def ear(waveform, rate):
        quiet = np.convolve(np.abs(waveform) < 0.01, np.ones(rate // 5), "same") > rate // 5 - 1
        starts = np.flatnonzero(np.diff(np.concatenate([[1], quiet.astype(int), [1]])))
        lengths = [round(10 * (b - a) / rate) - 2 for a, b in zip(starts[::2], starts[1::2], strict=True)]
        heard = [min(said, key=lambda text: abs(len(text) - length)) for length in lengths if length > 2]
        calls.append(len(heard))
        return " ".join(mistakes.get(text, text.upper()) for text in heard)

    calls = []
    ear.calls = calls
    return ear


DISTINCT = ["Go on.", "Who was it?", "They found a key.", "Is there any more tea?", "Bring coffee for my uncle."]


def test_what_is_heard_wrong_is_dropped_and_counted(tmp_path, humming):
    texts = [Text(text, text, "prose") for text in DISTINCT[1:]]
    ear = _ear(DISTINCT, {DISTINCT[2]: "something else"})
    build(tmp_path, RECIPE, texts, 4, _studio(humming, ear))
    kept = list(read_shard(tmp_path, 0))
    assert [clip.line["spoken"] for clip in kept] == [DISTINCT[n] for n in (1, 3, 4)]
    assert all(clip.line["wrong"] <= RECIPE.limit for clip in kept)
    dropped = index(tmp_path, 0)[1]
    assert (dropped["dropped"], dropped["heard"], dropped["samples"]) == ("words", "something else", 0)
    assert summary(tmp_path).splitlines()[-1].endswith("1 dropped (1 words)")


def test_clips_are_heard_together_and_again_alone_only_in_doubt():
    texts = 4 * DISTINCT
    ear = _ear(DISTINCT, {DISTINCT[0]: "noise"})
    hearings = hear(ear, [Saying(text, *_hum(text)) for text in texts], 0.3)
    others = [hearing for text, hearing in zip(texts, hearings, strict=True) if text != DISTINCT[0]]
    assert all(hearing.wrong <= 0.3 for hearing in others)
    assert hearings[0] == ("noise", pytest.approx(letters_wrong(DISTINCT[0], "noise")))
    assert hearings[1].heard is None
    assert ear.calls[0] > 5
    assert sum(ear.calls) <= 2 * len(texts)
    assert len(ear.calls) < len(texts)


@pytest.mark.parametrize(
    ("heard", "shares"),
    [
        ("one two. three four. five six", [0, 0, 0]),
        ("one two. five six", [0, 1, 0]),
        ("one two. three fore. five six", [0, 0.2, 0]),
        ("", [1, 1, 1]),
        ("1 2, 3 4, 5 6", [0, 0, 0]),
    ],
)
def test_wrong_letters_of_a_pack_are_told_apart(heard, shares):
    found = _shares_of(["One two.", "Three four.", "Five six."], heard)
    assert all(share >= least for share, least in zip(found, shares, strict=True))
    assert sum(found) <= sum(shares) + 0.5


def test_a_text_that_the_teacher_refuses_and_silence_are_dropped_and_counted(tmp_path, humming):
    class Mute(Humming):
        def say(self, text, *rest):
            speech = super().say(text, *rest)
            return Speech(0 * speech.waveform, speech.rate) if text == "Silence." else speech

    texts = [Text(t, t, "prose") for t in ("Hello.", "unsayable", "Silence.", "Bye.")]
    build(tmp_path, RECIPE, texts, 4, _studio(Mute()))
    assert [line.get("dropped") for line in index(tmp_path, 0)] == [None, "teacher: text: too long", "silence", None]
    assert summary(tmp_path).splitlines()[-1].endswith("2 dropped (1 teacher, 1 silence)")


def test_a_full_disk_is_named_and_keeps_the_whole_shards(tmp_path, humming, monkeypatch):
    build(tmp_path, RECIPE, TEXTS, 8, _studio(humming))
    real = corpus.Path.write_bytes

    def full(path, data):
        if "00003" in path.name:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(path, data)

    monkeypatch.setattr(corpus.Path, "write_bytes", full)
    with pytest.raises(OSError, match=r"No space left on device: .* has 3 whole shards, which are kept. Make room"):
        build(tmp_path, RECIPE, TEXTS, 16, _studio(humming))
    assert shard_numbers(tmp_path) == [0, 1, 2]
    assert not [path for path in tmp_path.iterdir() if "partial" in path.name]


def test_another_recipe_in_the_same_folder_is_refused(tmp_path, humming):
    build(tmp_path, RECIPE, TEXTS, 4, _studio(humming))
    with pytest.raises(ValueError, match=r"corpus.json has another rate, seed. Choose another folder"):
        build(tmp_path, Recipe(1, 24_000, 4, roles=ROLES), TEXTS, 4, _studio(humming))


def test_a_voice_that_the_teacher_lacks_is_an_error_before_anything_is_made(tmp_path, humming):
    roles = (*ROLES, Role("S3", "hum", "husky", 0.01))
    with pytest.raises(ValueError, match=r"voice: there is no 'husky'. Choose from low, high."):
        build(tmp_path / "corpus", Recipe(roles=roles), TEXTS, 4, _studio(humming))
    assert not (tmp_path / "corpus").exists()
    assert not humming.said


def test_the_manifest_names_all_that_another_machine_needs(tmp_path, humming):
    build(tmp_path, RECIPE, TEXTS, 4, _studio(humming))
    manifest = json.loads((tmp_path / "corpus.json").read_text(encoding="utf-8"))
    assert manifest["python_packages"]["hibari-tts"] == "0.2.1"
    assert set(manifest["archives"]["moby-dick"]) == {"file", "sha256"}
    assert len((tmp_path / "corpus.json").read_bytes()) < 10_000


def test_voices_have_their_shares_and_tempos():
    made = list(requests(RECIPE, TEXTS * 100))
    assert sum(request.role.speaker == "S1" for request in made) / len(made) == pytest.approx(2 / 3, abs=0.03)
    assert {0.9 <= request.tempo <= 1.1 for request in made} == {True}
    assert made == list(requests(RECIPE, TEXTS * 100))


@pytest.mark.parametrize(
    ("spoken", "heard", "share"),
    [("Hello there.", "hello, there", 0.0), ("Twenty-one.", "21", 0.0), ("Cat.", "", 1.0), ("A word", "a sword", 0.2)],
)
def test_letters_are_compared_without_case_marks_and_digits(spoken, heard, share):
    assert letters_wrong(spoken, heard) == pytest.approx(share)


def test_a_share_beyond_the_parts_is_refused(tmp_path, capsys):
    with pytest.raises(SystemExit):
        main([str(tmp_path / "corpus"), "--share", "3/2"])
    assert "'3/2' is not a share. Write 1/2 for the first of two." in capsys.readouterr().err


def test_without_archives_the_command_says_what_to_run(tmp_path, capsys):
    pytest.importorskip("soundfile")
    arguments = [str(tmp_path / "corpus"), "--packages", str(tmp_path), "--teachers", "flite", "--no-hearing"]
    assert main(arguments) == 1
    assert "Run: python -m dia.training.mini.teacher.natural.packages" in capsys.readouterr().err
