"""Files appear whole or not at all, whatever happens to disk, folder and target meanwhile."""

from __future__ import annotations

import contextlib
import os
import stat
import sys
import threading
import tracemalloc

import pytest

from litepose_edge.atomic_files import NewFile, check_targets, read_file, replacing, write_file
from litepose_edge.errors import OutputError, SourceError

posix = pytest.mark.skipif(sys.platform == "win32", reason="POSIX files")


@contextlib.contextmanager
def small_disk(size):
    """No file can grow beyond this size: the system answers as it does on a full disk."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_written_with_its_folder_and_read_by_whom_the_user_allows(tmp_path):
    target = tmp_path / "new" / "a.txt"
    write_file(target, b"content")
    assert target.read_bytes() == b"content"
    assert names(target.parent) == ["a.txt"]
    if sys.platform != "win32":
        mask = os.umask(0)
        os.umask(mask)
        assert stat.S_IMODE(target.stat().st_mode) == 0o666 & ~mask


@posix
def test_a_replaced_file_keeps_its_rights_and_a_link_stays_a_link(tmp_path):
    private, link = tmp_path / "private", tmp_path / "link"
    private.write_bytes(b"old")
    private.chmod(0o600)
    link.symlink_to(private)
    write_file(link, b"new")
    assert link.is_symlink()
    assert private.read_bytes() == b"new"
    assert stat.S_IMODE(private.stat().st_mode) == 0o600


@pytest.mark.parametrize("length", [10, 100_000])
def test_a_full_disk_is_an_error_and_the_old_file_stays(tmp_path, length):
    target = tmp_path / "a.json"
    target.write_bytes(b"old")
    with small_disk(8), pytest.raises(OutputError, match=r"cannot write .*a\.json: .*large"):
        write_file(target, b"x" * length)
    with small_disk(8), pytest.raises(OutputError, match=r"a\.json"), replacing(target) as partial:
        partial.write_bytes(b"x" * length)
    assert target.read_bytes() == b"old"
    assert names(tmp_path) == ["a.json"]
    with small_disk(8):
        write_file(target, b"new")
    assert target.read_bytes() == b"new"


def test_a_full_disk_is_found_in_whatever_call_it_shows(tmp_path):
    file = NewFile(tmp_path / "a")

    def fill():
        for _ in range(10_000):
            file.write(b"x" * 100)

    with small_disk(8), pytest.raises(OutputError):
        fill()
    file.discard()
    assert names(tmp_path) == []


def test_a_folder_that_vanishes_meanwhile_is_an_error(tmp_path):
    folder = tmp_path / "out"
    file = NewFile(folder / "a.txt")
    file.write(b"content")
    file.partial.unlink()
    folder.rmdir()
    with pytest.raises(OutputError, match=r"a\.txt"):
        file.commit()
    with pytest.raises(OutputError, match=r"a\.txt"):
        write_file(folder / "a.txt", b"content", make_folder=False)
    assert names(tmp_path) == []


def test_a_target_that_is_a_folder_or_below_a_file_is_refused_before_the_work(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_bytes(b"old")
    for target in (tmp_path / "folder", tmp_path / "file" / "below", tmp_path / "a\0b"):
        for write in (check_targets, NewFile, lambda path: write_file(path, b"x")):
            with pytest.raises(OutputError, match="cannot write"):
                write(target)
    assert names(tmp_path) == ["file", "folder"]
    check_targets(tmp_path / "sound")
    assert names(tmp_path) == ["file", "folder"]


def test_two_results_need_two_files(tmp_path):
    same = tmp_path / "below" / ".." / "a"
    with pytest.raises(OutputError, match="two results"):
        check_targets(tmp_path / "a", same)
    check_targets(tmp_path / "a", None, tmp_path / "b", os.devnull, os.devnull)
    check_targets()


def test_a_read_only_file_is_not_replaced(tmp_path):
    target = tmp_path / "kept"
    target.write_bytes(b"old")
    target.chmod(0o444)
    with pytest.raises(OutputError, match="read-only"):
        write_file(target, b"new")
    assert target.read_bytes() == b"old"
    target.chmod(0o644)
    write_file(target, b"new")
    assert target.read_bytes() == b"new"


def test_two_writers_of_one_target_do_not_mix(tmp_path):
    target = tmp_path / "a"
    contents = [bytes([65 + n]) * 50_000 for n in range(8)]

    def write(content):
        file = NewFile(target)
        for start in range(0, len(content), 1000):
            file.write(content[start : start + 1000])
        file.commit()

    threads = [threading.Thread(target=write, args=(content,)) for content in contents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert target.read_bytes() in contents
    assert names(tmp_path) == ["a"]


def test_an_error_or_an_interruption_within_the_block_leaves_nothing(tmp_path):
    def write_half(error):
        with replacing(tmp_path / "a.npz") as partial:
            partial.write_bytes(b"half")
            raise error

    for error in (SourceError("cut"), KeyboardInterrupt(), ValueError("x")):
        with pytest.raises(type(error)):
            write_half(error)
    assert names(tmp_path) == []
    with replacing(tmp_path / "a.npz") as partial:
        assert partial.suffix == ".npz"
        partial.write_bytes(b"whole")
    assert (tmp_path / "a.npz").read_bytes() == b"whole"


@posix
def test_devices_and_named_pipes_are_written_to_and_not_replaced(tmp_path):
    write_file("/dev/null", b"content")
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)  # noqa: PTH116
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    check_targets(pipe)
    received = []
    reader = threading.Thread(target=lambda: received.append(pipe.read_bytes()))
    reader.start()
    write_file(pipe, b"content")
    reader.join()
    assert received == [b"content"]
    assert stat.S_ISFIFO(pipe.stat().st_mode)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")  # noqa: PTH110
def test_a_full_device_is_an_error():
    with pytest.raises(OutputError, match="/dev/full"):
        write_file("/dev/full", b"content")


def test_asking_whether_a_target_can_be_written_leaves_no_folder(tmp_path):
    there = tmp_path / "there"
    there.mkdir()
    check_targets(tmp_path / "new" / "folder" / "a.json", there / "b.json")
    assert list(tmp_path.iterdir()) == [there]
    assert list(there.iterdir()) == []


def test_a_file_is_read_whole(tmp_path):
    (tmp_path / "a").write_bytes(b"content")
    assert read_file(tmp_path / "a") == b"content"
    assert read_file(tmp_path / "a", most=7) == b"content"
    with pytest.raises(OSError, match="it has 7 bytes, at most 6 are read"):
        read_file(tmp_path / "a", most=6)
    tracemalloc.start()
    read_file(tmp_path / "a")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_000_000


def test_a_file_larger_than_memory_is_refused_before_it_is_read(tmp_path):
    with (tmp_path / "a").open("wb") as file:
        file.truncate(10**11)
    with pytest.raises(OSError, match="at most 2147483647 are read"):
        read_file(tmp_path / "a")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes")
def test_what_has_no_end_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", "/dev/zero", "/dev/null"):
        with pytest.raises(OSError, match="it is no regular file"):
            read_file(path)


def test_a_file_in_the_place_of_a_folder_is_named(tmp_path):
    (tmp_path / "a").write_bytes(b"")
    for path in (tmp_path / "a" / "b.json", tmp_path / "a" / "b" / "c.json"):
        with pytest.raises(OutputError, match=r"a is a file, not a folder"):
            write_file(path, b"x")


def test_a_target_is_none_of_the_sources(tmp_path):
    source, link = tmp_path / "film.mp4", tmp_path / "link.mp4"
    source.write_bytes(b"film")
    link.symlink_to(source)
    for target in (source, link, tmp_path / "x" / ".." / "film.mp4"):
        (tmp_path / "x").mkdir(exist_ok=True)
        with pytest.raises(OutputError, match="it would take the place of"):
            check_targets(tmp_path / "a.json", target, sources=[None, "lrpose-s", "", source])
    assert source.read_bytes() == b"film"
    check_targets(tmp_path / "a.json", os.devnull, None, sources=[source, os.devnull, "a\0b"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["film.mp4", "link.mp4", "x"]
