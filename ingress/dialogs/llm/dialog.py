"""The language-model dialog: an OpenAI-compatible endpoint answers, sentence by sentence as it writes.

| event | what the model gets |
|---|---|
| the call begins | a note, unless `dialog.greeting` says what to say |
| the caller said something | the words |
| keys, the second connection joined or left | a note |
| not understood | nothing: the caller is asked again |
| nothing heard | nothing: the extension's phrase is said |
| an answer was interrupted | a note behind what was heard of it |

What it remembers of a call is in `ingress.dialogs.llm.memory`, what it says by itself in `texts`.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import replace

from actors.errors import DialogError, described
from ingress.configuration.settings import DialogSettings
from ingress.dialogs.base import (
    CallBegan,
    CallerNotUnderstood,
    CallerPressed,
    CallerSaid,
    Dialog,
    DialogAction,
    DialogCall,
    DialogEvent,
    EndCall,
    Interrupted,
    LegJoined,
    LegLeft,
    Say,
    Transfer,
)
from ingress.dialogs.http_clients import usual_tls
from ingress.dialogs.llm.api_key import api_key
from ingress.dialogs.llm.conversation import Message, answer_ending, conversation, spoken
from ingress.dialogs.llm.endpoint import Endpoint, EndpointError
from ingress.dialogs.llm.memory import CallMemory
from ingress.dialogs.llm.prompt import DEFAULT_PROMPT, PromptFile
from ingress.dialogs.llm.settings import LlmSettings
from ingress.dialogs.llm.texts import TEXTS, LlmTexts, texts
from ingress.dialogs.llm.tools import Tools
from ingress.dialogs.llm.waiting import Waiting
from ingress.dialogs.llm.writer import Writer
from ingress.dialogs.lookups import Lookups
from ingress.link.messages import LegName

WHERE = "dialog.llm"
PATIENCE = 0.9
"""Of `dialog.deadline_s`: after that the turn would fail, with an apology instead of the fall-back."""
CHECK_DEADLINE_S = 3.0
BEGIN_NOTE = "[The call begins. Greet the caller.]"
JOINED_NOTE = "[A second person has joined the call, and hears your next answer alone. Greet them.]"
LEFT_NOTE = "[The second person has left the call. You speak to the caller.]"
NOT_UNDERSTOOD_NOTE = "[The caller said something that could not be understood.]"

log = logging.getLogger(__name__)


class LlmDialog(Dialog):
    """Answers with a language model."""

    Settings = LlmSettings
    settings: LlmSettings

    def __init__(self, settings: DialogSettings) -> None:
        """Read prompt and key. Raises ConfigurationError."""
        super().__init__(settings)
        chosen = self.settings
        self._greeting = settings.greeting
        self._patience_s = PATIENCE * settings.deadline_s
        file = chosen.prompt_file
        self._prompt_file = None if file is None else PromptFile(file, f"{WHERE}.prompt_file")
        self._key = api_key(chosen, os.environ, WHERE)
        self._lookups = Lookups(chosen.lookups, f"{WHERE}.lookups")
        self._endpoint = Endpoint(chosen, self._key)
        self._writer = Writer(chosen, self._endpoint, Tools(chosen, self._lookups))

    def fixed_texts_in(self, language: str) -> Sequence[str]:
        """Return the greeting, if the settings have one, and what it says by itself."""
        return [text for text in (self._greeting, *self._texts(language).all) if text]

    def unreachable(self) -> Sequence[str]:
        """Ask the endpoint for its models: whether it is there and takes the key."""
        import httpx2

        chosen = self.settings
        headers = {"Authorization": f"Bearer {self._key}"} if self._key else {}
        where = f"{WHERE}.base_url = {chosen.base_url!r}"
        try:
            with httpx2.stream(
                "GET",
                f"{chosen.base_url.rstrip('/')}/models",
                headers=headers,
                timeout=CHECK_DEADLINE_S,
                trust_env=False,  # as the calls' client
                verify=usual_tls(),
            ) as answer:  # whose body may have no end
                status = answer.status_code
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            return [
                f"{where}: the endpoint cannot be reached ({type(error).__name__}): start it, or correct this"
            ]
        if status in (401, 403):
            needed = "refuses the key" if self._key else "needs a key, which is not set (api_key_file)"
            return [f"{where}: the endpoint {needed} ({status})"]
        return []

    async def close(self) -> None:
        """Close the connections. Idempotent."""
        await self._endpoint.close()
        await self._lookups.close()

    async def respond(self, event: DialogEvent, call: DialogCall) -> AsyncIterator[DialogAction]:
        """Do what the table above says."""
        own = self._texts(call.language)
        match event:
            case CallBegan() if self._greeting is not None:
                if self._greeting:
                    yield Say(self._greeting, is_fixed=True)
                await self._endpoint.prepare()  # while the greeting is heard
                return
            case CallBegan():
                note, leg = BEGIN_NOTE, None
            case CallerSaid(text=text, leg=speaker):
                note, leg = spoken(text, speaker), speaker
            case CallerPressed(digits=digits, leg=presser):
                who = "caller" if presser == "caller" else "second person"
                note, leg = f"[The {who} pressed the keys {' '.join(digits)}]", presser
            case CallerNotUnderstood() if own.not_understood:
                yield Say(own.not_understood, is_fixed=True)
                return
            case CallerNotUnderstood(leg=speaker):
                note, leg = NOT_UNDERSTOOD_NOTE, speaker
            case LegJoined():
                note, leg = JOINED_NOTE, None
            case LegLeft():
                note, leg = LEFT_NOTE, "caller"
            case Interrupted(heard=heard, leg=speaker):
                if heard:
                    CallMemory(call.state).interrupt(answer_ending(call.history, speaker))
                return
            case _:  # nothing heard: the extension has a phrase; the call's end: nothing can be said
                return
        answer = self._answer(note, call, leg, is_greeting=isinstance(event, CallBegan))
        async with aclosing(answer) as actions:
            async for action in actions:
                yield action

    # One answer

    async def _answer(
        self, note: str, call: DialogCall, leg: LegName | None, is_greeting: bool
    ) -> AsyncGenerator[DialogAction, None]:
        """Yield the model's answer, the filler if it is late, and the fall-back if it does not come."""
        own, memory = self._texts(call.language), CallMemory(call.state)
        reached = self._limit_reached(memory)
        if reached is not None:
            for said in self._leaving(own, own.limit, reached):
                yield said
            return
        memory.begin_turn()
        loop = asyncio.get_running_loop()
        filler = own.filler if self.settings.filler_after_s and not is_greeting else ""
        filler_s = loop.time() + self.settings.filler_after_s
        has_said = False
        problem: str | None = None
        messages = await self._messages(note, call, memory)
        async with Waiting(self._writer.answer(messages, memory, own, call.call_id)) as generated:
            while True:
                until_filler_s = max(0.0, filler_s - loop.time()) if filler else self._patience_s
                try:
                    action = await generated.next(min(until_filler_s, self._patience_s))
                except TimeoutError:
                    if until_filler_s >= self._patience_s:
                        problem = f"no answer in {self._patience_s:g} s"
                        break
                    yield Say(filler, is_fixed=True, leg=leg)
                    filler = ""
                    continue
                except EndpointError as error:
                    problem = described(error)
                    break
                if action is None:
                    break
                if isinstance(action, Say):
                    has_said, filler = True, ""
                yield _to_leg(action, leg)
        if problem is None:
            memory.succeed()
            return
        log.warning("call %s: language model: %s", call.call_id, problem)
        for said in self._failed(memory.fail(), own, has_said, is_greeting, problem):
            yield _to_leg(said, leg)

    async def _messages(self, note: str, call: DialogCall, memory: CallMemory) -> list[Message]:
        """Return what the model gets to read."""
        file = self._prompt_file
        chosen = DEFAULT_PROMPT if file is None else await asyncio.to_thread(file.current)
        prompt = chosen.filled(call)
        if memory.found:
            lines = "\n".join(json.dumps(each, ensure_ascii=False) for each in memory.found)
            prompt += f"\n\nWhat your tools found earlier in this call:\n{lines}"
        return conversation(
            prompt,
            call.history,
            note,
            fillers={self.settings.filler or "", *(each.filler for each in TEXTS.values())},
            interrupted=memory.interrupted,
            maximum_characters=self.settings.maximum_history_characters,
        )

    # What is said without the model

    def _texts(self, language: str) -> LlmTexts:
        """Return what is said in a language; the operator's words in the place of the language's own."""
        chosen, own = self.settings, texts(language)
        return replace(
            own,
            filler=own.filler if chosen.filler is None else chosen.filler,
            failed=chosen.failure or own.failed,
            limit=chosen.limit or own.limit,
        )

    def _limit_reached(self, memory: CallMemory) -> str | None:
        """Return why the call has to end, None if it has not."""
        chosen = self.settings
        if memory.turns >= chosen.maximum_turns:
            return f"the call reached {WHERE}.maximum_turns"
        if chosen.maximum_call_tokens is not None and memory.tokens >= chosen.maximum_call_tokens:
            return f"the call reached {WHERE}.maximum_call_tokens"
        return None

    def _failed(
        self, failures: int, own: LlmTexts, has_said: bool, is_greeting: bool, problem: str
    ) -> Sequence[DialogAction]:
        """Return what is said when the endpoint failed, and whether the call goes on."""
        if failures > self.settings.failures_allowed:
            return self._leaving(own, own.failed, "the language model does not answer")
        if not own.failed:
            raise DialogError(problem)  # the caller hears the extension's own apology
        if own.hello and is_greeting and not has_said:
            return [Say(own.hello, is_fixed=True)]
        text = own.cut if own.cut and has_said else f"{own.failed} {own.again}".rstrip()
        return [Say(text, is_fixed=True)]

    def _leaving(self, own: LlmTexts, text: str, reason: str) -> Sequence[DialogAction]:
        """Return the end of a call, or its transfer, that the model did not ask for."""
        target = self.settings.fallback_target
        farewell = own.goodbye if target is None else own.connecting
        said = [Say(each, is_fixed=True) for each in (text, farewell) if each]
        return [*said, EndCall(reason) if target is None else Transfer(target, reason)]


def _to_leg(action: DialogAction, leg: LegName | None) -> DialogAction:
    """Return an action for the one who is answered."""
    if leg is None or not isinstance(action, (Say, EndCall)):
        return action
    return replace(action, leg=leg)
