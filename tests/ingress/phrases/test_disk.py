"""The disk tier: whole files or none, in bounded room, whoever writes and whoever dies."""

from __future__ import annotations

import errno
import logging
import os
import signal
import subprocess
import sys
import tempfile
from hashlib import sha256
from pathlib import Path
from typing import NoReturn

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingress.configuration.settings import CacheSettings
from ingress.phrases.disk import (
    ABANDONED_AFTER_S,
    HEADER,
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
    """Return what lies in the folder, whatever it is."""
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
    assert (phrase.key, phrase.label, phrase.audio_bytes) == (KEY, LABEL, len(AUDIO))
    assert phrase.file_bytes == total_bytes(store.directory)
    assert store.directory.stat().st_mode & 0o777 == 0o700
    assert [path.stat().st_mode & 0o777 for path in store.directory.iterdir()] == [0o600]


def test_what_is_not_there_is_not_there(store: PhraseStore) -> None:
    """Neither in a folder that is missing nor beside other phrases."""
    assert store.read(KEY) is None
    assert store.phrases() == []
    assert store.clear() == (0, 0)
    store.write(KEY, LABEL, AUDIO)
    assert store.read(key("another")) is None
    assert not store.keep(key("another"))


def test_empty_audio_is_a_phrase(store: PhraseStore) -> None:
    """A text with nothing to say."""
    assert store.write(KEY, LABEL, b"")
    assert store.read(KEY) == b""


WHOLE = HEADER.size + 64 + 400


@settings(max_examples=150, deadline=None)
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


def test_more_than_the_header_says_is_damage(store: PhraseStore) -> None:
    """As after two writers into one file, which never happens."""
    store.write(KEY, LABEL, AUDIO)
    with (store.directory / f"{KEY}.phrase").open("ab") as file:
        file.write(b"more")
    assert store.phrases() == []
    assert store.read(KEY) is None


def test_a_file_under_another_phrase_s_name_is_not_played(store: PhraseStore) -> None:
    """The digest covers the key as well."""
    store.write(KEY, LABEL, AUDIO)
    (store.directory / f"{KEY}.phrase").rename(store.directory / f"{key('another')}.phrase")
    assert store.read(key("another")) is None


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


def test_uses_are_noted_once_an_hour(store: PhraseStore) -> None:
    """A busy phrase does not touch the disk at every use."""
    store.write(KEY, LABEL, AUDIO)
    path = store.directory / f"{KEY}.phrase"
    os.utime(path, (1, 1))
    store.read(KEY)
    assert path.stat().st_mtime > 1
    os.utime(path, (1, 1))
    store.read(KEY)
    assert path.stat().st_mtime == 1


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abcdefgh"), st.integers(0, 6_000)), max_size=25))
def test_the_folder_never_outgrows_its_capacity(writes: list[tuple[str, int]]) -> None:
    """Whatever is written; what was accepted last is there."""
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
    """Somebody may keep other things in the same folder."""
    store.write(KEY, LABEL, AUDIO)
    size = total_bytes(store.directory)
    (store.directory / ".writing-left").write_bytes(b"12345")
    (store.directory / "notes.txt").write_text("mine")
    assert store.clear() == (2, size + 5)
    assert [path.name for path in store.directory.iterdir()] == ["notes.txt"]


# Processes

PREAMBLE = """
import sys
from hashlib import sha256
from pathlib import Path
from ingress.phrases.disk import Label, PhraseStore
store = PhraseStore(Path(sys.argv[1]), int(sys.argv[2]))
def key(number): return sha256(str(number).encode()).hexdigest()
def audio(number): return key(number).encode() * SIZE
def write(number): return store.write(key(number), Label(str(number), "en", None, "scripted"), audio(number))
"""

WRITER = (
    "SIZE = 20_000"
    + PREAMBLE
    + "\nfor number in range(10_000):\n    write(number); print(number, flush=True)"
)

DYING_WRITER = (
    "SIZE = 1_000"
    + PREAMBLE
    + """
import os
open_descriptor = os.fdopen
class DyingFile:
    def __init__(self, file): self.file = file
    def __enter__(self): return self
    def __exit__(self, *arguments): pass
    def write(self, data):
        self.file.write(data[: len(data) // 2])
        self.file.flush()
        os.kill(os.getpid(), 9)
write(0)
os.fdopen = lambda *arguments: DyingFile(open_descriptor(*arguments))
write(int(sys.argv[3]))
"""
)

HAMMER = (
    "SIZE = 30"
    + PREAMBLE
    + """
import random
random.seed(sys.argv[3])
print("ready", flush=True)
sys.stdin.readline()
hits = 0
for turn in range(400):
    number = random.randrange(24)
    found = store.read(key(number))
    if found is None:
        write(number)
    elif found != audio(number):
        sys.exit("wrong audio")
    else:
        hits += 1
print(hits, flush=True)
"""
)


def start(program: str, *arguments: object) -> subprocess.Popen[str]:
    """Start a Python process in the repository."""
    return subprocess.Popen(
        [sys.executable, "-c", program, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[3],
    )


def test_a_writer_killed_in_mid_write_leaves_nothing_that_is_played(tmp_path: Path) -> None:
    """Killed again and again while it writes 1.3 MB phrases: each is there whole or not at all."""
    for written in (1, 2, 4, 7):
        with start(WRITER, tmp_path, 60_000_000) as writer:
            assert writer.stdout is not None
            for _ in range(written):
                last = int(writer.stdout.readline())
            writer.send_signal(signal.SIGKILL)
            writer.wait()
        store = PhraseStore(tmp_path, 60_000_000)
        for number in range(last + 1):
            name = key(str(number))
            assert store.read(name) == name.encode() * 20_000
        for path in tmp_path.glob("*.phrase"):
            assert store.read(path.stem) == path.stem.encode() * 20_000


@pytest.mark.parametrize("number", [0, 1])
def test_half_a_write_is_not_a_phrase(tmp_path: Path, number: int) -> None:
    """Killed with half the file written: what was there before is whole, what was to come is not there."""
    with start(DYING_WRITER, tmp_path, PLENTY_BYTES, number) as writer:
        assert writer.wait(30) == -signal.SIGKILL
    store = PhraseStore(tmp_path, PLENTY_BYTES)
    assert [path.name[:9] for path in tmp_path.iterdir() if path.suffix != ".phrase"] == [".writing-"]
    assert [phrase.key for phrase in store.phrases()] == [key("0")]
    assert store.read(key("0")) == key("0").encode() * 1_000
    assert store.read(key("1")) is None


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


def test_processes_that_share_a_small_folder_never_play_wrong_audio(tmp_path: Path) -> None:
    """Two of them write, read and evict as fast as they can; no reader ever gets anything but its phrase."""
    capacity_bytes = 20_000  # of 24 phrases of 2 KB, some nine fit
    hammers = [start(HAMMER, tmp_path, capacity_bytes, seed) for seed in (1, 2)]
    try:
        for hammer in hammers:
            assert hammer.stdout is not None
            assert hammer.stdout.readline() == "ready\n"
        for hammer in hammers:
            assert hammer.stdin is not None
            hammer.stdin.write("\n")
            hammer.stdin.flush()
        for hammer in hammers:
            output, errors = hammer.communicate(timeout=60)
            assert (hammer.returncode, errors) == (0, "")
            assert int(output) > 20
    finally:
        for hammer in hammers:
            hammer.kill()
            hammer.wait()
    assert PhraseStore(tmp_path, capacity_bytes).write(KEY, LABEL, AUDIO[:1_000])
    assert 0 < total_bytes(tmp_path) <= capacity_bytes


# Disks that do not work


def test_a_folder_that_cannot_be_made_is_said_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Its parent is a file: everything goes on, without the disk."""
    (tmp_path / "file").write_text("")
    store = PhraseStore(tmp_path / "file" / "phrases", PLENTY_BYTES)
    for _ in range(3):
        assert not store.write(KEY, LABEL, AUDIO)
        assert store.read(KEY) is None
        assert not store.keep(KEY)
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert str(store.directory) in caplog.text


def test_a_full_disk_is_said_once(
    store: PhraseStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing is left lying about, and when there is room again phrases are kept again."""

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
    """Who can put a file there could put words into our mouth."""
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
