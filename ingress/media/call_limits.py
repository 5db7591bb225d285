"""When a leg ends by itself, and with which phrase: pure.

| limit | counts from | ends |
|---|---|---|
| `longest_s` | the call's beginning | the caller's leg, and so the call |
| `no_audio_s` | the last frame or key that came, or the beginning | this leg |
| `no_input_times` | `ingress.media.no_input` | this leg |

What plays when a limit is reached is played to the end of what has come of it; no turn begins any more.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

from ingress.configuration.extensions import Phrase
from ingress.configuration.settings import CallLimitSettings
from ingress.media.endings import Ending

PHRASES = {
    Ending.NO_INPUT: Phrase.NO_INPUT,
    Ending.TOO_LONG: Phrase.TOO_LONG,
    Ending.NO_AUDIO: Phrase.NO_AUDIO,
}
"""What is said before the end."""


@dataclass(frozen=True, slots=True)
class LimitReached:
    """Why a leg ends by itself."""

    ending: Ending
    detail: str


class CallLimits:
    """Of one leg."""

    def __init__(self, limits: CallLimitSettings) -> None:
        self._limits = limits
        self.began_s = inf
        """When the call began; infinite on a leg that does not limit its length."""
        self.came_s = inf
        """When something came last, audio or a key; infinite before the beginning."""

    @property
    def until_s(self) -> float:
        """When the next limit is reached, if nothing comes until then."""
        longest_s, no_audio_s = self._limits.longest_s, self._limits.no_audio_s
        return min(
            self.began_s + longest_s if longest_s else inf, self.came_s + no_audio_s if no_audio_s else inf
        )

    def reached(self, now: float) -> LimitReached | None:
        """Return the limit that has been reached."""
        longest_s, no_audio_s = self._limits.longest_s, self._limits.no_audio_s
        if longest_s and now >= self.began_s + longest_s:
            detail = f"the call has lasted {longest_s:g} s (call_limits.longest_s)"
            return LimitReached(Ending.TOO_LONG, detail)
        if no_audio_s and now >= self.came_s + no_audio_s:
            detail = f"no audio came for {no_audio_s:g} s (call_limits.no_audio_s)"
            return LimitReached(Ending.NO_AUDIO, detail)
        return None

    def no_input(self) -> LimitReached:
        """Return the limit of silences in a row."""
        times = self._limits.no_input_times
        detail = f"nothing was heard, {times} times in a row (call_limits.no_input_times)"
        return LimitReached(Ending.NO_INPUT, detail)
