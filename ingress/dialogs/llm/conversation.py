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
ENDING_CHARACTERS = 80
"""Of what was said last, by which a point of the call is found again."""


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

    `event`: what the caller said now, or a note; `interrupted`: where answers were interrupted, as
    `answer_ending` has them.
    """
    messages: list[Message] = []
    for role, text in [*_turns(history, fillers, interrupted), ("user", event)]:
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


def answer_ending(history: Sequence[HistoryEntry], leg: LegName) -> str:
    """Return what to know the end of the last answer to a leg by; empty if there is none."""
    for index in reversed(range(len(history))):
        if history[index].speaker == "server" and history[index].leg == leg:
            return _ending(history[: index + 1])
    return ""


def _ending(history: Sequence[HistoryEntry]) -> str:
    """Return the end of what was said, at most from a caller's last words on."""
    said: list[str] = []
    for entry in reversed(history):
        said.insert(0, entry.text)
        if entry.speaker == "caller":
            break
    return " ".join(said)[-ENDING_CHARACTERS:]


def _turns(
    history: Sequence[HistoryEntry], fillers: Collection[str], interrupted: Collection[str]
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

    for index, entry in enumerate(history):
        if entry.speaker == "server" and entry.text in fillers:
            continue
        if entry.speaker == "caller" or entry.leg != leg:
            yield from said()
        if entry.speaker == "caller":
            yield "user", spoken(entry.text, entry.leg)
        else:
            leg = entry.leg
            answer.append(entry.text)
            if interrupted and _ending(history[: index + 1]) in interrupted:
                yield from said()
                yield "user", INTERRUPTED
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
