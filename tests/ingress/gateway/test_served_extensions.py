"""The dialogs of the extensions: made once for each settings, kept for older calls, closed at the end."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator

import pytest
from recorded_pool import extension

from actors.errors import ConfigurationError
from ingress.configuration.extension_book import ExtensionBook
from ingress.configuration.extensions import Extension
from ingress.configuration.settings import DialogSettings
from ingress.dialogs import closing
from ingress.dialogs.base import Dialog, DialogAction, DialogCall, DialogEvent
from ingress.gateway.served_extensions import FORMER_DIALOGS, ServedExtensions


class Counted(Dialog):
    """Says nothing; its closing is counted, and fails or hangs if the greeting says so."""

    closed = 0

    def __init__(self, settings: DialogSettings) -> None:
        """Keep the greeting."""
        super().__init__(settings)
        self.greeting = settings.greeting

    async def respond(self, event: DialogEvent, call: DialogCall) -> AsyncIterator[DialogAction]:
        """Say nothing."""
        return
        yield

    async def close(self) -> None:
        """Close as the greeting says."""
        Counted.closed += 1
        if self.greeting == "hangs":
            await asyncio.sleep(100.0)
        if self.greeting == "raises":
            raise RuntimeError("the socket is gone")


def sales(greeting: str) -> Extension:
    """Return an extension whose dialog has this greeting."""
    chosen = DialogSettings(name=f"{__name__}:Counted", greeting=greeting)
    return extension("sales").model_copy(update={"dialog": chosen})


def book(version: int, *extensions: Extension) -> ExtensionBook:
    """Return a book of these."""
    named = {each.name: each for each in extensions}
    return ExtensionBook(version=version, extensions=named, has_speech_workers=False)


async def test_a_call_of_an_older_book_has_one_dialog_for_all_its_turns(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """That of the book, or, once that is long gone and closed, one that is made for it and kept."""
    monkeypatch.setattr(Counted, "closed", 0)
    served = ServedExtensions(book(1, sales("0")))
    first = served.dialog(sales("0"))
    for version in range(1, FORMER_DIALOGS + 1):
        await served.follow(book(version + 1, sales(str(version))))
    assert served.dialog(sales("0")) is first
    assert served.dialog(sales(str(version))) is not first
    assert Counted.closed == 0
    await served.follow(book(version + 2, sales("one more")))
    again = served.dialog(sales("0"))
    assert again is not first
    assert served.dialog(sales("0")) is again
    await served.close()
    assert Counted.closed == 2 + FORMER_DIALOGS + 1  # two that were dropped, all that were kept, the newest


async def test_all_dialogs_are_closed_at_the_end(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Those of older books too; what hangs or raises keeps no other one open, and has its line.

    They are closed at the same time: many that hang take no longer than one.
    """
    monkeypatch.setattr(closing, "CLOSE_DEADLINE_S", 0.1)
    monkeypatch.setattr(Counted, "closed", 0)
    hanging = [sales("hangs").model_copy(update={"name": f"hangs{number}"}) for number in range(20)]
    served = ServedExtensions(book(1, *hanging, sales("raises")))
    await served.follow(book(2, *hanging, sales("closes")))
    began_s = time.monotonic()
    with caplog.at_level(logging.WARNING):
        await served.close()
    assert time.monotonic() - began_s < 20 * closing.CLOSE_DEADLINE_S
    assert Counted.closed == 22
    assert Counter(record.getMessage() for record in caplog.records) == {
        "dialog Counted: closing it: TimeoutError": 20,
        "dialog Counted: closing it: the socket is gone": 1,
    }


class Slow(Counted):
    """Is made slowly, as one that reads large files, and not at all if the greeting says so."""

    may_go_on = threading.Event()

    def __init__(self, settings: DialogSettings) -> None:
        """Wait."""
        super().__init__(settings)
        assert Slow.may_go_on.wait(10.0)
        if self.greeting == "wrong":
            raise ConfigurationError("no such file")


def slow(name: str, greeting: str) -> Extension:
    """Return an extension whose dialog is made slowly."""
    chosen = DialogSettings(name=f"{__name__}:Slow", greeting=greeting)
    return extension(name).model_copy(update={"dialog": chosen})


async def test_turns_go_on_while_the_dialogs_of_a_newer_book_are_made(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """They are served by the older one until all are there; an older book that comes meanwhile is none."""
    monkeypatch.setattr(Slow, "may_go_on", threading.Event())
    served = ServedExtensions(book(1, sales("1")))
    first = served.dialog(sales("1"))
    newer = asyncio.create_task(served.follow(book(3, sales("1"), slow("slow", "hello"))))
    older = asyncio.create_task(served.follow(book(2, sales("2"))))
    await asyncio.sleep(0.02)  # this loop runs
    assert (served.book.version, served.find("slow")) == (1, None)
    assert served.dialog(sales("1")) is first
    Slow.may_go_on.set()
    assert (await newer, await older) == (True, False)
    assert (served.book.version, served.dialog(sales("1"))) == (3, first)
    await served.close()


async def test_dialogs_of_a_book_that_cannot_be_served_are_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The older book is served on."""
    Slow.may_go_on.set()
    monkeypatch.setattr(Counted, "closed", 0)
    served = ServedExtensions(book(1, sales("1")))
    with pytest.raises(ConfigurationError, match="no such file"):
        await served.follow(book(2, sales("2"), slow("slow", "wrong")))
    await asyncio.sleep(0)
    assert (served.book.version, Counted.closed) == (1, 1)
    await served.close()
