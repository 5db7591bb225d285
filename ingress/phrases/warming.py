"""Phrases made before any call needs them: greetings, busy, apology, waiting, and what dialogs say verbatim.

One sentence after the other, as background work, and none while the system is busy. One that cannot be made
now is logged once and tried again the next time. What is there already costs next to nothing.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Iterator
from contextlib import suppress

from actors.errors import RaymalError, described
from actors.messages import Level
from actors.sentences import split_sentences
from ingress.configuration.extensions import Extension, Phrase
from ingress.configuration.phrases import phrase_text
from ingress.dialogs.registry import dialog
from ingress.phrases.speaker import Speaker

log = logging.getLogger(__name__)


async def warm(speaker: Speaker, extensions: Iterable[Extension], deadline_s: float) -> int:
    """Make what is missing of all fixed sentences, within the deadline; return how many were made.

    While the system is busy nothing is made: what is on disk is copied into memory.
    """
    made = 0
    if not speaker.keeps_anything:
        return made
    with suppress(TimeoutError):
        async with asyncio.timeout(deadline_s):
            for extension, sentence in fixed_sentences(extensions):
                is_there = await speaker.recall(sentence, extension)
                if not is_there and speaker.decision.level == Level.NORMAL:
                    made += await _render(speaker, sentence, extension)
    return made


def fixed_sentences(extensions: Iterable[Extension]) -> Iterator[tuple[Extension, str]]:
    """Yield each fixed sentence with an extension that says it; extensions that sound alike share them."""
    seen: set[tuple[str, str | None, str]] = set()
    for extension in extensions:
        for text in fixed_texts(extension):
            for sentence in split_sentences(text):
                identity = (extension.language, extension.voice, sentence)
                if identity not in seen:
                    seen.add(identity)
                    yield extension, sentence


def fixed_texts(extension: Extension) -> list[str]:
    """Return what an extension says word for word the same to every caller; none if it never speaks."""
    if not extension.needs_speech:
        return []
    phrases = [phrase_text(extension, phrase) for phrase in Phrase]
    return [*dialog(extension.dialog).fixed_texts, *(text for text in phrases if text is not None)]


async def _render(speaker: Speaker, sentence: str, extension: Extension) -> bool:
    """Make one sentence; False if that failed, which is a warning the first time."""
    phrase = extension.name, sentence
    try:
        await speaker.render(sentence, extension)
    except RaymalError as error:
        level = logging.DEBUG if phrase in speaker.unmade else logging.WARNING
        reason = described(error)
        log.log(level, "extension %s: the phrase %r is not ready: %s", extension.name, sentence, reason)
        speaker.unmade[phrase] = reason
        return False
    speaker.unmade.pop(phrase, None)
    return True
