"""Files are written whole or not at all, privately where they are gr2's own, and never through a link."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from gr2.edges.files import (
    first_link,
    is_inside,
    make_private_directory,
    read_regular,
    remove_dead_draft,
    remove_tree,
    write_whole,
)
from gr2.errors import Gr2Error


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def test_a_file_is_replaced_and_no_draft_is_left(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")

    write_whole(str(path), b"new")

    assert path.read_bytes() == b"new"
    assert names(tmp_path) == ["file"]


def test_readers_never_see_a_part(tmp_path: Path) -> None:
    path = tmp_path / "file"
    contents = [bytes([letter]) * 300_000 for letter in b"ab"]
    write_whole(str(path), contents[0])
    seen: list[bytes] = []
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            seen.append(path.read_bytes())

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(30):
        write_whole(str(path), contents[number % 2])
    done.set()
    reader.join()

    assert seen
    assert set(seen) <= set(contents)


def test_a_full_disk_leaves_the_old_file_and_no_draft(tmp_path: Path) -> None:
    # A limit on the size of files makes write(2) fail after a part was written, as a full disk does.
    program = (
        "import resource, signal, sys\n"
        "from gr2.edges.files import write_whole\nfrom gr2.errors import Gr2Error\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "try: write_whole(sys.argv[1], b'x' * 5000)\n"
        "except Gr2Error as error: print(error.code)\n"
    )
    path = tmp_path / "file"
    path.write_text("old")

    done = subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True, text=True)

    assert (done.stdout, done.stderr) == ("write_failed\n", "")
    assert path.read_text() == "old"
    assert names(tmp_path) == ["file"]


@pytest.mark.parametrize(
    ("number", "code", "status"),
    [
        (errno.ENOSPC, "disk_full", "failed"),
        (errno.EDQUOT, "disk_full", "failed"),
        (errno.EROFS, "read_only", "blocked"),
        (errno.EACCES, "read_only", "blocked"),
        (errno.EIO, "write_failed", "failed"),
    ],
)
def test_each_reason_has_its_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, code: str, status: str
) -> None:
    def fail(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(Gr2Error) as caught:
        write_whole(str(tmp_path / "file"), b"new")

    assert (caught.value.code, caught.value.status) == (code, status)
    assert names(tmp_path) == []


@pytest.mark.parametrize("name", ["missing/file", "folder", "file/inside"])
def test_an_error_names_the_file_that_was_asked_for(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("old")

    with pytest.raises(Gr2Error) as caught:
        write_whole(str(tmp_path / name), b"new")

    assert caught.value.message.startswith(f"cannot write {tmp_path / name}: ")
    assert names(tmp_path) == ["file", "folder"]


def test_the_mode_of_the_old_file_stays(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    path.chmod(0o640)

    write_whole(str(path), b"new")

    assert path.stat().st_mode & 0o777 == 0o640


def test_a_private_file_is_private_whatever_the_umask_and_whatever_it_was(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    path.chmod(0o666)
    before = os.umask(0)
    try:
        write_whole(str(path), b"new", private=True)
        make_private_directory(str(tmp_path / "a/b"))
    finally:
        os.umask(before)

    assert path.stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "a/b").stat().st_mode & 0o777 == (tmp_path / "a").stat().st_mode & 0o777 == 0o700


def test_a_link_is_replaced_and_not_followed(tmp_path: Path) -> None:
    (tmp_path / "target").write_text("precious")
    (tmp_path / "file").symlink_to(tmp_path / "target")

    write_whole(str(tmp_path / "file"), b"new")

    assert (tmp_path / "target").read_text() == "precious"
    assert not (tmp_path / "file").is_symlink()


def test_a_draft_elsewhere_makes_its_directory_and_leaves_it_empty(tmp_path: Path) -> None:
    write_whole(str(tmp_path / "file"), b"new", temporary=str(tmp_path / "tmp"))

    assert names(tmp_path) == ["file", "tmp"]
    assert names(tmp_path / "tmp") == []


def test_a_dead_draft_is_removed_and_a_live_one_stays(tmp_path: Path) -> None:
    dead, live = tmp_path / "dead", tmp_path / "live"
    dead.touch()
    with open(live, "w") as writer:
        fcntl.flock(writer, fcntl.LOCK_EX)

        for path in (dead, live, tmp_path / "gone"):
            remove_dead_draft(str(path))

    assert names(tmp_path) == ["live"]


def test_writers_and_those_who_clear_up_do_not_disturb_each_other(tmp_path: Path) -> None:
    drafts = tmp_path / "tmp"
    drafts.mkdir()
    done = threading.Event()

    def clear_up() -> None:
        while not done.is_set():
            for entry in os.listdir(drafts):
                remove_dead_draft(str(drafts / entry))

    cleaner = threading.Thread(target=clear_up)
    cleaner.start()
    try:
        for number in range(200):
            write_whole(str(tmp_path / "file"), b"%d" % number, temporary=str(drafts))
            assert (tmp_path / "file").read_bytes() == b"%d" % number
    finally:
        done.set()
        cleaner.join()


def test_only_regular_files_within_the_limit_are_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"12345")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    os.mkfifo(tmp_path / "fifo")

    assert read_regular(str(tmp_path / "file"), limit=5) == b"12345"
    assert read_regular(str(tmp_path / "none"), limit=5) is None
    for name, limit in (("file", 4), ("link", 5), ("fifo", 5), (".", 5)):
        with pytest.raises(OSError, match=r".+"):
            read_regular(str(tmp_path / name), limit=limit)


def test_a_tree_with_read_only_directories_is_removed_and_links_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious/file").touch()
    inner = tmp_path / "tree/a/b"
    inner.mkdir(parents=True)
    (inner / "file").touch()
    (inner / "link").symlink_to(tmp_path / "precious")
    inner.chmod(0o500)
    (tmp_path / "tree/a").chmod(0o500)

    remove_tree(str(tmp_path / "tree"))
    remove_tree(str(tmp_path / "tree"))

    assert names(tmp_path) == ["precious"]
    assert names(tmp_path / "precious") == ["file"]


def test_the_first_link_on_a_way_is_found(tmp_path: Path) -> None:
    (tmp_path / "real/inner").mkdir(parents=True)
    (tmp_path / "real/link").symlink_to(tmp_path / "real/inner")

    assert first_link(str(tmp_path), "real/inner/more") is None
    assert first_link(str(tmp_path), "real/link/more") == "real/link"


def test_inside_means_below_and_not_merely_beginning_alike() -> None:
    assert is_inside("/a/b", "/a")
    assert is_inside("/a", "/a")
    assert is_inside("/a", "/")
    assert not is_inside("/ab", "/a")
