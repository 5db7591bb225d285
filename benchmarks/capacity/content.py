"""Whether callers were understood: what was said against what the server's record says it heard.

A call's utterances are looked for among what the server heard, in order; one is found if at most half of its
words are wrong. A lost utterance, or one that was cut in two, costs itself and not those after it. The words
stay in memory: a figure comes out, nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence

from ingress.caller.word_errors import word_errors
from ingress.link.records import TurnRecord

WORD_ERROR_LIMIT = 0.5
"""More is another sentence. Whisper's base model errs on some 5 % of telephone words."""


def understood(said: Sequence[str], turns: Sequence[TurnRecord]) -> list[bool]:
    """Return, for each utterance of a call, whether it was heard and answered.

    `turns` are the call's, in order; greetings and digits are passed over.
    """
    heard = [turn for turn in turns if turn.kind == "utterance"]
    found, after = [], 0
    for text in said:
        place = next(
            (at for at in range(after, len(heard)) if _is_answered(heard[at]) and _is_same(text, heard[at])),
            None,
        )
        found.append(place is not None)
        if place is not None:
            after = place + 1
    return found


def _is_answered(turn: TurnRecord) -> bool:
    return turn.failure is None and bool(turn.answered)


def _is_same(text: str, turn: TurnRecord) -> bool:
    return word_errors([text], [turn.heard or ""]).rate <= WORD_ERROR_LIMIT
