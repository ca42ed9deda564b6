"""Files that are written whole or not at all."""

import os

import pytest

from clearprop.errors import InputError
from clearprop.files import make_room, whole_file, whole_files, whole_folder


def fill(manager, names, failure):
    """Write into what the manager opens, then fail."""
    with manager as opened:
        for name in names:
            (opened / name).write_text(name)
        if not names:
            opened.write("new")
        if failure:
            raise failure


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")

    with pytest.raises(RuntimeError):
        fill(whole_file(path, "w"), [], RuntimeError())

    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_a_directory_is_not_overwritten(tmp_path):
    with pytest.raises(InputError, match="wants the name of a file: there is a directory of that name"):
        whole_file(tmp_path, "w").__enter__()


def test_a_place_that_does_not_exist_is_an_input_error(tmp_path):
    with pytest.raises(InputError, match="no such file or directory"):
        whole_file(tmp_path / "none" / "a.txt", "w").__enter__()


def test_a_name_below_a_file_is_an_input_error(tmp_path):
    (tmp_path / "table.csv").write_text("1")
    for write in (whole_file, lambda path: make_room(path, 10)):
        with pytest.raises(InputError, match=r"writing .*not a directory"):
            fill(write(tmp_path / "table.csv" / "a.txt"), [], None)

    assert (tmp_path / "table.csv").read_text() == "1"


def test_a_full_disk_is_an_input_error_and_leaves_nothing(tmp_path):
    full = OSError(28, "No space left on device")
    with pytest.raises(InputError, match="no space left on device"):
        fill(whole_file(tmp_path / "a", "w"), [], full)

    assert os.listdir(tmp_path) == []


def test_a_folder_gets_all_its_files_at_the_end(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "kept").write_text("kept")
    with whole_folder(tmp_path / "run") as stage:
        (stage / "a").write_text("a")
        (stage / "b").write_text("b")
        assert not (tmp_path / "run" / "a").exists()

    assert sorted(os.listdir(tmp_path / "run")) == ["a", "b", "kept"]


def test_a_failed_block_leaves_no_folder_that_was_not_there(tmp_path):
    with pytest.raises(RuntimeError):
        fill(whole_folder(tmp_path / "x" / "y"), ["a"], RuntimeError())

    assert os.listdir(tmp_path) == []


def test_a_failed_block_leaves_the_folder_that_was_there(tmp_path):
    with pytest.raises(RuntimeError):
        fill(whole_folder(tmp_path), ["a"], RuntimeError())

    assert tmp_path.exists()
    assert os.listdir(tmp_path) == []


def test_a_file_in_the_folder_s_place_is_an_input_error(tmp_path):
    (tmp_path / "f").write_text("")
    for path in (tmp_path / "f", tmp_path / "f" / "below"):
        with pytest.raises(InputError, match="writing into"):
            whole_folder(path).__enter__()


def test_a_directory_in_a_file_s_place_stops_before_anything_is_moved(tmp_path):
    (tmp_path / "b").mkdir()
    with pytest.raises(InputError, match="b is a directory there"):
        fill(whole_folder(tmp_path), ["a", "b"], None)

    assert sorted(os.listdir(tmp_path)) == ["b"]


def test_a_link_is_followed_and_permissions_are_kept(tmp_path):
    (tmp_path / "real").write_text("old")
    (tmp_path / "real").chmod(0o640)
    (tmp_path / "link").symlink_to("real")
    fill(whole_file(tmp_path / "link", "w"), [], None)

    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text() == "new"
    assert (tmp_path / "real").stat().st_mode & 0o777 == 0o640


def test_a_name_as_long_as_a_system_takes_is_written(tmp_path):
    path = tmp_path / ("ä" * 125 + ".csv")
    fill(whole_file(path, "w"), [], None)

    assert path.read_text() == "new"


def test_the_file_and_then_its_folder_are_flushed(tmp_path, monkeypatch):
    flushed = []
    monkeypatch.setattr("os.fsync", lambda handle: flushed.append(os.readlink(f"/proc/self/fd/{handle}")))
    fill(whole_file(tmp_path / "a", "w"), [], None)

    assert flushed[0].endswith(".tmp")
    assert flushed[1] == str(tmp_path)


def test_what_is_not_ours_is_left_and_an_empty_file_is_nobodys(tmp_path):
    path = tmp_path / "a"
    path.write_text("")
    fill(whole_file(path, "w", lambda begins: False), [], None)
    with pytest.raises(InputError, match="replaces only what clearprop wrote there before"):
        fill(whole_file(path, "w", lambda begins: False), [], None)
    fill(whole_file(path, "w", lambda begins: begins == b"new"), [], None)


def write_both(folder):
    with whole_files({folder / "a": None, folder / "b": None}) as (first, second):
        first.write(b"new")
        second.write(b"new")


def test_files_that_belong_together_appear_together(tmp_path, monkeypatch):
    (tmp_path / "a").write_text("old")

    def flush(handle):
        if ".b." in os.readlink(f"/proc/self/fd/{handle}"):
            raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", flush)
        with pytest.raises(InputError, match="no space left on device"):
            write_both(tmp_path)

    assert os.listdir(tmp_path) == ["a"]
    assert (tmp_path / "a").read_text() == "old"
    write_both(tmp_path)
    assert (tmp_path / "a").read_text() == (tmp_path / "b").read_text() == "new"
