"""What is written stands whole at its place, or what was there before stays."""

from dia.runtime.atomic import atomic_entries, atomic_file, atomic_folder, destination


def test_a_path_inside_what_is_being_written_has_a_destination(tmp_path):
    with atomic_folder(tmp_path / "out") as folder, atomic_entries(folder / "sub") as entries:
        with atomic_file(entries / "a.json") as file:
            assert destination(file) == tmp_path / "out" / "sub" / "a.json"
            file.touch()
        assert destination(entries) == tmp_path / "out" / "sub"
        assert destination(folder) == tmp_path / "out"
    assert destination(tmp_path / "out") == tmp_path / "out"
