"""Real recorded telephone speech with its transcripts: Asterisk's own prompts, English and Spanish.

Debian carries them in two packages a language, one of 8 kHz, 16-bit WAV files
(`asterisk-core-sounds-en-wav`) and one with the text of each (`asterisk-core-sounds-en`,
`core-sounds-en.txt.gz`, lines `name: text`). They are read where the packages are installed, else unpacked
once into raymal's cache folder, which needs no root. So is Asterisk's music on hold
(`asterisk-moh-opsound-wav`).

The rule for the prompts of `read_corpus`, and nothing else is held out: a file that lasts 1 to 10 s and whose
text holds only words, without the notes in brackets that describe tones, beeps and silence.
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

MIN_DURATION_S = 1.0
MAX_DURATION_S = 10.0

_DOWNLOAD_DEADLINE_S = 180.0
_NOTE = re.compile(r"[\[\]<>()]")

Item = TypeVar("Item")


class CorpusError(RaymalError):
    """The recordings are not on this machine and could not be had."""


@dataclass(frozen=True, slots=True)
class Corpus:
    """Recordings in Debian's packages."""

    name: str
    """Also of the cache's folder."""
    packages: tuple[str, ...]
    sounds: Path
    """Folder of the recordings, from the root folder on."""
    transcripts: Path | None = None

    @property
    def install(self) -> str:
        """The command that installs them."""
        return f"apt-get install {' '.join(self.packages)}"

    def is_in(self, root: Path) -> bool:
        """Whether the recordings and their texts are under a root folder."""
        has_texts = self.transcripts is None or (root / self.transcripts).is_file()
        return has_texts and (root / self.sounds).is_dir()


def _prompts(language: str, voice: str) -> Corpus:
    package = f"asterisk-core-sounds-{language}"
    transcripts = Path("usr/share/doc", package, f"core-sounds-{language}.txt.gz")
    return Corpus(package, (f"{package}-wav", package), Path("usr/share/asterisk/sounds", voice), transcripts)


ENGLISH = _prompts("en", "en_US_f_Allison")
SPANISH = _prompts("es", "es_MX_f_Allison")
MUSIC = Corpus("asterisk-moh-opsound", ("asterisk-moh-opsound-wav",), Path("usr/share/asterisk/moh"))
PACKAGES = ENGLISH.packages
INSTALL = ENGLISH.install


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


def find_corpus(installed: Path = Path("/"), corpus: Corpus = ENGLISH) -> Path | None:
    """Return the root folder that holds the recordings: `installed` or the cached copy's, else None."""
    return next((root for root in (installed, _cached_root(corpus)) if corpus.is_in(root)), None)


def obtain_corpus(installed: Path = Path("/"), corpus: Corpus = ENGLISH) -> Path:
    """Return the corpus' root folder, unpacking the packages into the cache if they are not installed.

    Raises CorpusError with the command to run.
    """
    if found := find_corpus(installed, corpus):
        return found
    target = _cached_root(corpus)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f"{target.name}.") as folder:
        _run(["apt-get", "download", *corpus.packages], folder, corpus)
        for archive in sorted(Path(folder).glob("*.deb")):
            _run(["dpkg-deb", "-x", str(archive), "unpacked"], folder, corpus)
        shutil.rmtree(target, ignore_errors=True)
        Path(folder, "unpacked").rename(target)
    if found := find_corpus(installed, corpus):
        return found
    raise CorpusError(
        f"the packages {', '.join(corpus.packages)} hold other files than expected: run `{corpus.install}`"
    )


def read_transcripts(root: Path, corpus: Corpus = ENGLISH) -> dict[str, str]:
    """Return the text of each recording under `root`, also of those that are not there, by name."""
    assert corpus.transcripts is not None, f"{corpus.name} has no words"
    with gzip.open(root / corpus.transcripts, "rt", encoding="utf-8") as lines:
        return parse_transcripts(lines)


def read_corpus(root: Path) -> tuple[Utterance, ...]:
    """Return every prompt under `root` that the rule admits, ordered by name."""
    texts = read_transcripts(root)
    sounds = root / ENGLISH.sounds
    utterances = []
    for name in sorted(texts):
        path = sounds / f"{name}.wav"
        if path.is_file() and is_words(texts[name]):
            utterance = Utterance(name, read_recording(path), texts[name])
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


def read_recording(path: Path) -> bytes:
    """Return the samples of an 8 kHz mono 16-bit WAV file. Raises CorpusError."""
    with wave.open(str(path), "rb") as recording:
        shape = (recording.getframerate(), recording.getnchannels(), recording.getsampwidth())
        if shape != (TELEPHONE_RATE_HZ, 1, BYTES_PER_SAMPLE):
            raise CorpusError(f"{path} is not 8 kHz mono 16-bit: reinstall its package")
        return recording.readframes(recording.getnframes())


def _cached_root(corpus: Corpus) -> Path:
    return cache_folder() / corpus.name


def _run(command: list[str], folder: str, corpus: Corpus) -> None:
    try:
        subprocess.run(
            command, cwd=folder, check=True, capture_output=True, text=True, timeout=_DOWNLOAD_DEADLINE_S
        )
    except (OSError, subprocess.SubprocessError) as error:
        output = getattr(error, "stderr", None) or str(error)
        raise CorpusError(
            f"`{' '.join(command[:2])}` failed ({output.strip().splitlines()[-1]}): "
            f"run `apt-get update` and try again, or `{corpus.install}`"
        ) from error
