"""What the quality benchmark counts: intervals, fresh texts, homophones, turns, pitch, sounds, and its verdicts."""

import json
import random
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks" / "quality"


@pytest.fixture(scope="module", autouse=True)
def _benchmarks_importable():
    sys.path.insert(0, str(BENCHMARKS))
    yield
    sys.path.remove(str(BENCHMARKS))


RATE = 16_000
HERE = {"here": frozenset({"HH IY R"}), "hear": frozenset({"HH IY R"}), "hair": frozenset({"HH EH R"})}


def voice(hertz: float, seconds: float) -> np.ndarray:
    """A buzz with a soft beginning and end, as pitch and turns need no more."""
    time = np.arange(round(seconds * RATE)) / RATE
    wave = np.sum([np.cos(2 * np.pi * hertz * k * time) / k for k in range(1, 12)], 0)
    return (0.1 * wave * np.minimum(1, 40 * np.minimum(time, time[::-1]))).astype(np.float32)


def silence(seconds: float) -> np.ndarray:
    return np.zeros(round(seconds * RATE), np.float32)


def test_a_share_has_wilsons_interval():
    from evaluation.intervals import share

    all_right = share(200, 200)
    assert (all_right.value, all_right.high) == (1.0, pytest.approx(1.0))
    assert all_right.low == pytest.approx(0.981, abs=0.001)
    assert share(5, 10)[1:3] == pytest.approx((0.237, 0.763), abs=0.001)
    with pytest.raises(ValueError, match="of is 0"):
        share(0, 0)


def test_a_rate_is_weighed_by_words_and_its_interval_narrows_with_items():
    from evaluation.intervals import rate

    assert rate([1, 0], [2, 6]).value == 1 / 8
    few, many = rate([0, 1] * 10, [4] * 20), rate([0, 1] * 500, [4] * 1000)
    assert few.low < many.low < 0.125 < many.high < few.high
    assert rate([0, 1] * 10, [4] * 20) == few


def test_a_paired_difference_knows_more_than_two_rates():
    from evaluation.intervals import rate

    rng = np.random.default_rng(0)
    teacher = rng.integers(0, 4, 200)
    model = teacher + (rng.random(200) < 0.1)
    words = [5] * 200
    difference, alone = rate(model - teacher, words), rate(model, words)
    assert difference.low > 0
    assert difference.high - difference.low < 0.4 * (alone.high - alone.low)


def test_texts_that_share_four_words_with_training_are_refused_and_counted(monkeypatch):
    from evaluation import held_out

    monkeypatch.setattr(held_out, "split_of", lambda text: "train" if "train" in text else "heldout")
    trained = frozenset(held_out.runs_of("Yes. I am, (laughs) here today!"))
    candidates = [
        "And I am here today.",
        "A train is here now.",
        "I am here.",
        "Yes I am there today.",
        "I am not here!",
    ]
    drawn = held_out.fresh_sentences(candidates, trained, 2)
    assert drawn == (["Yes I am there today.", "I am not here!"], 1)


def test_runs_reach_over_punctuation_and_sounds():
    from evaluation.held_out import runs_of

    assert runs_of("[S1] One, two. (beep) Three! Four") == {("one", "two", "three", "four")}
    assert runs_of("One two three.") == set()


def test_training_runs_are_those_of_its_split_alone():
    from evaluation.held_out import runs_of, trained_runs

    from dia.training.mini.teacher.texts import utterances

    stream = utterances(0)
    texts = [next(stream) for _ in range(200)]
    learned = set().union(*(runs_of(u.text) for u in texts if u.split == "train"))
    assert trained_runs(200, 0) == learned


def test_homophones_count_as_equal_by_the_dictionary():
    from evaluation.recognizer import edit_distance, pronunciations

    assert edit_distance(["come", "here"], ["come", "hear"], HERE) == 0
    assert edit_distance(["come", "here"], ["come", "hair"], HERE) == 1
    assert edit_distance(["come", "here"], ["come", "hear"]) == 1
    lines = ["read R EH D", "read(2) R IY D", "red R  EH D", "reed R IY D"]
    assert pronunciations(lines)["read"] == {"R EH D", "R IY D"}
    assert edit_distance(["red"], ["reed"], pronunciations(lines)) == 1


def test_edits_are_the_fewest():
    from evaluation.recognizer import edit_distance

    assert edit_distance(["a", "b", "c"], []) == 3
    assert edit_distance([], ["a"]) == 1
    assert edit_distance(["a", "b", "c", "d"], ["b", "x", "d", "e"]) == 3


@pytest.mark.skipif(find_spec("pocketsphinx") is None, reason="pocketsphinx is not installed")
def test_silence_is_no_word():
    from evaluation.recognizer import Recognizer

    recognizer = Recognizer(["here", "hear", "mountain"])
    assert recognizer.errors("[S1] Here!", silence(0.02), RATE) == (1, 1)
    with pytest.raises(ValueError, match="xyzzy"):
        Recognizer(["xyzzy"])


@pytest.mark.skipif(
    find_spec("pocketsphinx") is None or shutil.which("flite") is None, reason="flite or pocketsphinx is missing"
)
def test_the_teacher_is_understood():
    from evaluation.held_out import TEACHER_RATE, spoken_by_teacher
    from evaluation.recognizer import Recognizer

    item = spoken_by_teacher("The mountain was beautiful.", "S2")
    recognizer = Recognizer(["the", "mountain", "was", "beautiful", "hear"])
    assert recognizer.errors(item.text, item.teacher, TEACHER_RATE) == (0, 4)


@pytest.mark.parametrize("seed", range(5))
def test_turns_are_found_by_pauses_though_lengths_are_known_roughly_and_turns_pause_within(seed):
    from evaluation.listening import turns

    rng = random.Random(seed)
    lengths = [rng.uniform(1.2, 3.5) for _ in range(rng.randint(2, 6))]
    spoken = [
        np.concatenate([voice(120, 0.4 * seconds), silence(0.1), voice(120, 0.6 * seconds - 0.1)])
        for seconds in lengths
    ]
    pauses = [silence(0.2)] * (len(lengths) - 1) + [silence(0)]
    whole = np.concatenate([part for pair in zip(spoken, pauses, strict=True) for part in pair])
    found = turns(whole, RATE, [seconds * rng.uniform(0.88, 1.12) for seconds in lengths])
    cuts, pauses_begin = (
        np.cumsum([len(part) / RATE for part in found])[:-1],
        np.cumsum(np.add(lengths, 0.2))[:-1] - 0.2,
    )
    assert sum(map(len, found)) == pytest.approx(len(whole), abs=0.02 * RATE)
    assert all(begin - 0.02 <= cut <= begin + 0.22 for cut, begin in zip(cuts, pauses_begin, strict=True))


def test_a_turn_in_the_wrong_voice_is_wrong():
    from evaluation.held_out import Item
    from mini.voices import pitches_of, right_turns

    high, low = Item("", "S1", "", voice(170, 2.0)), Item("", "S2", "", voice(100, 1.5))
    pitches = pitches_of([high, low])
    assert pitches == pytest.approx({"S1": 170, "S2": 100}, rel=0.01)

    def right(*parts):
        spoken = [part for one in parts for part in (one, silence(0.2))]
        return right_turns(np.concatenate(spoken), RATE, [high, low, high], pitches)

    assert right(high.teacher, low.teacher, high.teacher) == 3
    assert right(high.teacher, high.teacher[: len(low.teacher)], high.teacher) == 2
    assert right(voice(135, 2.0), voice(135, 1.5), voice(135, 2.0)) == 0
    assert right(silence(2)) == 0


@pytest.mark.parametrize("hertz", [85.0, 100.0, 172.0, 205.0])
def test_pitch_is_that_of_the_voice_among_silence(hertz):
    from evaluation.listening import within

    from dia.audio.dsp.pitch import median_pitch

    pitch = median_pitch(np.concatenate([silence(0.3), voice(hertz, 0.5)]), RATE)
    assert pitch == pytest.approx(hertz, rel=0.02)
    assert within(pitch, hertz)
    assert not within(pitch, 1.13 * hertz)
    assert not within(float("nan"), hertz)


def test_lengths_are_compared_without_the_silence_at_the_ends():
    from mini.words import length_right

    teacher = np.concatenate([silence(0.1), voice(120, 1.0), silence(0.1)])
    assert length_right(np.concatenate([silence(1.0), voice(120, 1.2)]), RATE, teacher)
    assert not length_right(voice(120, 1.35), RATE, teacher)
    assert not length_right(silence(1.0), RATE, teacher)


@pytest.fixture(scope="module")
def templates(_benchmarks_importable):
    from mini.sounds import examples_of, templates_of

    voices = {"S1": voice(172.0, 0.7), "S2": voice(100.0, 0.7)}
    return {name: templates_of(examples_of(name, [synthesizer] * 3), RATE) for name, synthesizer in voices.items()}


@pytest.mark.parametrize("speaker", ["S1", "S2"])
def test_every_fresh_sound_is_told_from_all_others_and_from_a_voice(templates, speaker):
    from mini.sounds import SOUNDS, WORDS, describe, fresh_sound

    rng = np.random.default_rng(99)
    for tag in SOUNDS:
        clip = fresh_sound(tag, speaker, rng)
        noisy = np.pad(clip, 3000) + 1e-3 * rng.standard_normal(len(clip) + 6000)
        assert templates[speaker].nearest(describe(0.5 * noisy, RATE)) == tag
    assert templates[speaker].nearest(describe(voice(172.0 if speaker == "S1" else 100.0, 0.6), RATE)) == WORDS


@pytest.mark.parametrize("before", [True, False])
def test_a_sound_is_cut_out_from_beside_its_words(templates, before):
    from evaluation.held_out import Item
    from mini.sounds import SOUNDS, Sounding, describe, fresh_sound

    rng = np.random.default_rng(3)
    words = Item("", "S1", "", np.concatenate([silence(0.1), voice(172, 1.5), silence(0.1)]))
    for tag in SOUNDS:
        parts = [fresh_sound(tag, "S1", rng), silence(0.12), voice(172, 1.5)]
        spoken = np.concatenate(parts if before else parts[::-1])
        part = Sounding(words, tag, before, words).cut_out(spoken, RATE)
        assert templates["S1"].nearest(describe(part, RATE)) == tag


def test_figures_stand_beside_what_is_asked():
    from evaluation.intervals import certain, share
    from mini.goals import GOALS, table, told, verdict

    assert [verdict(GOALS["ended"], value) for value in (1.0, 0.98, 0.97)] == ["aim", "must", "missed"]
    assert [verdict(GOALS["sentence_above"], value) for value in (0.04, 0.1, 0.11)] == ["aim", "must", "missed"]
    figures = {"ended": share(99, 100), "gap": certain(2.5, 200)}
    rows = told(figures)
    assert rows["ended"] | {"low": 0, "high": 0} == {
        "value": 0.99, "of": 100, "low": 0, "high": 0, "must": 0.98, "aim": 1.0, "reached": "must"
    }  # fmt: skip
    assert "low" not in rows["gap"]
    lines = table(figures).splitlines()
    assert "94.6 … 99.8" in lines[1]
    assert lines[1].endswith("98.0    100.0  must")
    assert "2.50 nat" in lines[2]


def test_help_teaches_and_an_unknown_part_is_named(monkeypatch, capsys):
    import mini_quality

    monkeypatch.setattr(sys, "argv", ["mini_quality.py", "--help"])
    with pytest.raises(SystemExit):
        mini_quality.main()
    told = capsys.readouterr().out
    assert all(name in told for name in (*mini_quality.PARTS, "apt-get install flite", "--quick"))
    monkeypatch.setattr(sys, "argv", ["mini_quality.py", "--only", "singing"])
    with pytest.raises(SystemExit, match="--only singing is not one of words, voices"):
        mini_quality.main()


def test_without_the_teacher_one_line_says_how_to_get_it(monkeypatch):
    import mini_quality

    monkeypatch.setattr(mini_quality, "which", lambda _: None)
    monkeypatch.setattr(sys, "argv", ["mini_quality.py"])
    with pytest.raises(SystemExit, match="apt-get install flite"):
        mini_quality.main()


def test_the_own_voice_is_the_nearest_reference():
    pytest.importorskip("faster_whisper", reason="the judges need the extra [teacher]")
    from cloning import REFERENCES, closer, own_voice, reference_names

    from dia.training.mini.teacher.natural.plan import HELD_OUT

    east, north = np.array([1.0, 0.0], np.float32), np.array([0.0, 1.0], np.float32)
    slanted = np.array([0.8, 0.6], np.float32)
    references = {"east": east, "north": north}
    assert own_voice([("east", slanted), ("north", slanted)], references).value == 0.5
    assert closer([slanted, slanted], east, [north]).value == pytest.approx(0.2)
    assert len(set(reference_names())) == REFERENCES
    assert set(HELD_OUT) < set(reference_names())


def test_figures_of_a_tuned_model_and_of_matched_voices_are_named_so():
    pytest.importorskip("faster_whisper", reason="the judges need the extra [teacher]")
    from cloning import Bench

    bench = Bench.__new__(Bench)
    for options, name in (((), "closer"), (("--steps", "9"), "tuned_closer")):
        for bench.matched, kind in ((False, ""), (True, "matched_")):
            bench.options = options
            assert bench.named({"closer": 1.0}) == {kind + name: 1.0}


@pytest.mark.parametrize(
    ("text", "heard", "wrong"),
    [
        ("Try Git hub.", "Try GitHub.", 0),
        ("Try GitHub.", "Try git hub.", 0),
        ("The open-weight text.", "the openweight texts", 1),
        ("In to the sea.", "In the sea.", 1),
        ("It starts at 9:30.", "It starts at 9.30.", 0),
        ("It costs $9.30 at 9:45.", "It costs $9.30 at 9.45.", 0),
        ("It weighs 9.30 kilos.", "It weighs 9:30 kilos.", 3),
    ],
)
def test_ways_of_writing_the_same_words_are_not_errors(monkeypatch, text, heard, wrong):
    from evaluation.judges import Whisper

    monkeypatch.setattr(Whisper, "__init__", lambda self: None)
    monkeypatch.setattr(Whisper, "hear", lambda self, waveform, rate: heard)
    assert Whisper().errors(text, np.zeros(16_000, np.float32), 16_000).wrong == wrong


def test_systems_are_compared_by_words_scores_and_speed():
    from evaluation.judges import Errors
    from naturalness import Clip, judged
    from peers import row

    wrong = {"One.": 0, "At 5.": 1}
    whisper = SimpleNamespace(errors=lambda text, audio, rate: Errors(wrong[text], 2))
    clips = (Clip(np.zeros(8000, np.float32), 8000, 0.25) for _ in wrong)
    found = judged(list(wrong), clips, whisper, lambda audio, rate: 3.0)
    assert found["word_error"].value == 0.25
    assert found["word_error_digits"].value == 0.5
    assert row("clara", found).split() == [
        *["clara", "25.0", "[0.0,", "50.0]", "50.0", "[50.0,", "50.0]", "3.00", "[3.00,", "3.00]", "4.0"]
    ]


def test_dialogues_are_spoken_with_and_without_voices():
    from evaluation.judges import Errors
    from naturalness import DIALOGUES, VOICES, dialogues

    class Model:
        sample_rate = 8000

        def speak(self, script, voice, seed):
            return SimpleNamespace(audio=voice, warnings=("is silent",) if voice and seed else ())

    whisper = SimpleNamespace(errors=lambda text, audio, rate: Errors(int(audio == VOICES and "5" in text), 2))
    found = dialogues(Model(), 4, whisper)
    assert found["whole_two_voices"].value == 0.25
    assert found["whole_no_voices"].value == 1
    assert found["word_error_two_voices"].value == pytest.approx(0.5 / len(DIALOGUES))
    assert found["word_error_no_voices"].value == 0


def test_a_teachers_clip_is_made_once(tmp_path, monkeypatch):
    from evaluation import recordings

    said = []

    class Teacher:
        def say(self, text, voice):
            said.append((text, voice))
            return SimpleNamespace(waveform=np.full(800, len(said) / 10, np.float32), rate=8000)

    monkeypatch.setattr(recordings, "open_teacher", lambda name, packages: Teacher())
    teachers = recordings.Teachers(tmp_path, tmp_path / "clips")
    for texts in (["At 5."], ["At 5.", "No."]):
        clips = list(teachers("kokoro", "clara", texts))
    assert said == [("At five.", "clara"), ("No.", "clara")]
    assert [(clip.text, clip.rate, len(clip.audio)) for clip in clips] == [("At 5.", 8000, 800), ("No.", 8000, 800)]
    assert np.allclose([clip.audio.mean() for clip in clips], [0.1, 0.2], atol=1e-4)


def test_benchmarks_add_their_figures_to_one_file(tmp_path):
    from evaluation.intervals import certain, share
    from evaluation.results import add_figures

    path = tmp_path / "figures.json"
    add_figures(path, {"ended": share(9, 10), "realtime": certain(3.0)})
    add_figures(path, {"ended": share(10, 10)})
    figures = json.loads(path.read_text())["figures"]
    assert figures["ended"]["value"] == 1.0
    assert figures["realtime"] == {"value": 3.0, "of": 1}
    path.write_text("[]")
    with pytest.raises(ValueError, match="not a file of figures"):
        add_figures(path, {})


def test_sampling_settings_begin_with_the_published_ones():
    from sampling import Setting, settings

    published = Setting(2.0, 0.4, 20)
    found = settings(published, [[2.0, 3.0], [0.3, 0.4], [20]])
    assert found[0] == published
    assert len(found) == len(set(found)) == 4


def test_sampling_settings_are_compared_take_by_take():
    import sampling
    from evaluation.judges import Errors

    first = sampling.Heard([Errors(2, 10), Errors(1, 10), Errors(0, 10)], 3)
    other = sampling.Heard([Errors(0, 10), Errors(1, 10), Errors(1, 10)], 2)
    assert other.row(sampling.Setting(3.0, 0.25, 20), first).split()[-3:] == ["67", "1", "1"]

    asked, heard = [], []
    model = SimpleNamespace(
        speak=lambda script, **options: asked.append(options) or SimpleNamespace(audio=silence(1), warnings=["ended"]),
        sample_rate=RATE,
    )
    whisper = SimpleNamespace(errors=lambda text, audio, rate: heard.append(text) or Errors(0, 4))
    scripts = ["[S1] Wow! (laughs) [S2] Yes.", "[S2] No."]
    assert sampling.heard(model, sampling.Setting(3.0, 0.25, 50), scripts, whisper).whole == 0
    assert heard == ["Wow! Yes.", "No."]
    assert asked == [
        {"seed": seed, "cfg_scale": 3.0, "temperature": 0.25, "cfg_filter_top_k": 50} for seed in range(2)
    ]


def test_the_dialogues_for_sampling_are_valid_scripts_and_not_the_measured_ones():
    import sampling
    from naturalness import DIALOGUES, sentences

    from dia.text.script import parse
    from dia.training.mini.teacher.corpus import SEED_DIALOGUE

    scripts = sentences(None, sampling.DIALOGUES)
    assert len(scripts) == 8
    for script in scripts:
        assert len(parse(script).turns) >= 4
        assert not any(text in script for _, text in SEED_DIALOGUE)
        assert script not in DIALOGUES
