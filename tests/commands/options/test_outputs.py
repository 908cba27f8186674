"""What an interrupted command leaves of its outputs, and what it reports."""

import pytest

from dia.commands.options.outputs import exclusive_output
from dia.runtime.interruption import remarks_of
from dia.synthesis.parts.folder import PLAN, part_name, parts_folder


def interrupted(output, others, written):
    """Interrupt after a finished part and the `written` files; returns the remarks."""

    def work():
        folder = parts_folder(output)
        folder.mkdir()
        (folder / PLAN).write_text("{}")
        (folder / part_name((0,))).write_bytes(b"part")
        for path in written:
            path.write_bytes(b"new")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as caught, exclusive_output(output, others):
        work()
    return remarks_of(caught.value)


def test_parts_of_a_complete_file_are_removed(tmp_path):
    output = tmp_path / "a.wav"
    assert interrupted(output, [], [output]) == (f"{output} is written",)
    assert [path.name for path in tmp_path.iterdir()] == ["a.wav"]


@pytest.mark.parametrize("written", [[], ["a.wav"], ["a.srt"]])
def test_parts_are_kept_until_every_file_is_complete(tmp_path, written):
    output, subtitles = tmp_path / "a.wav", tmp_path / "a.srt"
    remarks = interrupted(output, [subtitles], [tmp_path / name for name in written])
    assert remarks == ("1 finished part is kept; the same command continues from there",)
    assert parts_folder(output).is_dir()


def test_a_file_that_was_not_replaced_is_reported_as_unwritten(tmp_path):
    output = tmp_path / "a.wav"
    output.write_bytes(b"old")
    with pytest.raises(KeyboardInterrupt) as caught, exclusive_output(output):
        raise KeyboardInterrupt
    assert remarks_of(caught.value) == ("nothing was written",)
    assert output.read_bytes() == b"old"
