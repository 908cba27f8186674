"""Title, artist, comment and chapters, beside the notice that speech is synthetic."""

import numpy as np
import pytest
import soundfile
from media import RATE, needs_av, sweep

from dia.audio import files as audio_file
from dia.audio.formats import encoders
from dia.audio.formats.encoders import known_formats
from dia.audio.formats.tags import NOTICE, Provenance, Tags

METADATA = {"title": "Ein Spaß", "artist": "Clara & Bruno", "comment": "for a friend; take 2"}
CHAPTERS = [(0, "Morning"), (1.5, "Évening")]


def shown(path):
    """The tags and chapters that PyAV finds."""
    import av

    with av.open(path) as file:
        texts = {**file.metadata, **file.streams.audio[0].metadata}
        chapters = [(float(one["start"] * one["time_base"]), one["metadata"]["title"]) for one in file.chapters()]
    return {name.lower(): text for name, text in texts.items()}, chapters


def test_a_seed_of_another_type_is_as_a_plain_one():
    assert type(Provenance("mini", np.int32(7)).seed) is int


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "opus", "mp3", "aiff", "caf"])
def test_texts_are_written_beside_the_notice(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    audio_file.write(path, sweep(), RATE, provenance=Provenance("mini", 7), tags=Tags.of(METADATA))
    with soundfile.SoundFile(path) as file:
        assert (file.title, file.artist) == (METADATA["title"], METADATA["artist"])
        assert file.comment == f"{METADATA['comment']}\n{Provenance('mini', 7)}"


@needs_av
@pytest.mark.parametrize("suffix", ["m4a", "mp4", "mp3", "opus"])
def test_chapters_are_written_where_a_format_has_them(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    tags = Tags.of({**METADATA, "chapters": CHAPTERS})
    audio_file.write(path, sweep(3.0), RATE, provenance=Provenance("mini", 7), tags=tags)
    texts, chapters = shown(path)
    assert chapters == CHAPTERS
    assert (texts["title"], texts["artist"]) == (METADATA["title"], METADATA["artist"])
    assert texts["comment"] == f"{METADATA['comment']}\n{Provenance('mini', 7)}"
    samples, rate = audio_file.read(path)
    assert len(samples) / rate == pytest.approx(3.0, abs=0.1)


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg"])
def test_formats_without_chapters_are_refused_with_those_that_have_them(tmp_path, suffix):
    tags = Tags.of({"chapters": CHAPTERS})
    with pytest.raises(ValueError, match=f"{suffix} files have no chapters. Use one of m4a, m4b, mp3, mp4, opus"):
        audio_file.write(tmp_path / f"a.{suffix}", sweep(), RATE, tags=tags)
    assert list(tmp_path.iterdir()) == []


def test_a_title_is_refused_by_exactly_those_formats_that_do_not_keep_it(tmp_path):
    for kind in sorted(set(known_formats()) - {"M4A", "M4B", "MP4"}):
        path = tmp_path / f"a.{kind.lower()}"
        if kind in encoders._TAGGED:
            audio_file.write(path, sweep(), 8000, tags=Tags.of({"title": "A walk"}))
            with soundfile.SoundFile(path) as file:
                assert file.title == "A walk", kind
        else:
            with pytest.raises(ValueError, match="have no title"):
                audio_file.write(path, sweep(), 8000, tags=Tags.of({"title": "A walk"}))
            with soundfile.SoundFile(tmp_path / "b", "w", 8000, 1, format=kind) as file:
                with pytest.raises(soundfile.LibsndfileError):
                    file.title = "A walk"
                file.write(sweep())


def test_without_metadata_the_comment_is_the_notice_alone():
    assert Tags.of(None) == Tags.of({}) == Tags.of({"title": None, "chapters": None}) == Tags()
    assert Tags().comment_with(Provenance("", 1)).startswith(NOTICE)


@pytest.mark.parametrize(
    ("metadata", "error", "message"),
    [
        ("a title", TypeError, "metadata is 'a title'; expected a dict"),
        ({"titel": "x"}, ValueError, r"metadata contains 'titel'; did you mean 'title'\? Use title, artist, comment"),
        ({"title": 3}, TypeError, r"metadata\['title'\] is 3; expected text"),
        ({"title": "a\0b"}, ValueError, r"metadata\['title'\] contains a NUL"),
        ({"comment": "x" * 10_001}, ValueError, r"metadata\['comment'\] has 10001 characters"),
        ({"chapters": "one"}, TypeError, r"metadata\['chapters'\] is 'one'; expected a list of pairs"),
        ({"chapters": [(0,)]}, TypeError, r"metadata\['chapters'\]\[0\] is \(0,\); expected a pair"),
        ({"chapters": [("0", "a")]}, ValueError, r"metadata\['chapters'\]\[0\] starts at '0'"),
        ({"chapters": [(-1, "a")]}, ValueError, r"metadata\['chapters'\]\[0\] starts at -1"),
        ({"chapters": [(float("nan"), "a")]}, ValueError, r"metadata\['chapters'\]\[0\] starts at nan"),
        ({"chapters": [(0, 5)]}, TypeError, r"metadata\['chapters'\]\[0\] is 5; expected text"),
        ({"chapters": [(1, "a"), (1, "b")]}, ValueError, r"metadata\['chapters'\] must be in order"),
        ({"chapters": [(i, "x") for i in range(10_001)]}, ValueError, r"the length of metadata\['chapters'\]=10001"),
    ],
)
def test_invalid_metadata_is_refused_by_name(metadata, error, message):
    with pytest.raises(error, match=message):
        Tags.of(metadata)


@needs_av
def test_a_chapter_after_the_end_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"'Évening' starts at 1.5 s, but the audio ends at 1.00 s"):
        audio_file.write(tmp_path / "a.m4a", sweep(1.0), RATE, tags=Tags.of({"chapters": CHAPTERS}))
    assert list(tmp_path.iterdir()) == []


def test_metadata_is_for_all_files_or_one_for_each():
    assert Tags.for_each({"title": "a"}, 2) == [Tags("a"), Tags("a")]
    assert Tags.for_each([{"title": "a"}, None], 2) == [Tags("a"), Tags()]
    with pytest.raises(ValueError, match="metadata has 1 entries for 2 waveforms"):
        Tags.for_each([None], 2)
    with pytest.raises(TypeError, match=r"metadata\[1\]\['title'\] is 1"):
        Tags.for_each([None, {"title": 1}], 2)


def test_numbers_of_numpy_are_times():
    assert Tags.of({"chapters": [(np.float32(0.5), "a")]}).chapters == ((0.5, "a"),)
