"""The check of a data set: every fault is reported with its row and a remedy; rows with fatal ones are left out."""

import json

import numpy as np
import pytest
import soundfile
from tiny import TEXT_LIMIT
from tiny_codec import RATE, tiny_codec, tiny_processor
from tones import tone

from dia.text.prompt_format import PromptFormat
from dia.training.data.report import FATAL, WARNINGS, check, clipped_share
from dia.training.data.source import Row

PROCESSOR = tiny_processor(tiny_codec())
TEXT = "[S1] Hello there."


def padded(samples, before=0.0, after=0.0):
    return np.pad(samples, (int(before * RATE), int(after * RATE)))


def kinds(*rows, **options):
    return [finding.kind for finding in check(rows, PROCESSOR, progress=False, **options).findings]


def test_good_rows_are_left_alone():
    report = check([Row("a", TEXT, tone()), Row("b", TEXT, tone(pitch=300))], PROCESSOR, progress=False)
    assert report.findings == []
    assert report.usable == list(report.rows)
    assert str(report).startswith("2 rows, 2 usable; 0.0 minutes of audio")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (" ", "empty transcript"),
        ("[S1] " + TEXT_LIMIT * "x", "unusable transcript"),
        ("[S1] a bell: \x01", "unusable transcript"),
        ("Hello there.", "no speaker tag"),
        ("S1: Hello there, it is 2024.", None),
        ("[s2] Hello there.", None),
        ("[S1] Hello. [S3] Hi.", "unusable transcript"),
        ("[S1] Привет.", "unusable transcript"),
        ("[S1] Hello there 🙂.", "doubtful transcript"),
        ("[S1] Hello there [music].", "doubtful transcript"),
        ("[S1] x", "odd pace"),
    ],
)
def test_faults_of_transcripts(text, expected):
    assert kinds(Row("a", text, tone(1.5))) == ([expected] if expected else [])


def test_transcripts_of_another_language_are_read_unchanged():
    row = Row("a", "[S1] Привет 🙂 5 €", tone(1.5))
    assert kinds(row, format=PromptFormat(text_frontend="none")) == []
    report = check([row], PROCESSOR, progress=False)
    assert report.usable == []
    assert "--text-frontend none" in str(report)


@pytest.mark.parametrize(
    ("audio", "expected"),
    [
        (tone(0.1), "too short"),
        (tone(0.0), "too short"),
        (tone(3.0), "too long"),
        (np.where(np.arange(RATE) == 7, np.nan, tone()), "not finite"),
        (1000 * tone(), "unreadable clip"),
        (np.zeros((4, RATE), np.float32), "unreadable clip"),
        ("nowhere.wav", "missing file"),
        (b"no audio", "unreadable clip"),
        (tone(level=0.0005), "silent"),
        (tone(level=0.01), "very quiet"),
        (np.clip(4 * tone(), -1, 1), "clipping"),
        (padded(tone(), before=1.1), "silence at an end"),
        (padded(tone(), after=1.1), "silence at an end"),
    ],
)
def test_faults_of_recordings(audio, expected):
    audio = {"bytes": audio, "path": None} if isinstance(audio, bytes) else audio
    frames = int(2.5 * PROCESSOR.frame_rate)
    assert kinds(Row("a", TEXT, audio), max_frames=frames) == [expected]


def test_the_length_limit_includes_the_frame_that_a_shift_adds():
    longest = Row("a", TEXT, tone(1.5))  # 2000 frames
    assert kinds(longest, max_frames=2001) == []
    assert kinds(longest, max_frames=2000) == ["too long"]


@pytest.mark.parametrize("samples", [tone(pitch=40), tone(level=1.0), np.stack([tone(), tone()]), np.zeros(9)])
def test_loud_is_not_clipped(samples):
    assert clipped_share(samples) == 0


def test_clipping_is_seen_in_either_channel_and_beyond_full_scale():
    clipped = np.clip(4 * tone(), -1, 1)
    for samples in (clipped, np.stack([clipped, tone()]), np.stack([tone(), clipped]).T, 1.5 * tone(level=1.0)):
        assert clipped_share(samples) > 0.2


def test_a_corrupt_file_is_named_with_what_is_wrong(tmp_path):
    (tmp_path / "broken.wav").write_bytes(b"RIFF, or so it says")
    report = check([Row("broken.wav", TEXT, tmp_path / "broken.wav")], PROCESSOR, progress=False)
    assert report.usable == []
    assert "cannot be read as audio" in report.findings[0].reason


def test_rates_and_channels_are_counted(tmp_path):
    soundfile.write(tmp_path / "stereo.wav", np.stack([tone(rate=16000), tone(rate=16000)]).T, 16000)
    rows = [Row("a", TEXT, tone()), Row("stereo.wav", TEXT, tmp_path / "stereo.wav"), Row("c", TEXT, tone(1.2))]
    report = check(rows, PROCESSOR, progress=False)
    assert report.rates == {8000: 2, 16000: 1}
    assert report.channels == {1: 2, 2: 1}
    assert "2 at 8000 Hz, 1 at 16000 Hz; 1 will be resampled to 8000 Hz" in str(report)


def test_the_same_recording_twice_is_reported_with_its_first_name():
    rows = [Row("a", TEXT, tone()), Row("b", TEXT, tone()), Row("c", "[S1] What else?", tone())]
    report = check(rows, PROCESSOR, progress=False)
    assert [(finding.name, finding.reason) for finding in report.findings] == [
        ("b", "same recording as a, with the same transcript"),
        ("c", "same recording as a, with another transcript"),
    ]
    assert len(report.usable) == 3


def test_a_fatal_finding_drops_the_row_and_a_warning_does_not():
    rows = [Row("a", "", tone()), Row("b", "Hello there.", tone(pitch=300)), Row("c", TEXT, "nowhere.wav")]
    report = check(rows, PROCESSOR, progress=False)
    assert [row.name for row in report.usable] == ["b"]
    assert report.counts == {"missing file": 1, "empty transcript": 1, "no speaker tag": 1}


def test_the_table_counts_lists_and_advises():
    report = check([Row(f"{i}.wav", TEXT, f"{i}.wav") for i in range(7)], PROCESSOR, progress=False)
    lines = str(report).splitlines()
    assert any(line.split()[:4] == ["fatal", "missing", "file", "7"] for line in lines)
    assert any(FATAL["missing file"] in line for line in lines)
    assert "  0.wav: the file 0.wav does not exist." in lines
    assert lines[-1] == "  … and 2 more"


def test_a_report_is_saved_whole_with_a_picture(tmp_path):
    rows = [Row("a", "Hello there.", tone()), Row("b", TEXT, "nowhere.wav")]
    check(rows, PROCESSOR, progress=False).save(tmp_path / "report")
    assert sorted(path.name for path in (tmp_path / "report").iterdir()) == ["histogram.png", "report.json"]
    saved = json.loads((tmp_path / "report" / "report.json").read_text())
    assert (saved["rows"], saved["usable"]) == (2, 1)
    assert [(finding["name"], finding["kind"], finding["fatal"]) for finding in saved["findings"]] == [
        ("a", "no speaker tag", False),
        ("b", "missing file", True),
    ]


def test_a_data_set_without_one_readable_clip_still_has_a_report(tmp_path):
    check([Row("b", TEXT, "nowhere.wav")], PROCESSOR, progress=False).save(tmp_path)
    assert (tmp_path / "histogram.png").is_file()


def test_a_report_keeps_numbers_and_no_audio():
    report = check([Row("a", TEXT, {"array": tone(), "sampling_rate": RATE})], PROCESSOR, progress=False)
    assert report.measures[0] == pytest.approx((RATE, 1, 1.0, -9.03, 12.0), abs=0.01)


def test_no_rows_are_refused():
    with pytest.raises(ValueError, match="rows is empty"):
        check([], PROCESSOR)


def test_every_kind_has_a_remedy_and_one_weight():
    assert not FATAL.keys() & WARNINGS.keys()
    assert all({**FATAL, **WARNINGS}.values())


def test_rows_of_another_kind_are_refused():
    with pytest.raises(TypeError, match=r"rows\[1\] is str; expected dia\.training\.data\.source\.Row"):
        check([Row("a", TEXT, tone()), "a.wav"], PROCESSOR)
