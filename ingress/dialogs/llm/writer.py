"""One answer of the model: sentences and actions, over its rounds of tools."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncGenerator, Iterable, Iterator
from contextlib import aclosing
from dataclasses import dataclass

from actors.sentences import SentenceSplitter
from ingress.dialogs.base import DialogAction, EndCall, Say, Transfer
from ingress.dialogs.llm.conversation import Message
from ingress.dialogs.llm.endpoint import Endpoint, EndpointError, Finished
from ingress.dialogs.llm.memory import CallMemory
from ingress.dialogs.llm.settings import LlmSettings
from ingress.dialogs.llm.texts import LlmTexts
from ingress.dialogs.llm.tools import ToolCall, Tools

NOTE = re.compile(r"\[[^\]]*\]\.?")
"""A model may repeat a note as if it were its own sentence."""


@dataclass(frozen=True, slots=True)
class Writer:
    """Has the model write, and does what it asks for."""

    settings: LlmSettings
    endpoint: Endpoint
    tools: Tools

    async def answer(
        self, messages: list[Message], memory: CallMemory, own: LlmTexts, call_id: str
    ) -> AsyncGenerator[DialogAction, None]:
        """Yield each sentence as it completes, and what the tools do. Raises EndpointError.

        `messages` grows by the rounds of tools; `own`: what is said where the model ends without a word.
        """
        most_rounds = self.settings.maximum_tool_rounds
        definitions = self.tools.definitions if most_rounds else []
        has_said = False
        for tool_round in range(most_rounds + 1):
            may_use_tools = tool_round < most_rounds
            splitter, words = SentenceSplitter(), ""
            calls: list[ToolCall] = []
            was_too_long = False
            async with aclosing(self.endpoint.answer(messages, definitions, may_use_tools)) as pieces:
                async for piece in pieces:
                    match piece:
                        case str():
                            words += piece
                            for say in _says(splitter.feed(piece)):
                                has_said = True
                                yield say
                        case ToolCall():
                            calls.append(piece)
                        case Finished():
                            was_too_long = piece.was_too_long
                            if self.settings.maximum_call_tokens is not None:
                                memory.add_tokens(piece.tokens)
            if not (was_too_long and has_said):  # else what is left is half a sentence
                for say in _says(splitter.finish()):
                    has_said = True
                    yield say
            if not calls or not may_use_tools:
                if not has_said:
                    raise EndpointError("the model said nothing")
                return
            messages.append(_asked(words, calls))
            for call in calls:
                result = await self.tools.run(call, call_id)
                if isinstance(result.action, EndCall | Transfer):
                    farewell = own.goodbye if isinstance(result.action, EndCall) else own.connecting
                    if farewell and not has_said:
                        yield Say(farewell, is_fixed=True)
                    yield result.action
                    return
                if result.action is not None:
                    yield result.action
                if result.found is not None:
                    memory.keep(result.found)
                messages.append({"role": "tool", "tool_call_id": call.id, "content": result.reply})


def _says(sentences: Iterable[str]) -> Iterator[Say]:
    """Yield those that have words: a rule, a list's mark or an emoji is nothing to be heard."""
    for sentence in sentences:
        if any(map(str.isalnum, sentence)) and not NOTE.fullmatch(sentence):
            yield Say(sentence)


def _asked(words: str, calls: Iterable[ToolCall]) -> Message:
    """Return the model's own message with its tool calls."""
    return {
        "role": "assistant",
        "content": words or None,
        "tool_calls": [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": _object(call)}}
            for call in calls
        ],
    }


def _object(call: ToolCall) -> str:
    """Return a call's arguments, as an object also if they are none: endpoints read them again."""
    try:
        return call.arguments if isinstance(json.loads(call.arguments), dict) else "{}"
    except (ValueError, RecursionError):
        return "{}"
