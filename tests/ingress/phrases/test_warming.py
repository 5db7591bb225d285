"""Phrases made in advance: which, when, and when not."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
from recorded_pool import RecordedPool, extension

from actors.engines.hibari import HibariTts
from actors.errors import EngineError
from actors.messages import Decision, Level
from actors.sentences import split_sentences
from actors.settings import SpeechSettings
from ingress.configuration.extensions import Extension, Phrase
from ingress.configuration.phrases import phrase_text
from ingress.configuration.settings import CacheSettings, DialogSettings, ExtensionSettings, Settings
from ingress.dialogs.base import Dialog
from ingress.dialogs.echo import EchoDialog
from ingress.phrases.fixed import PhraseShelf
from ingress.phrases.speaker import BACKGROUND_CALL_ID, Speaker
from ingress.phrases.warming import MAXIMUM_FIXED_TEXTS, fixed_sentences, fixed_texts, warm
from ingress.server.checking import extension_book

SPEECH = SpeechSettings(stt="scripted", tts="scripted")


def speaker_of(pool: RecordedPool, directory: Path, **cache: int) -> Speaker:
    """Return a speaker that keeps its phrases in that folder."""
    return Speaker(pool.as_pool, SPEECH, CacheSettings(directory=str(directory), **cache))


def test_the_fixed_texts_are_the_dialog_s_and_the_phrases() -> None:
    """Greeting and apology of the dialog; busy, apology and waiting of the language."""
    assert fixed_texts(extension()) == [
        "Welcome. How can I help?",
        *(phrase_text(extension(), phrase) for phrase in Phrase),
        "Sorry, I did not understand that.",
    ]
    assert fixed_texts(extension(dialog=DialogSettings(greeting=""), language="pl")) == [
        "Sorry, I did not understand that."
    ]


def test_an_extension_that_never_speaks_needs_no_phrases() -> None:
    """The tone dialog has no engine."""
    assert fixed_texts(extension(dialog=DialogSettings(name="tone"))) == []


class Talkative(EchoDialog):
    """Has more to say than is made ahead of need, in each language something else."""

    def fixed_texts_in(self, language: str) -> Sequence[str]:
        """Return very many texts."""
        return [f"{language} {number}" for number in range(MAXIMUM_FIXED_TEXTS + 5)]


def test_what_is_made_ahead_is_bounded_and_in_the_extension_s_language() -> None:
    """After how a call begins come a media worker's own phrases, then those of the next extension."""
    one = Talkative(DialogSettings())
    texts = fixed_texts(extension(language="pt-BR"), lambda extension: one)
    phrases = [phrase_text(extension(language="pt"), phrase) for phrase in Phrase]
    own = [f"pt-BR {number}" for number in range(MAXIMUM_FIXED_TEXTS)]
    assert texts == [own[0], *phrases, *own[1:]]
    two = [extension(language="pt-BR"), extension(language="de", name="other")]
    order = [found.language for found, _ in fixed_sentences(two, lambda extension: one)]
    assert [language for language, _ in groupby(order)] == ["pt-BR", "de", "pt-BR", "de"]


@pytest.mark.parametrize(
    ("texts", "reason"),
    [
        (None, "TypeError at "),
        ([None], "they are no list of texts"),
        (["Hello.", 7], "they are no list of texts"),
        ("Hello.", "they are no list of texts"),
    ],
    ids=str,
)
def test_a_dialog_whose_fixed_texts_are_none_costs_the_others_nothing(
    texts: Any, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Its own phrases are made, and all of the next extension; it is said once."""
    wrong, right = Talkative(DialogSettings()), EchoDialog(DialogSettings(greeting="Hello."))
    wrong.fixed_texts_in = lambda language: texts  # type: ignore[method-assign]
    two = [extension(name=f"{texts}"), extension(name="right")]

    def dialog_of(extension: Extension) -> Dialog:
        return right if extension.name == "right" else wrong

    for _ in range(2):
        found = [sentence for _, sentence in fixed_sentences(two, dialog_of)]
        assert {"Hello.", "One moment, please."} <= set(found)
    assert len(caplog.records) == 1
    assert f"not made ahead of need: {reason}" in caplog.text


async def test_an_extension_s_phrases_are_made_by_its_engine(tmp_path: Path) -> None:
    """Once for each engine, whichever extension names it."""
    pool = RecordedPool()
    speaker = speaker_of(pool, tmp_path)
    own = extension(name="b").model_copy(update={"tts": "hibari"})
    made = await warm(speaker, [extension(name="a"), own, own.model_copy(update={"name": "c"})], 10.0)
    engines = [request.engine for request in pool.requests]
    assert Counter(engines) == {None: made // 2, "hibari": made // 2}
    assert speaker.pace(own).factor == HibariTts.real_time_factor
    await speaker.close()


def test_sentences_that_sound_alike_are_named_once() -> None:
    """Two extensions in one voice share them; another voice has its own."""
    alike = [extension(name="a"), extension(name="b")]
    sentences = list(fixed_sentences(alike))
    assert len(sentences) == len({sentence for _, sentence in sentences})
    assert [sentence for _, sentence in sentences][:2] == ["Welcome.", "How can I help?"]
    assert len(list(fixed_sentences([*alike, extension(voice="anna")]))) == 2 * len(sentences)


async def test_everything_missing_is_made_once_in_the_background_one_by_one(tmp_path: Path) -> None:
    """The second time there is nothing to do, and the media workers find it all on their shelf."""
    settings = Settings(
        speech=SPEECH,
        cache=CacheSettings(directory=str(tmp_path)),
        extensions={"porto": ExtensionSettings(port=0, language="pt", busy="Agora não.")},
    )
    pool = RecordedPool()
    every = list(extension_book(settings).extensions.values())
    speaker = Speaker(pool.as_pool, SPEECH, settings.cache)
    expected = [(found.language, sentence) for found, sentence in fixed_sentences(every)]
    assert await warm(speaker, every, 10.0) == len(expected)
    assert await warm(speaker, every, 10.0) == 0
    assert [(request.language, request.text) for request in pool.requests] == expected
    assert {request.call_id for request in pool.requests} == {BACKGROUND_CALL_ID}
    assert pool.most_running == 1
    shelf = PhraseShelf(settings)
    shelf.load(every)
    for found in every:
        for phrase in Phrase:
            text = phrase_text(found, phrase)
            assert text is not None
            assert shelf.audio(found, phrase) == pool.pieces[0] * len(split_sentences(text))
    await speaker.close()


@pytest.mark.parametrize("level", [Level.BUSY, Level.LOADED, Level.FULL])
async def test_a_busy_system_makes_nothing_but_reads_what_there_is(tmp_path: Path, level: Level) -> None:
    """After a restart under load greetings are there without a single synthesis."""
    pool = RecordedPool()
    greeting = [extension(dialog=DialogSettings(greeting="Welcome."))]
    speaker = speaker_of(pool, tmp_path)
    await speaker.render("Welcome.", greeting[0])
    await speaker.close()
    pool.decision = Decision(level=level)
    pool.requests.clear()
    speaker = speaker_of(pool, tmp_path)
    assert await warm(speaker, greeting, 10.0) == 0
    assert pool.requests == []
    assert speaker.is_ready("Welcome.", greeting[0])
    pool.decision = Decision()
    assert await warm(speaker, greeting, 10.0) == len(list(fixed_sentences(greeting))) - 1
    await speaker.close()


async def test_a_failure_is_logged_once_and_tried_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """When the engine works again the phrases are made, and a later failure is logged again."""
    pool = RecordedPool()
    own = {"phrases": {Phrase.BUSY: "Zajęte."}}
    chosen: list[Extension] = [extension(language="pl").model_copy(update=own)]
    speaker = speaker_of(pool, tmp_path)
    pool.error = EngineError("no such language")
    for _ in range(3):
        assert await warm(speaker, chosen, 10.0) == 0
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == len(set(warnings)) == len(list(fixed_sentences(chosen))) > 1
    assert "no such language" in warnings[-1]
    assert len(speaker.unmade) == len(warnings)
    pool.error = None
    assert await warm(speaker, chosen, 10.0) == len(warnings)
    assert speaker.unmade == {}
    await speaker.close()


async def test_the_deadline_ends_it_and_the_next_time_goes_on(tmp_path: Path) -> None:
    """What was made stays; what was under way is given up and frees its slot."""
    pool = RecordedPool()
    everything = [extension()]
    speaker = speaker_of(pool, tmp_path)
    gate = asyncio.Event()
    pool.gates = [gate]
    assert await warm(speaker, everything, 0.05) == 0
    await asyncio.sleep(0)
    assert (pool.running, pool.stopped) == (0, 1)
    gate.set()
    assert await warm(speaker, everything, 10.0) == len(list(fixed_sentences(everything)))
    await speaker.close()


async def test_without_room_nothing_is_made(tmp_path: Path) -> None:
    """It would be discarded and made again each time."""
    pool = RecordedPool()
    speaker = speaker_of(pool, tmp_path, memory_bytes=0, disk_bytes=0)
    assert await warm(speaker, [extension()], 10.0) == 0
    assert pool.requests == []
    await speaker.close()
