"""Phrases made before any call needs them: greetings, busy, apology, waiting, and what dialogs say verbatim.

One sentence after the other, as background work, and none while the system is busy. One that cannot be made
now is logged once and tried again the next time. What is there already costs next to nothing.

The order: of each extension how a call may begin and what a media worker says by itself, then all the rest.
Of what a dialog says verbatim the first `MAXIMUM_FIXED_TEXTS` are made in each language: the others are made,
and kept, when they are needed.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import cache
from itertools import islice

from actors.errors import RaymalError, described
from actors.messages import Level
from actors.plugins.lookup import place
from actors.sentences import split_sentences
from actors.speakable import SpeakableText, prepare, speakable_pieces
from ingress.configuration.extensions import Extension, Phrase
from ingress.configuration.phrases import phrase_text
from ingress.dialogs.base import Dialog
from ingress.dialogs.registry import dialog
from ingress.phrases.speaker import Speaker

MAXIMUM_FIXED_TEXTS = 1_000
"""Of one dialog in one language: an hour of speech, and 60 MB on disk."""

FIRST_TEXTS = 1 + len(Phrase)
"""Of an extension, before those that come with the others' rest."""

DialogOf = Callable[[Extension], Dialog]


def _made(extension: Extension) -> Dialog:
    return dialog(extension.dialog)


log = logging.getLogger(__name__)


async def warm(
    speaker: Speaker, extensions: Iterable[Extension], deadline_s: float, dialog_of: DialogOf = _made
) -> int:
    """Make what is missing of all fixed sentences, within the deadline; return how many were made.

    `extensions`: one that has several languages is there in each of them. While the system is busy nothing is
    made: what is on disk is copied into memory.
    """
    made = 0
    extensions = list(extensions)
    for language in {extension.language for extension in extensions}:
        await asyncio.to_thread(prepare, language)
    by_engine = {extension.tts: extension for extension in extensions if extension.needs_speech}
    for extension in by_engine.values():
        await asyncio.to_thread(speaker.expect, extension)
    if not speaker.keeps_anything:
        return made
    with suppress(TimeoutError):
        async with asyncio.timeout(deadline_s):
            for extension, sentence in fixed_sentences(extensions, dialog_of):
                is_there = await speaker.recall(sentence, extension)
                if not is_there and speaker.decision.level == Level.NORMAL:
                    made += await _render(speaker, sentence, extension)
    return made


def fixed_sentences(
    extensions: Iterable[Extension], dialog_of: DialogOf = _made
) -> Iterator[tuple[Extension, SpeakableText]]:
    """Yield each fixed sentence, speakable, with an extension that says it; those that sound alike share it.

    A sentence that takes long to say is several.
    """
    texts = [(extension, fixed_texts(extension, dialog_of)) for extension in extensions]
    seen: set[tuple[str | None, str, str | None, str]] = set()
    for part in (slice(None, FIRST_TEXTS), slice(FIRST_TEXTS, None)):
        for extension, own in texts:
            for text in own[part]:
                for sentence in split_sentences(text):
                    for piece in speakable_pieces(sentence, extension.language):
                        identity = (extension.tts, extension.language, extension.spoken_voice, piece)
                        if identity not in seen:
                            seen.add(identity)
                            yield extension, piece


def fixed_texts(extension: Extension, dialog_of: DialogOf = _made) -> list[str]:
    """Return what an extension says word for word the same to every caller; none if it never speaks."""
    if not extension.needs_speech:
        return []
    phrases = [text for phrase in Phrase if (text := phrase_text(extension, phrase)) is not None]
    own = _own_texts(extension, dialog_of)
    return [*own[:1], *phrases, *own[1:]]


def _own_texts(extension: Extension, dialog_of: DialogOf) -> list[str]:
    """Return those of its dialog, which may be anyone's code: an error costs this extension's alone."""
    try:
        own = dialog_of(extension).fixed_texts_in(extension.language)
        texts = list(islice(own, MAXIMUM_FIXED_TEXTS))
        if isinstance(own, str) or not all(isinstance(text, str) for text in texts):
            _warn_once(extension.name, "they are no list of texts")
            return []
    except (Exception, SystemExit) as error:
        _warn_once(extension.name, f"{type(error).__name__} at {place(error, __file__)}")
        return []
    return texts


@cache
def _warn_once(name: str, error: str) -> None:
    log.warning("extension %s: its dialog's fixed texts are not made ahead of need: %s", name, error)


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
