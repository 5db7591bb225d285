"""Real recorded telephone speech with its transcripts: Asterisk's own English prompts.

Debian carries them in two packages, one of 8 kHz, 16-bit WAV files (`asterisk-core-sounds-en-wav`) and
one with the text of each (`asterisk-core-sounds-en`, `core-sounds-en.txt.gz`, lines `name: text`).
They are read where the packages are installed, else unpacked once into raymal's cache folder, which
needs no root.

The rule for what is used, and nothing else is held out: a file that lasts 1 to 10 s and whose text
holds only words, without the notes in brackets that describe tones, beeps and silence.
"""

from __future__ import annotations

import gzip
import re
import shutil
import subprocess
import tempfile
import wave
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from actors.engines.whisper_weights import cache_folder
from actors.errors import RaymalError
from actors.telephone import BYTES_PER_SAMPLE, TELEPHONE_RATE_HZ, audio_duration_ms

PACKAGES = ("asterisk-core-sounds-en-wav", "asterisk-core-sounds-en")
INSTALL = f"apt-get install {' '.join(PACKAGES)}"
MIN_DURATION_S = 1.0
MAX_DURATION_S = 10.0

_SOUNDS = Path("usr/share/asterisk/sounds/en_US_f_Allison")
_TRANSCRIPTS = Path("usr/share/doc/asterisk-core-sounds-en/core-sounds-en.txt.gz")
_DOWNLOAD_DEADLINE_S = 180.0
_NOTE = re.compile(r"[\[\]<>()]")

Item = TypeVar("Item")


class CorpusError(RaymalError):
    """The recordings are not on this machine and could not be had."""


@dataclass(frozen=True, slots=True)
class Utterance:
    """One prompt: its audio and what is said in it."""

    name: str
    audio: bytes
    """8 kHz int16 mono."""
    text: str

    @property
    def duration_s(self) -> float:
        """How long the recording lasts."""
        return audio_duration_ms(self.audio) / 1000.0


def find_corpus(installed: Path = Path("/")) -> Path | None:
    """Return the root folder that holds the recordings: `installed` or the cached copy's, else None."""
    for root in (installed, _cached_root()):
        if (root / _SOUNDS).is_dir() and (root / _TRANSCRIPTS).is_file():
            return root
    return None


def obtain_corpus(installed: Path = Path("/")) -> Path:
    """Return the corpus' root folder, unpacking the packages into the cache if they are not installed.

    Raises CorpusError with the command to run.
    """
    if found := find_corpus(installed):
        return found
    target = _cached_root()
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f"{target.name}.") as folder:
        _run(["apt-get", "download", *PACKAGES], folder)
        for archive in sorted(Path(folder).glob("*.deb")):
            _run(["dpkg-deb", "-x", str(archive), "unpacked"], folder)
        shutil.rmtree(target, ignore_errors=True)
        Path(folder, "unpacked").rename(target)
    if found := find_corpus(installed):
        return found
    raise CorpusError(f"the packages {', '.join(PACKAGES)} hold other files than expected: run `{INSTALL}`")


def read_corpus(root: Path) -> tuple[Utterance, ...]:
    """Return every prompt under `root` that the rule admits, ordered by name."""
    with gzip.open(root / _TRANSCRIPTS, "rt", encoding="utf-8") as lines:
        texts = parse_transcripts(lines)
    sounds = root / _SOUNDS
    utterances = []
    for name in sorted(texts):
        path = sounds / f"{name}.wav"
        if path.is_file() and is_words(texts[name]):
            utterance = Utterance(name, _read_wav(path), texts[name])
            if MIN_DURATION_S <= utterance.duration_s <= MAX_DURATION_S:
                utterances.append(utterance)
    return tuple(utterances)


def parse_transcripts(lines: Iterable[str]) -> dict[str, str]:
    """Return name to text out of lines `name: text`; comment lines begin with a semicolon."""
    texts: dict[str, str] = {}
    for line in lines:
        name, colon, text = line.partition(":")
        if colon and not line.startswith(";"):
            texts[name.strip()] = text.strip()
    return texts


def is_words(text: str) -> bool:
    """Whether a transcript is what is said, with no note such as `[tones]` in it."""
    return any(map(str.isalpha, text)) and not _NOTE.search(text)


def spread(items: Sequence[Item], count: int) -> tuple[Item, ...]:
    """Return `count` of the items, evenly spaced in their order; all of them if there are fewer."""
    if count >= len(items):
        return tuple(items)
    return tuple(items[index * len(items) // count] for index in range(count))


def _cached_root() -> Path:
    return cache_folder() / "asterisk-core-sounds-en"


def _run(command: list[str], folder: str) -> None:
    try:
        subprocess.run(
            command, cwd=folder, check=True, capture_output=True, text=True, timeout=_DOWNLOAD_DEADLINE_S
        )
    except (OSError, subprocess.SubprocessError) as error:
        output = getattr(error, "stderr", None) or str(error)
        raise CorpusError(
            f"`{' '.join(command[:2])}` failed ({output.strip().splitlines()[-1]}): "
            f"run `apt-get update` and try again, or `{INSTALL}`"
        ) from error


def _read_wav(path: Path) -> bytes:
    with wave.open(str(path), "rb") as recording:
        shape = (recording.getframerate(), recording.getnchannels(), recording.getsampwidth())
        if shape != (TELEPHONE_RATE_HZ, 1, BYTES_PER_SAMPLE):
            raise CorpusError(f"{path} is not 8 kHz mono 16-bit: reinstall {PACKAGES[0]}")
        return recording.readframes(recording.getnframes())
