"""How fast each engine makes speech, measured as it works.

Pure. Medians of the newest sentences: a single one that waited for a model to load, or for a busy machine,
means nothing. Until there is one, what the engine says of itself counts.
"""

from __future__ import annotations

from collections import defaultdict, deque
from dataclasses import dataclass
from statistics import median_low

KEPT_SENTENCES = 9
LEAST_AUDIO_S = 0.3
"""Of shorter ones the fixed costs count for too much."""
SECONDS_PER_LETTER = 1 / 15
"""A usual speed."""
UNKNOWN_FACTOR = 0.02


@dataclass(frozen=True, slots=True)
class Pace:
    """Of an engine, in one language."""

    factor: float = UNKNOWN_FACTOR
    """Seconds of work for a second of speech."""
    first_factor: float = UNKNOWN_FACTOR
    """Seconds of work until the first audio, for each second of the whole text: as `factor`, unless the
    engine gives its audio in pieces as it makes them."""
    seconds_per_letter: float = SECONDS_PER_LETTER
    """Of speech, by the text's weight (`actors.speakable.pieces`)."""


class Paces:
    """Of all engines. For one thread."""

    def __init__(self) -> None:
        self._hints: dict[str | None, float] = {}
        self._measured: defaultdict[tuple[str | None, str], deque[Pace]] = defaultdict(
            lambda: deque(maxlen=KEPT_SENTENCES)
        )

    def expect(self, engine: str | None, factor: float) -> None:
        """Take what an engine says of itself."""
        self._hints[engine] = factor

    def note(
        self, engine: str | None, language: str, letters: int, first_s: float, whole_s: float, audio_s: float
    ) -> None:
        """Take in a sentence of that weight: the time to its first audio, to its last, and how long it is."""
        if audio_s >= LEAST_AUDIO_S and letters > 0:
            pace = Pace(whole_s / audio_s, first_s / audio_s, audio_s / letters)
            self._measured[engine, language].append(pace)

    def of(self, engine: str | None, language: str) -> Pace:
        """Return an engine's pace in a language."""
        measured = self._measured.get((engine, language))
        if not measured:
            hint = self._hints.get(engine, UNKNOWN_FACTOR)
            return Pace(hint, hint)
        return Pace(
            median_low(pace.factor for pace in measured),
            median_low(pace.first_factor for pace in measured),
            median_low(pace.seconds_per_letter for pace in measured),
        )
