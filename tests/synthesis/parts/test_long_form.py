"""Long scripts: in parts with one voice, joined without clicks, in constant memory, and resumable."""

import errno
import itertools
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny import PATTERN, tiny_model
from tiny_codec import random_codes, tiny_processor
from tiny_speech import tiny_speech

from dia.synthesis.parts import long_form
from dia.synthesis.parts.folder import finished_parts
from dia.synthesis.parts.joining import pieces, stream_joined
from dia.synthesis.parts.long_form import speak_long, stream_long
from dia.synthesis.parts.memory import PromptMemory
from dia.synthesis.parts.planning import part_seconds
from dia.synthesis.parts.resume import FolderPartStore, fingerprint
from dia.synthesis.synthesizer import Synthesizer
from dia.synthesis.takes import analysis, generation
from dia.synthesis.takes.alignment import TurnTime
from dia.synthesis.takes.analysis import TakeAnalysis
from dia.synthesis.takes.take import Attempt, Line, Take, TakeOptions
from dia.text.script import Script, Turn, estimated_seconds, parse

RATE = 8000
TURNS = Script(
    tuple(Turn("S1" if number % 2 == 0 else "S2", f"Turn {'abcdefgh'[number]} it is.") for number in range(8))
)


@pytest.fixture(scope="module")
def synthesizer():
    return tiny_speech(pass_seconds=3.0)


@pytest.fixture(autouse=True)
def never_wrong(monkeypatch):
    """Disables the checks, which have their own tests: a tiny model does not produce speech."""
    monkeypatch.setattr(analysis, "faults", lambda check_input: ())


@pytest.fixture
def watched(monkeypatch):
    """The lines that takes are made from, in order."""
    lines = []

    def make_take(synthesizer, line, *rest):
        lines.append(line)
        return generation.make_take(synthesizer, line, *rest)

    monkeypatch.setattr(long_form, "make_take", make_take)
    return lines


def plan(**changes):
    return {"script": str(TURNS), "seed": 7, **changes}


def tone(seconds):
    return (0.3 * np.sin(2 * np.pi * 200 * np.arange(round(seconds * RATE)) / RATE)).astype(np.float32)


def take_of(audio, turns=()):
    return Take(audio, RATE, 1, torch.zeros(4, 3).long(), True, 0.0, turns, (), ())


def whole(spoken):
    return np.concatenate([piece.audio for piece in spoken])


def test_each_part_continues_from_the_first_and_the_last(synthesizer, watched):
    spoken = list(speak_long(synthesizer, TURNS, seed=1, carry="both"))
    assert len(spoken) == len(watched) > 3
    assert watched[0].prompt is None
    assert watched[1].transcript == watched[0].text
    assert watched[3].transcript == f"{watched[0].text} {watched[2].text}"
    assert len(watched[3].prompt) >= len(watched[1].prompt)


@pytest.mark.parametrize(("carry", "before"), [("nothing", ""), ("last", "[S2] Two."), ("first", "[S1] One.")])
def test_carry_selects_what_is_continued(carry, before):
    memory = PromptMemory(carry)
    for text in ("[S1] One.", "[S2] Two."):
        memory.add(parse(text), random_codes(5)[0])
    line = memory.prompt_for(parse("[S1] Three." if carry == "first" else "[S2] Three."))
    assert (line.transcript if line else "") == before


def test_carry_defaults_to_the_checkpoints_setting(watched):
    for carry, before in (("nothing", False), ("first", True)):
        watched.clear()
        list(speak_long(tiny_speech(pass_seconds=6.0, carry=carry), TURNS, seed=1))
        assert bool(watched[-1].transcript) == before


def test_a_speaker_of_earlier_parts_is_remembered():
    memory = PromptMemory("last")
    for text in ("[S1] One.", "[S2] Two.", "[S2] Three."):
        memory.add(parse(text), random_codes(5)[0])
    assert memory.prompt_for(parse("[S1] Four.")).transcript == "[S1] One. [S2] Three."
    assert memory.prompt_for(parse("[S2] Four.")).transcript == "[S2] Three."


def test_a_voice_replaces_the_first_part():
    memory = PromptMemory("both", Line("", random_codes(9)[0], "[S1] La."))
    assert memory.prompt_for(parse("[S1] One.")).transcript == "[S1] La."
    memory.add(parse("[S1] One."), random_codes(5)[0])
    memory.add(parse("[S1] Two."), random_codes(5)[0])
    line = memory.prompt_for(parse("[S1] Three."))
    assert line.transcript == "[S1] La. Two."
    assert len(line.prompt) == 14


def test_no_part_continues_from_a_take_with_faults(synthesizer, watched, monkeypatch):
    verdicts = itertools.chain([(), ("is silent",)], itertools.repeat(()))
    monkeypatch.setattr(analysis, "faults", lambda check_input: next(verdicts))
    spoken = list(speak_long(synthesizer, TURNS, seed=1, carry="last"))
    assert spoken[1].take.warnings == ("is silent",)
    assert watched[2].transcript == watched[0].text


def test_a_pause_is_complete_even_if_more_was_streamed_than_the_take_keeps():
    take = take_of(np.pad(tone(1), RATE // 10))

    def early():
        yield np.concatenate([take.audio, tone(1)])
        return take

    chunks = np.concatenate(list(stream_joined([early(), early()], [1.0, 0.0], 0.1, RATE)))
    assert (chunks[len(take.audio) + RATE :][:RATE] == 0).all()


@pytest.mark.parametrize("carry", ["nothing", "first", "both"])
def test_the_streamed_audio_equals_the_audio_of_the_parts(carry):
    synthesizer, settings = tiny_speech(ends=0, pass_seconds=6.0, carry=carry), {"max_new_tokens": 120}
    script = parse("[S1] Turn a it is. [pause:400ms] [S2] Turn b it is. [S1] Turn c it is. [pause:1s] [S2] Turn d.")
    chunks = list(stream_long(synthesizer, script, seed=7, settings=settings))
    spoken = list(speak_long(synthesizer, script, seed=7, settings=settings))
    assert len(spoken) > 2
    assert len(chunks) > len(spoken)
    np.testing.assert_allclose(np.concatenate(chunks), whole(spoken), atol=1e-5)


def test_the_first_chunk_arrives_before_the_first_part_is_finished(monkeypatch):
    finished, take = [], TakeAnalysis.take
    monkeypatch.setattr(TakeAnalysis, "take", lambda self, *rest: finished.append(1) or take(self, *rest))
    chunks = stream_long(tiny_speech(ends=0, max_length=300, pass_seconds=6.0), TURNS, seed=7)
    assert len(next(chunks)) > 0
    assert finished == []
    chunks.close()


@pytest.fixture
def cannot_be_said(monkeypatch):
    """Texts for which every take has faults, as selected by a function."""

    def wrong(holds):
        monkeypatch.setattr(analysis, "faults", lambda check_input: ("babbles",) if holds(check_input.text) else ())

    return wrong


FOUR = Script(TURNS.turns[:4])


def test_a_part_that_fails_after_all_retries_is_split(watched, cannot_be_said):
    cannot_be_said(lambda text: "Turn a" in text and "Turn b" in text)
    (piece,) = speak_long(tiny_speech(), FOUR, seed=5, take_options=TakeOptions(retries=1))
    a, b, c, d = (f"[{turn.speaker}] {turn.text}" for turn in FOUR.turns)
    assert [line.text for line in watched] == [f"{a} {b} {c} {d}", f"{a} {b}", a, b, f"{c} {d}"]
    assert piece.take.warnings == ()
    assert [attempt.seed for attempt in piece.take.attempts] == [5, 6, 5, 6, 5, 5, 5]
    assert [turn.speaker for turn in piece.turns] == ["S1", "S2", "S1", "S2"]
    assert [turn.start for turn in piece.turns] == sorted(turn.start for turn in piece.turns)
    assert len(piece.audio) == len(piece.take.audio)


def test_faults_of_a_smaller_part_are_reported(cannot_be_said):
    cannot_be_said(lambda text: "Turn a" in text)
    (piece,) = speak_long(tiny_speech(), FOUR, seed=5, take_options=TakeOptions(retries=1))
    assert piece.take.warnings == ("babbles at 'Turn a it is.'",)


def test_smaller_parts_without_faults_are_used_and_continued(watched, cannot_be_said):
    cannot_be_said(lambda text: "Turn a" in text or "Turn c" in text)
    (piece,) = speak_long(tiny_speech(carry="last"), FOUR, seed=5, take_options=TakeOptions(retries=1))
    assert piece.take.warnings == ("babbles at 'Turn a it is.'", "babbles at 'Turn c it is.'")
    assert [turn.text for turn in piece.turns] == [turn.text for turn in FOUR.turns]
    after = {line.transcript for line in watched if "Turn c" in line.text or "Turn d" in line.text}
    assert after == {"", "[S2] Turn b it is."}  # first within the whole, then behind what came out well


def test_smaller_parts_that_are_no_better_are_discarded(cannot_be_said):
    cannot_be_said(lambda text: True)
    (piece,) = speak_long(tiny_speech(), FOUR, seed=5, take_options=TakeOptions(retries=1))
    assert piece.take.warnings == ("babbles",)
    assert len(piece.take.attempts) == 2 * (1 + 2 + 4)


def test_without_retries_a_part_is_spoken_once(watched, cannot_be_said):
    cannot_be_said(lambda text: True)
    assert len(list(speak_long(tiny_speech(), FOUR, seed=5))) == len(watched) == 1


def test_a_single_sentence_is_not_split(watched, cannot_be_said):
    cannot_be_said(lambda text: True)
    long = parse("[S1] It goes on and on, and then, in the end, it goes on again.")
    assert len(list(speak_long(tiny_speech(), long, seed=5, take_options=TakeOptions(retries=1)))) == len(watched) == 1


def test_smaller_parts_are_stored(tmp_path, watched, cannot_be_said):
    cannot_be_said(lambda text: "Turn a" in text and "Turn b" in text)
    synthesizer, folder = tiny_speech(), tmp_path / "parts"
    store = open_store(folder, synthesizer)
    (once,) = speak_long(synthesizer, FOUR, seed=7, take_options=TakeOptions(retries=1), store=store)
    assert len(list(folder.glob("part-*"))) == len(watched) == 5
    (again,) = speak_long(
        synthesizer, FOUR, seed=7, take_options=TakeOptions(retries=1), store=open_store(folder, synthesizer)
    )
    assert len(watched) == 5
    np.testing.assert_allclose(again.audio, once.audio, atol=1e-5)


def test_the_same_seed_gives_the_same_speech(synthesizer):
    first, again, other = (whole(speak_long(synthesizer, TURNS, seed=seed)) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_parts_come_as_they_are_finished(synthesizer, watched):
    spoken = speak_long(synthesizer, TURNS, seed=1)
    assert watched == []
    first = next(spoken)
    assert len(watched) == 1
    assert (first.number, first.start) == (0, 0.0)
    assert first.parts > 3


def test_memory_does_not_grow_with_the_script():
    memory = PromptMemory("both")
    for number in range(1000):
        memory.add(parse(f"[S{1 + number % 2}] One."), random_codes(5)[0])
    assert len(memory.prompt_for(parse("[S1] Two.")).prompt) <= 15


def test_a_pause_is_digital_silence_of_exactly_its_length():
    take = take_of(np.pad(tone(1), RATE // 10))
    first, second = pieces([take, take], [0.7, 0.0], 0.1)
    audio = np.concatenate([first.audio, second.audio])
    silent = np.flatnonzero(audio == 0)
    runs = np.split(silent, np.flatnonzero(np.diff(silent) > 1) + 1)
    longest = max(runs, key=len)
    assert (first.audio[-round(0.7 * RATE) :] == 0).all()
    assert len(longest) == pytest.approx(0.7 * RATE + 2 * 0.02 * RATE, abs=RATE // 50)
    assert len(first.audio) == pytest.approx((0.1 + 1 + 0.02 + 0.7) * RATE, abs=RATE // 50)


def test_joins_do_not_click_and_have_a_natural_gap():
    noise = 1e-4 * np.random.default_rng(0).standard_normal(RATE // 10)
    take = take_of(np.concatenate([noise, tone(1), noise]).astype(np.float32))
    audio = whole(pieces([take, take, take], [0.0] * 3, 0.1))
    steps = np.abs(np.diff(audio))
    assert steps.max() <= np.abs(np.diff(tone(1))).max() + 1e-3
    assert len(audio) == 3 * len(take.audio)


def test_times_refer_to_the_whole_speech():
    take = take_of(np.pad(tone(1), RATE // 10), (TurnTime("S1", "La.", 0.1, 1.1),))
    spoken = list(pieces([take] * 3, [0.0, 0.5, 0.0], 0.1))
    assert [round(piece.start, 2) for piece in spoken] == [0.0, 1.2, 2.82]
    starts = [turn.start for piece in spoken for turn in piece.turns]
    np.testing.assert_allclose(starts, [0.1, 1.3, 2.84], atol=0.01)
    audio = whole(spoken)
    for start in starts:
        at = round(start * RATE)
        assert np.abs(audio[at : at + 80]).max() > 0.1
        assert np.abs(audio[max(0, at - 100) : at - 20]).max() < 0.01


def test_an_unknown_carry_is_named(synthesizer):
    with pytest.raises(ValueError, match="carry='all' must be one of nothing, first, last, both"):
        next(speak_long(synthesizer, TURNS, carry="all"))


def open_store(folder, synthesizer, **changes):
    return FolderPartStore(folder, plan(**changes), synthesizer, TakeOptions())


@pytest.mark.parametrize("carry", ["nothing", "first"])
@pytest.mark.parametrize("voice", [None, Line("", random_codes(9)[0], "[S1] La. [S2] Lo.")])
def test_parts_are_the_same_side_by_side_and_one_by_one(synthesizer, monkeypatch, carry, voice):
    running, most, make_take = [], [], long_form.make_take

    def counted(*arguments):
        running.append(None)
        most.append(len(running))
        try:
            return make_take(*arguments)
        finally:
            running.pop()

    monkeypatch.setattr(long_form, "make_take", counted)
    beside = list(speak_long(synthesizer, TURNS, voice, seed=3, carry=carry))
    assert max(most) > 1
    most.clear()
    monkeypatch.setattr(Synthesizer, "is_batched", lambda *_: False)
    alone = list(speak_long(synthesizer, TURNS, voice, seed=3, carry=carry))
    assert max(most) == 1
    assert len(beside) == len(alone) >= 3
    for one, other in zip(beside, alone, strict=True):
        np.testing.assert_array_equal(one.audio, other.audio)
        assert one.turns == other.turns


def test_a_recognizer_is_called_by_one_thread_at_a_time(synthesizer):
    inside, calls = [], []

    def recognizer(audio, rate):
        inside.append(None)
        calls.append(len(inside))
        time.sleep(0.01)
        inside.pop()
        return "turn"

    spoken = list(
        speak_long(synthesizer, TURNS, seed=3, take_options=TakeOptions(recognizer=recognizer), carry="nothing")
    )
    assert len(calls) == len(spoken) >= 3
    assert max(calls) == 1


def test_an_error_of_a_part_comes_after_the_parts_before_it(synthesizer, monkeypatch):
    make_take = long_form.make_take

    def failing(synthesizer, line, *rest):
        if "Turn h" in line.text:
            raise RuntimeError("broken")
        return make_take(synthesizer, line, *rest)

    monkeypatch.setattr(long_form, "make_take", failing)
    spoken = speak_long(synthesizer, TURNS, seed=3, carry="nothing")
    found = [next(spoken)]
    with pytest.raises(RuntimeError, match="broken"):
        found.extend(spoken)
    assert "Turn a" in found[0].turns[0].text
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("dia.part")]


def begun(folder, synthesizer, **changes):
    """A folder in which one part is finished."""
    store = open_store(folder, synthesizer, **changes)
    store.save((0,), generation.make_take(synthesizer, Line("[S1] Hi."), 1))
    return store


def test_an_interrupted_speech_resumes_where_it_stopped(synthesizer, tmp_path, watched):
    uninterrupted = whole(speak_long(synthesizer, TURNS, seed=7))
    watched.clear()
    store = open_store(tmp_path / "parts", synthesizer)
    spoken = speak_long(synthesizer, TURNS, seed=7, store=store)
    chunks = [next(spoken), next(spoken)]
    spoken.close()
    finished = len(list(store.folder.glob("part-*")))
    assert finished >= 2
    watched.clear()
    again = open_store(tmp_path / "parts", synthesizer)
    resumed = list(speak_long(synthesizer, TURNS, seed=again.seed, store=again))
    assert len(watched) == len(resumed) - finished  # the first ones were not made again
    np.testing.assert_allclose(whole(resumed), uninterrupted, atol=1e-5)
    assert resumed[1].turns == chunks[1].turns


def test_an_interrupt_within_a_part_preserves_earlier_parts(synthesizer, tmp_path, monkeypatch):
    store = open_store(tmp_path / "parts", synthesizer)
    spoken = speak_long(synthesizer, TURNS, seed=7, store=store)
    next(spoken)

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(long_form, "make_take", interrupted)
    with pytest.raises(KeyboardInterrupt):
        next(spoken)
    assert len(list(store.folder.glob("part-*"))) == 1


def test_a_full_disk_preserves_earlier_parts_and_leaves_no_partial_file(synthesizer, tmp_path, monkeypatch):
    store = open_store(tmp_path / "parts", synthesizer)
    spoken = speak_long(synthesizer, TURNS, seed=7, store=store)
    next(spoken)

    def full(path, content):
        with path.open("wb") as file:
            file.write(content[:9])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space left"):
        next(spoken)
    assert sorted(path.name for path in store.folder.iterdir()) == ["part-00000.safetensors", "speech.json"]


def test_after_a_voice_of_one_speaker_the_other_is_carried():
    memory = PromptMemory("first", Line("", random_codes(5)[0], "[S1] La."))
    codes = random_codes(4)[0]
    memory.add(parse("[S1] One. [S2] Two."), codes)
    prompt = memory.prompt_for(parse("[S2] Three."))
    assert prompt.transcript == "[S1] One. [S2] Two. [S1] La."
    assert len(prompt.prompt) == 9


def test_parts_are_short_enough_to_carry_a_later_speaker(synthesizer, watched):
    late = parse("[S1] These are some words. " * 6 + " ".join(f"[S{1 + n % 2}] Here they are." for n in range(6)))
    list(speak_long(synthesizer, late, seed=7, carry="first"))
    assert {turn.speaker for turn in parse(watched[0].text).turns} == {"S1"}
    room = part_seconds(synthesizer.model.generation_config.pass_seconds, "first", more=1)
    several = [line.text for line in watched if len(line.text.split(". ")) > 1]
    assert several
    assert max(map(estimated_seconds, several)) <= room


def test_max_length_limits_the_new_speech_of_each_part(synthesizer, monkeypatch):
    asked = []

    def make_take(synthesizer, line, seed, settings, take_options):
        asked.append(dict(settings))
        return generation.make_take(synthesizer, line, seed, settings, take_options)

    monkeypatch.setattr(long_form, "make_take", make_take)
    next(speak_long(synthesizer, TURNS, seed=7, settings={"max_length": 30, "temperature": 0.7}))
    assert asked == [{"max_new_tokens": 30 - 1 + max(PATTERN), "temperature": 0.7}]


def test_a_part_may_be_as_long_as_a_single_pass(synthesizer):
    endless, settings = tiny_speech(ends=0), {"max_length": 30}
    alone = generation.make_take(endless, Line("[S1] Hi."), 7, settings)
    part = next(speak_long(endless, parse("[S1] Hi."), seed=7, settings=settings)).take
    assert len(alone.codes) == len(part.codes) == 30 - 2
    assert len(next(speak_long(endless, parse("[S1] Hi."), seed=7, settings={"max_length": 3})).take.codes) == 1


@pytest.mark.parametrize("content", ["", "{}", '{"seed": null}', "[1]"])
def test_a_damaged_plan_is_named_with_its_remedy(content, synthesizer, tmp_path):
    begun(tmp_path / "parts", synthesizer)
    (tmp_path / "parts" / "speech.json").write_text(content)
    with pytest.raises(ValueError, match=r"speech\.json is damaged .*\. Delete .*parts to start again"):
        open_store(tmp_path / "parts", synthesizer)


def test_a_damaged_part_is_spoken_again(synthesizer, tmp_path, watched):
    store = open_store(tmp_path / "parts", synthesizer)
    once = whole(speak_long(synthesizer, TURNS, seed=7, store=store))
    (store.folder / "part-00001.safetensors").write_bytes(b"nothing of use")
    watched.clear()
    np.testing.assert_allclose(whole(speak_long(synthesizer, TURNS, seed=7, store=store)), once, atol=1e-5)
    assert len(watched) == 1


def test_a_changed_script_or_setting_is_detected_and_named(synthesizer, tmp_path):
    begun(tmp_path / "parts", synthesizer, settings={"temperature": 0.7})
    with pytest.raises(
        ValueError, match=r"another request: script was '\[S1\] Turn a.*…', now '\[S1\] Another\.'\. Repeat"
    ):
        open_store(tmp_path / "parts", synthesizer, settings={"temperature": 0.7}, script="[S1] Another.")
    with pytest.raises(
        ValueError, match=r"request: seed was 7, now 8; temperature was 0\.7, now unset; another voice\."
    ):
        open_store(tmp_path / "parts", synthesizer, seed=8, voice="mine")


def test_an_excerpt_shows_where_long_scripts_differ(synthesizer, tmp_path):
    script = "[S1] " + "And so it went on. " * 20
    begun(tmp_path / "parts", synthesizer, script=f"{script}The end.")
    with pytest.raises(
        ValueError, match=r"script was '… so it went on\. The end\.', now '… so it went on\. The finish\.'"
    ):
        open_store(tmp_path / "parts", synthesizer, script=f"{script}The finish.")


def test_a_plan_without_finished_parts_is_replaced(synthesizer, tmp_path):
    open_store(tmp_path / "parts", synthesizer, script="[S1] Another.")
    assert open_store(tmp_path / "parts", synthesizer).plan["script"] == str(TURNS)


def test_parts_without_a_plan_are_not_resumed(synthesizer, tmp_path, watched):
    """They remain if the process is killed while it removes finished parts."""
    store = open_store(tmp_path / "parts", synthesizer)
    count = len(list(speak_long(synthesizer, TURNS, seed=7, store=store)))
    (store.folder / "speech.json").unlink()
    again = open_store(tmp_path / "parts", synthesizer)
    assert finished_parts(again.folder) == 0
    list(speak_long(synthesizer, TURNS, seed=7, store=again))
    assert len(watched) == 2 * count


def test_a_part_of_another_plan_is_not_used(synthesizer, tmp_path, watched):
    """For example, if two processes start in the same folder at the same moment."""
    store = open_store(tmp_path / "parts", synthesizer)
    count = len(list(speak_long(synthesizer, TURNS, seed=7, store=store)))
    store._plan_hash = "another"
    list(speak_long(synthesizer, TURNS, seed=7, store=store))
    assert len(watched) == 2 * count


def test_without_a_seed_the_stored_random_seed_is_used(synthesizer, tmp_path):
    first = begun(tmp_path / "parts", synthesizer, seed=None).seed
    assert open_store(tmp_path / "parts", synthesizer, seed=None).seed == first


def test_a_folder_that_cannot_be_created_is_detected_before_the_work(synthesizer, tmp_path):
    with pytest.raises(OSError, match="missing"):
        open_store(tmp_path / "missing" / "parts", synthesizer)
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        open_store(tmp_path / "file", synthesizer)


def test_remove_deletes_the_parts_and_their_folder(synthesizer, tmp_path):
    store = open_store(tmp_path / "parts", synthesizer)
    store.save((0,), generation.make_take(synthesizer, Line("[S1] Hi."), 1))
    store.remove()
    assert list(tmp_path.iterdir()) == []


def test_attempts_are_stored(synthesizer, tmp_path):
    store = open_store(tmp_path / "parts", synthesizer)
    line = Line("[S1] Hi.")
    take = generation.make_take(synthesizer, line, 1, take_options=TakeOptions(best_of=2))
    store.save((3,), take)
    found = store.load((3,), line)
    assert found.attempts == take.attempts
    assert isinstance(found.attempts[0], Attempt)
    assert torch.equal(found.codes, take.codes)


def test_fingerprints_distinguish_models():
    one, same, other = (Synthesizer(tiny_model(seed=seed), tiny_processor()) for seed in (1, 1, 2))
    assert fingerprint(one) == fingerprint(same) != fingerprint(other)
