"""Leave out what a model writes to itself: `<think>…</think>` at the beginning of an answer."""

from __future__ import annotations

BEGIN = "<think>"
END = "</think>"


class ThoughtFilter:
    """Text in, in any pieces; the words of the answer out."""

    def __init__(self) -> None:
        self._held = ""
        """What may still be a mark, or is inside the thought."""
        self._is_thinking = False
        self._is_past = False

    def feed(self, text: str) -> str:
        """Return what of the text is the answer's."""
        if self._is_past:
            return text
        self._held += text
        if not self._is_thinking:
            begun = self._held.lstrip()
            if begun and not BEGIN.startswith(begun[: len(BEGIN)]):
                return self._answer(self._held)
            self._is_thinking = begun.startswith(BEGIN)
        if self._is_thinking:
            _, end, answer = self._held.partition(END)
            if end:
                return self._answer(answer.lstrip())
            self._held = BEGIN + self._held[len(BEGIN) :][-len(END) :]
        return ""

    def _answer(self, text: str) -> str:
        self._is_past, self._held = True, ""
        return text
