"""Phrases on disk: whole files or none, in bounded room, with several writers and writers that die."""

from __future__ import annotations

import errno
import logging
import multiprocessing
import os
import signal
import tempfile
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import NoReturn

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingress.configuration.settings import CacheSettings
from ingress.phrases.disk import (
    ABANDONED_AFTER_S,
    HEADER,
    Cleared,
    Label,
    PhraseStore,
    phrase_directory,
    phrase_store,
)

LABEL = Label("Olá.", "pt-BR", None, "scripted")
AUDIO = bytes(range(250)) * 64
PLENTY_BYTES = 10_000_000


def key(name: str) -> str:
    """Return a key as `phrase_key` makes them."""
    return sha256(name.encode()).hexdigest()


KEY = key("a phrase")


def total_bytes(directory: Path) -> int:
    """Return the size of everything in the folder."""
    return sum(path.stat().st_size for path in directory.iterdir())


@pytest.fixture
def store(tmp_path: Path) -> PhraseStore:
    """A store with room for everything, in a folder that is not there yet."""
    return PhraseStore(tmp_path / "cache" / "phrases", PLENTY_BYTES)


def test_what_is_written_is_read_by_another_process_of_the_same_user_alone(store: PhraseStore) -> None:
    """Audio and label come back; file and folder are private."""
    assert store.write(KEY, LABEL, AUDIO)
    other = PhraseStore(store.directory, PLENTY_BYTES)
    assert other.read(KEY) == AUDIO
    assert other.keep(KEY)
    (phrase,) = other.phrases()
    assert (phrase.key, phrase.label, phrase.audio_s) == (KEY, LABEL, 1.0)
    assert phrase.file_bytes == total_bytes(store.directory)
    assert store.directory.stat().st_mode & 0o777 == 0o700
    assert [path.stat().st_mode & 0o777 for path in store.directory.iterdir()] == [0o600]


def test_a_missing_phrase(store: PhraseStore) -> None:
    """Neither in a folder that is missing nor beside other phrases."""
    assert store.read(KEY) is None
    assert store.phrases() == []
    assert store.clear() == Cleared(0, 0, ())
    assert store.write(KEY, LABEL, b"")
    assert store.read(KEY) == b""  # a text with nothing to say is a phrase as well
    assert store.read(key("another")) is None
    assert not store.keep(key("another"))


WHOLE = HEADER.size + 64 + 400


@settings(max_examples=150)
@given(
    cut=st.integers(0, WHOLE),
    position=st.integers(0, HEADER.size) | st.integers(0, WHOLE),
    flipped=st.integers(1, 255),
)
def test_a_damaged_file_is_never_played(cut: int, position: int, flipped: int) -> None:
    """Cut anywhere or with any byte changed, it is removed, and can be written again."""
    with tempfile.TemporaryDirectory() as folder:
        store = PhraseStore(Path(folder), PLENTY_BYTES)
        path = Path(folder) / f"{KEY}.phrase"
        for is_cut in (True, False):
            assert store.write(KEY, LABEL, AUDIO[:400])
            data = bytearray(path.read_bytes())
            if is_cut:
                data = data[: min(cut, len(data) - 1)]
            else:
                data[position % len(data)] ^= flipped
            path.write_bytes(data)
            assert store.read(KEY) is None
            assert not path.exists()
        assert store.write(KEY, LABEL, AUDIO)
        assert store.read(KEY) == AUDIO


def test_a_longer_file_and_one_under_another_name_are_damaged(store: PhraseStore) -> None:
    """The digest covers the lengths and the key as well."""
    path = store.directory / f"{KEY}.phrase"
    store.write(KEY, LABEL, AUDIO)
    path.rename(store.directory / f"{key('another')}.phrase")
    assert store.read(key("another")) is None
    store.write(KEY, LABEL, AUDIO)
    path.write_bytes(path.read_bytes() + b"more")
    assert store.phrases() == []
    assert store.read(KEY) is None


def test_the_longest_unused_phrases_go_first(tmp_path: Path) -> None:
    """Reading and keeping count as uses, and the newest phrase always finds room."""
    PhraseStore(tmp_path, PLENTY_BYTES).write(key("first"), LABEL, AUDIO)
    store = PhraseStore(tmp_path, 3 * total_bytes(tmp_path))
    for age, name in enumerate(("first", "second", "third")):
        store.write(key(name), LABEL, AUDIO)
        os.utime(tmp_path / f"{key(name)}.phrase", (1_000_000 + age, 1_000_000 + age))
    store.read(key("first"))
    store.keep(key("second"))
    store.write(key("fourth"), LABEL, AUDIO)
    assert {phrase.key for phrase in store.phrases()} == {key("first"), key("second"), key("fourth")}


@settings(max_examples=60)
@given(st.lists(st.tuples(st.sampled_from("abcdefgh"), st.integers(0, 6_000)), max_size=25))
def test_the_folder_never_outgrows_its_capacity(writes: list[tuple[str, int]]) -> None:
    """After any writes; what was accepted last is there."""
    capacity_bytes = 5_000
    with tempfile.TemporaryDirectory() as folder:
        store = PhraseStore(Path(folder), capacity_bytes)
        for name, size in writes:
            if store.write(key(name), LABEL, bytes(size)):
                assert store.read(key(name)) == bytes(size)
            else:
                assert size > capacity_bytes - 200
            assert total_bytes(Path(folder)) <= capacity_bytes


def test_clear_removes_phrases_and_nothing_else(store: PhraseStore) -> None:
    """There may be other files in the same folder."""
    store.write(KEY, LABEL, AUDIO)
    size = total_bytes(store.directory)
    (store.directory / ".writing-left").write_bytes(b"12345")
    (store.directory / "notes.txt").write_text("mine")
    assert store.clear() == Cleared(2, size + 5, ())
    assert [path.name for path in store.directory.iterdir()] == ["notes.txt"]


# Processes

FORK = multiprocessing.get_context("fork")


@pytest.mark.parametrize("name", ["old", "new"])
def test_half_a_write_is_not_a_phrase(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Killed with half the file written: what was there before is whole, what was to come is not there."""

    def die(descriptor: int, mode: str) -> None:
        os.write(descriptor, b"raymalP1" * 100)
        os.kill(os.getpid(), signal.SIGKILL)

    store = PhraseStore(tmp_path, PLENTY_BYTES)
    store.write(key("old"), LABEL, AUDIO)
    monkeypatch.setattr("os.fdopen", die)
    writer = FORK.Process(target=store.write, args=(key(name), LABEL, AUDIO))
    writer.start()
    writer.join(30)
    assert writer.exitcode == -signal.SIGKILL
    assert [path.name[:9] for path in tmp_path.iterdir() if path.suffix != ".phrase"] == [".writing-"]
    assert [phrase.key for phrase in store.phrases()] == [key("old")]
    assert (store.read(key("old")), store.read(key("new"))) == (AUDIO, None)


def test_what_a_dead_writer_left_goes_with_the_next_write(store: PhraseStore) -> None:
    """One that may still be writing is left alone."""
    store.write(KEY, LABEL, AUDIO)
    dead, alive = store.directory / ".writing-dead", store.directory / ".writing-alive"
    now_s = (store.directory / f"{KEY}.phrase").stat().st_mtime
    for path, age_s in ((dead, ABANDONED_AFTER_S + 30), (alive, 1.0)):
        path.write_bytes(AUDIO)
        os.utime(path, (now_s - age_s, now_s - age_s))
    store.write(key("next"), LABEL, AUDIO)
    assert (dead.exists(), alive.exists()) == (False, True)


def read_and_write(store: PhraseStore, seed: int) -> None:
    """Use random phrases as fast as possible; a wrong one, or too few that are there, is an error."""
    random, hits = Random(seed), 0
    for _ in range(400):
        name = key(str(random.randrange(24)))
        found = store.read(name)
        assert found in (None, name.encode() * 30)
        if found is None:
            store.write(name, LABEL, name.encode() * 30)
        hits += found is not None
    assert hits > 20


def test_processes_that_share_a_small_folder_never_play_wrong_audio(tmp_path: Path) -> None:
    """Two of them write, read and evict; a reader gets its phrase or nothing."""
    capacity_bytes = 20_000  # of 24 phrases of 2 KB, some nine fit
    store = PhraseStore(tmp_path, capacity_bytes)
    processes = [FORK.Process(target=read_and_write, args=(store, seed)) for seed in (1, 2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0]
    assert store.write(KEY, LABEL, AUDIO[:1_000])
    assert 0 < total_bytes(tmp_path) <= capacity_bytes


# Disks that fail


def test_a_folder_that_cannot_be_made_is_logged_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Its parent is a file: everything goes on, without the disk."""
    (tmp_path / "file").write_text("")
    store = PhraseStore(tmp_path / "file" / "phrases", PLENTY_BYTES)
    for _ in range(3):
        assert not store.write(KEY, LABEL, AUDIO)
        assert store.read(KEY) is None
        assert not store.keep(KEY)
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert str(store.directory) in caplog.text


def test_a_full_disk_is_logged_once(
    store: PhraseStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """No file is left, and when there is room again phrases are kept again."""

    def no_space(descriptor: int, mode: str) -> NoReturn:
        os.close(descriptor)
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("os.fdopen", no_space)
        assert not store.write(KEY, LABEL, AUDIO)
        assert not store.write(KEY, LABEL, AUDIO)
    assert len(caplog.records) == 1
    assert "No space left" in caplog.text
    assert list(store.directory.iterdir()) == []
    assert store.write(KEY, LABEL, AUDIO)


def test_a_folder_that_others_may_write_is_not_used(
    store: PhraseStore, caplog: pytest.LogCaptureFixture
) -> None:
    """Other users could put audio there that is then played."""
    store.write(KEY, LABEL, AUDIO)
    store.directory.chmod(0o777)
    assert store.read(KEY) is None
    assert not store.write(key("another"), LABEL, AUDIO)
    assert "others could put audio into it" in caplog.text


# Where


def test_the_folder_is_the_setting_then_the_variable_then_the_user_s_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """XDG_CACHE_HOME counts only if it is absolute."""
    monkeypatch.setenv("HOME", str(tmp_path))
    chosen = CacheSettings(directory="/var/phrases")
    default = CacheSettings()
    everything = {"RAYMAL_CACHE": "/srv/phrases", "XDG_CACHE_HOME": "/xdg"}
    assert phrase_directory(chosen, everything) == Path("/var/phrases")
    assert phrase_directory(default, everything) == Path("/srv/phrases")
    assert phrase_directory(default, {"XDG_CACHE_HOME": "/xdg"}) == Path("/xdg/raymal/phrases")
    assert phrase_directory(default, {"XDG_CACHE_HOME": "xdg"}) == tmp_path / ".cache/raymal/phrases"
    assert phrase_directory(CacheSettings(directory="~/p"), {}) == tmp_path / "p"


def test_without_room_there_is_no_store(tmp_path: Path) -> None:
    """Zero bytes: nothing is written."""
    assert phrase_store(CacheSettings(directory=str(tmp_path), disk_bytes=0)) is None
    found = phrase_store(CacheSettings(directory=str(tmp_path), disk_bytes=1))
    assert found is not None
    assert found.directory == tmp_path
