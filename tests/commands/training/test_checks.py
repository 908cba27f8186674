"""The folders that training commands write to are tried before the costly work."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from dia.commands.training.checks import check_place


def test_several_processes_of_a_run_try_a_folder_at_once(tmp_path):
    def check(_):
        for _ in range(50):
            check_place(tmp_path / "out", str(tmp_path / "recordings"))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(check, range(8)))
    assert not list(tmp_path.iterdir())


def test_what_a_killed_process_left_does_not_stop_the_next(tmp_path):
    (tmp_path / ".out.trial").mkdir()
    check_place(tmp_path / "out", str(tmp_path / "recordings"))


def test_a_folder_that_accepts_no_files_is_an_error_with_a_remedy(tmp_path):
    place = tmp_path / "file"
    place.write_text("")
    with pytest.raises(OSError, match=r"cannot be written \(Not a directory\)\. Choose another --output"):
        check_place(place / "out", str(tmp_path / "recordings"))
