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
from actors.speakable import SpeakableText, prepare, speakable_pieces
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
    extensions = list(extensions)
    for language in {extension.language for extension in extensions}:
        await asyncio.to_thread(prepare, language)
    for extension in {
        extension.tts: extension for extension in extensions if extension.needs_speech
    }.values():
        await asyncio.to_thread(speaker.expect, extension)
    if not speaker.keeps_anything:
        return made
    with suppress(TimeoutError):
        async with asyncio.timeout(deadline_s):
            for extension, sentence in fixed_sentences(extensions):
                is_there = await speaker.recall(sentence, extension)
                if not is_there and speaker.decision.level == Level.NORMAL:
                    made += await _render(speaker, sentence, extension)
    return made


def fixed_sentences(extensions: Iterable[Extension]) -> Iterator[tuple[Extension, SpeakableText]]:
    """Yield each fixed sentence, speakable, with an extension that says it; those that sound alike share it.

    A sentence that takes long to say is several.
    """
    seen: set[tuple[str | None, str, str | None, str]] = set()
    for extension in extensions:
        for text in fixed_texts(extension):
            for sentence in split_sentences(text):
                for piece in speakable_pieces(sentence, extension.language):
                    identity = (extension.tts, extension.language, extension.voice, piece)
                    if identity not in seen:
                        seen.add(identity)
                        yield extension, piece


def fixed_texts(extension: Extension) -> list[str]:
    """Return what an extension says word for word the same to every caller; none if it never speaks."""
    if not extension.needs_speech:
        return []
    phrases = [phrase_text(extension, phrase) for phrase in Phrase]
    return [
        *dialog(extension.dialog).fixed_texts_in(extension.language),
        *(text for text in phrases if text is not None),
    ]


async def _render(speaker: Speaker, sentence: SpeakableText, extension: Extension) -> bool:
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
