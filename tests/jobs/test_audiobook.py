"""An audiobook has a mark and the right level for each chapter, and appears whole or not at all."""

import json

import numpy as np
import pytest
import soundfile
from books import write_epub
from job_speakers import StubSpeaker

from dia import cli
from dia.audio.formats.tags import Tags
from dia.jobs.audiobook import Audiobook
from dia.jobs.results import Spoken
from dia.jobs.settings import BatchSettings
from dia.runtime.files.atomic import atomic_file

av = pytest.importorskip("av")
RATE = 22_050
DOCUMENTS = {f"c{number}.xhtml": f"<h1>Chapter {number}</h1><p>Some words.</p>" for number in (1, 2, 3)}


class Bursts(StubSpeaker):
    """Writes a second of noise per chapter number, each chapter louder than the one before, and a pause."""

    def speak(self, row, seed, audio, subtitles, stop):
        number = int(row.id[-1])
        with self._lock:
            self.spoken.append(row.id)
        if "fail" in row.text:
            raise ValueError("it fails")
        noise = np.random.default_rng(number).normal(size=RATE * number) * 0.02 * number
        with atomic_file(audio) as partial:
            soundfile.write(partial, np.concatenate([noise, np.zeros(RATE)]), RATE, format="FLAC")
        return Spoken(number + 1.0)


@pytest.fixture
def epub(tmp_path):
    return write_epub(tmp_path / "walk.epub", DOCUMENTS)


def made(source, path, **options):
    """Speak and write; returns the chapters and the ids that were spoken."""
    book, speaker = Audiobook(source, path, **options), Bursts()
    list(book.run(speaker))
    return book.write(), sorted(speaker.spoken)


def marks(path):
    with av.open(path) as file:
        return [
            (one["metadata"]["title"], float(one["start"] * one["time_base"]), float(one["end"] * one["time_base"]))
            for one in file.chapters()
        ]


@pytest.mark.parametrize("suffix", ["m4b", "mp3", "opus"])
def test_chapters_have_marks_titles_and_the_level_of_acx(epub, tmp_path, suffix):
    chapters, _ = made(epub, tmp_path / f"walk.{suffix}")
    assert [one.title for one in chapters] == ["Chapter 1", "Chapter 2", "Chapter 3"]
    assert [one.levels.faults() for one in chapters] == [[], [], []]
    assert [one.start for one in chapters] == pytest.approx([0, 4.75, 10.5], abs=0.001)
    found = marks(tmp_path / f"walk.{suffix}")
    assert [title for title, _, _ in found] == ["Chapter 1", "Chapter 2", "Chapter 3"]
    assert [start for _, start, _ in found] == pytest.approx([0, 4.75, 10.5], abs=0.01)


def test_the_file_has_the_title_and_author_of_the_book_unless_others_are_given(epub, tmp_path):
    made(epub, tmp_path / "a.m4b")
    made(epub, tmp_path / "b.m4b", tags=Tags(title="Mine"))
    with av.open(tmp_path / "a.m4b") as file:
        assert (file.metadata["title"], file.metadata["artist"]) == ("The Walk", "A. Writer, B. Writer")
        assert "Synthetic speech" in file.metadata["comment"]
    with av.open(tmp_path / "b.m4b") as file:
        assert (file.metadata["title"], file.metadata["artist"]) == ("Mine", "A. Writer, B. Writer")
    assert (tmp_path / "a.m4b").read_bytes()[8:12] == b"M4B "


def test_a_second_run_does_nothing_and_a_changed_chapter_alone_is_spoken(epub, tmp_path):
    first, _ = made(epub, tmp_path / "walk.m4b")
    changed = (tmp_path / "walk.m4b").stat().st_mtime_ns
    assert made(epub, tmp_path / "walk.m4b") == (first, [])
    assert (tmp_path / "walk.m4b").stat().st_mtime_ns == changed
    write_epub(epub, {**DOCUMENTS, "c2.xhtml": "<h1>Chapter 2</h1><p>Other words.</p>"})
    assert made(epub, tmp_path / "walk.m4b")[1] == ["walk-002"]
    assert (tmp_path / "walk.m4b").stat().st_mtime_ns != changed


def test_a_missing_or_cut_file_is_written_again_without_speaking(epub, tmp_path):
    made(epub, tmp_path / "walk.m4b")
    whole = (tmp_path / "walk.m4b").read_bytes()
    for damage in ((tmp_path / "walk.m4b").unlink, lambda: (tmp_path / "walk.m4b").write_bytes(whole[:500])):
        damage()
        assert made(epub, tmp_path / "walk.m4b")[1] == []
        assert (tmp_path / "walk.m4b").read_bytes() == whole


def test_chapters_that_the_book_lacks_by_now_are_not_in_the_file(epub, tmp_path):
    made(epub, tmp_path / "walk.m4b")
    write_epub(epub, {name: DOCUMENTS[name] for name in ("c1.xhtml", "c2.xhtml")})
    assert len(made(epub, tmp_path / "walk.m4b")[0]) == 2


def test_without_all_chapters_no_file_is_written(tmp_path):
    rows = [{"id": "c1", "text": "Fine."}, {"id": "c2", "text": "Please fail."}]
    book = Audiobook(rows, tmp_path / "walk.m4b")
    with pytest.raises(ValueError, match="no chapter has been spoken"):
        book.write()
    list(book.run(Bursts()))
    with pytest.raises(ValueError, match="1 chapters are missing, the first is c2"):
        book.write()
    running = book.run(Bursts(at_once=1))
    next(running)
    running.close()
    with pytest.raises(ValueError, match="iterate over run"):
        book.write()
    assert not (tmp_path / "walk.m4b").exists()


def test_rows_without_a_title_are_named_by_their_id(tmp_path):
    rows = [{"id": "c1", "text": "Fine."}, {"id": "c2", "text": "Fine.", "title": "The end"}]
    assert [one.title for one in made(rows, tmp_path / "walk.m4b")[0]] == ["c1", "The end"]


@pytest.mark.parametrize(
    ("path", "kind", "fault"),
    [
        ("walk.wav", ValueError, "wav files have no chapters. Use one of m4a, m4b"),
        ("walk", ValueError, "is not an audio format"),
        ("missing/walk.m4b", FileNotFoundError, "does not exist"),
        (".", ValueError, "not an audio format"),
    ],
)
def test_a_path_that_cannot_be_written_is_refused_first(tmp_path, path, kind, fault):
    with pytest.raises(kind, match=fault):
        Audiobook([], tmp_path / path)


def test_more_chapters_than_a_file_can_have_are_refused(tmp_path, monkeypatch):
    rows = [{"id": f"c{number}", "text": "Hi."} for number in range(3)]
    from dia.jobs import audiobook
    from dia.runtime.ranges import Range
    from dia.text.prompt_format import PromptFormat

    monkeypatch.setattr(audiobook, "CHAPTERS", Range(0, 2, whole=True))
    with pytest.raises(ValueError, match="the number of chapters"):
        Audiobook(rows, tmp_path / "walk.m4b").check(PromptFormat())


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        (["--audiobook", "-o", "walk.wav"], "wav files have no chapters"),
        (["--audiobook", "-o", "walk.m4b", "--layout", "webdataset"], "--layout has no effect on an audiobook"),
        (["--audiobook", "-o", "walk.m4b", "--subtitles", "srt"], "--subtitles has no effect"),
        (["-o", "walk", "--title", "A"], "only allowed with --audiobook"),
    ],
)
def test_options_that_do_not_fit_are_refused(epub, monkeypatch, capsys, options, fault):
    monkeypatch.chdir(epub.parent)
    assert cli.main(["batch", "walk.epub", *options]) == 2
    assert fault in capsys.readouterr().err


def test_the_record_has_the_chapters(epub, tmp_path):
    chapters, _ = made(epub, tmp_path / "walk.m4b", settings=BatchSettings(seed=3))
    record = json.loads((tmp_path / "walk.m4b.rows" / "audiobook.json").read_text())
    assert [one["title"] for one in record["chapters"]] == [one.title for one in chapters]
    assert record["bytes"] == (tmp_path / "walk.m4b").stat().st_size
