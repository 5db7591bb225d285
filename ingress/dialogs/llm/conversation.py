"""What the model reads: the prompt, and the call as it was heard.

| in the call | for the model |
|---|---|
| what the caller said | `user` |
| what was said to the caller and was heard, one sentence after the other | one `assistant` |
| something that happened: keys, an interruption, a second person | `user`, in [brackets] |
| the filler | nothing |
| what was generated and not heard | nothing: the history does not have it |

Roles alternate and the first one is the caller's, as some models' templates need. The newest messages are
kept.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any, Literal

from ingress.link.messages import HistoryEntry, LegName

Message = dict[str, Any]
"""As in OpenAI's API."""
BEGAN = "[The call begins.]"
INTERRUPTED = "[The caller interrupted you there.]"
OTHER_PERSON = "[The second person says:]"
TO_OTHER_PERSON = "[You said to the second person:]"
TAIL_CHARACTERS = 40
"""Of an answer's end, by which it is found again."""


def conversation(
    prompt: str,
    history: Sequence[HistoryEntry],
    event: str,
    *,
    fillers: Collection[str] = (),
    interrupted: Collection[str] = (),
    maximum_characters: int = 8_000,
) -> list[Message]:
    """Return the messages of a request.

    `event`: what the caller said now, or a note; `interrupted`: ends of answers that were interrupted there,
    as `tail` makes them.
    """
    heard = [entry for entry in history if entry.speaker == "caller" or entry.text not in fillers]
    messages: list[Message] = []
    for role, text in [*_turns(heard, interrupted), ("user", event)]:
        if messages and messages[-1]["role"] == role:
            messages[-1]["content"] += f"\n{text}"
        else:
            messages.append({"role": role, "content": text})
    kept = _newest(messages, maximum_characters)
    if kept[0]["role"] == "assistant":
        kept.insert(0, {"role": "user", "content": BEGAN})
    return [{"role": "system", "content": prompt}, *kept]


def spoken(text: str, leg: LegName = "caller") -> str:
    """Return a person's words for the model; brackets are only ours."""
    words = text.replace("[", "(").replace("]", ")")
    return words if leg == "caller" else f"{OTHER_PERSON} {words}"


def tail(heard: str) -> str:
    """Return the end of what was heard of an answer, to know it by; empty if nothing was heard."""
    return " ".join(heard.split())[-TAIL_CHARACTERS:]


def _turns(
    history: Sequence[HistoryEntry], interrupted: Collection[str]
) -> Iterable[tuple[Literal["user", "assistant"], str]]:
    """Yield who said what; consecutive sentences of one answer together."""
    answer: list[str] = []
    leg: LegName = "caller"

    def said() -> Iterable[tuple[Literal["user", "assistant"], str]]:
        if not answer:
            return
        text = " ".join(answer)
        answer.clear()
        yield "assistant", text if leg == "caller" else f"{TO_OTHER_PERSON} {text}"
        end = tail(text)
        if any(end.endswith(each) or each.endswith(end) for each in interrupted if each):
            yield "user", INTERRUPTED

    for entry in history:
        if entry.speaker == "caller" or entry.leg != leg:
            yield from said()
        if entry.speaker == "caller":
            yield "user", spoken(entry.text, entry.leg)
        else:
            leg = entry.leg
            answer.append(entry.text)
    yield from said()


def _newest(messages: Sequence[Message], maximum_characters: int) -> list[Message]:
    """Return the last messages within the limit, and the very last one in any case."""
    kept: list[Message] = []
    characters = 0
    for message in reversed(messages):
        characters += len(message["content"])
        if kept and characters > maximum_characters:
            break
        kept.insert(0, message)
    return kept
