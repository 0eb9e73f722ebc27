"""The one gate for writing: regular files only, whole or not at all, their mode kept."""

import os
import stat
import threading

import pytest

from common.errors import InputError
from common.files import write_whole


def test_a_replaced_file_keeps_its_mode(tmp_path):
    path = tmp_path / "file"
    write_whole(path, b"a")
    assert stat.S_IMODE(path.stat().st_mode) & 0o600 == 0o600
    path.chmod(0o600)
    write_whole(path, b"b")
    assert (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) == (b"b", 0o600)


def test_only_regular_files_are_replaced(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "precious").write_bytes(b"a")
    (tmp_path / "link").symlink_to("precious")
    (tmp_path / "folder").mkdir()
    os.mkfifo("pipe")
    for name in ("link", "folder", "pipe", ".", "/", "", "/dev/null"):
        with pytest.raises(InputError, match="name a regular file or a new one") as refused:
            write_whole(type(tmp_path)(name), b"b")
        assert "\n" not in str(refused.value)
    assert (tmp_path / "precious").read_bytes() == b"a"
    assert {path.name for path in tmp_path.iterdir()} == {"precious", "link", "folder", "pipe"}


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FileNotFoundError) as refused:
        write_whole(tmp_path / "none" / "file", b"a")
    assert refused.value.filename == str(tmp_path / "none" / "file")


def test_writers_with_one_process_number_do_not_tear_a_file(tmp_path):
    path, contents = tmp_path / "file", [bytes([65 + i]) * 100_000 for i in range(4)]
    write_whole(path, contents[0])

    def write(content):
        for _ in range(20):
            write_whole(path, content)

    threads = [threading.Thread(target=write, args=(content,)) for content in contents]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        assert path.read_bytes() in contents
    assert [p.name for p in tmp_path.iterdir()] == ["file"]
