"""The dialogs of the extensions: made once for each settings, kept for older calls, closed at the end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator

import pytest
from recorded_pool import extension

from ingress.configuration.extension_book import ExtensionBook
from ingress.configuration.extensions import Extension
from ingress.configuration.settings import DialogSettings
from ingress.dialogs.base import Dialog, DialogAction, DialogCall, DialogEvent
from ingress.gateway import served_extensions
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


def test_a_call_of_an_older_book_has_one_dialog_for_all_its_turns() -> None:
    """That of the book, or, once that is long gone, one that is made for it and kept."""
    served = ServedExtensions(book(1, sales("0")))
    first = served.dialog(sales("0"))
    for version in range(1, FORMER_DIALOGS + 1):
        served.follow(book(version + 1, sales(str(version))))
    assert served.dialog(sales("0")) is first
    assert served.dialog(sales(str(version))) is not first
    served.follow(book(version + 2, sales("one more")))
    again = served.dialog(sales("0"))
    assert again is not first
    assert served.dialog(sales("0")) is again


async def test_all_dialogs_are_closed_at_the_end(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Those of older books too; what hangs or raises keeps no other one open, and has its line."""
    monkeypatch.setattr(served_extensions, "CLOSE_DEADLINE_S", 0.02)
    monkeypatch.setattr(Counted, "closed", 0)
    served = ServedExtensions(book(1, sales("hangs")))
    served.follow(book(2, sales("raises")))
    served.follow(book(3, sales("closes")))
    with caplog.at_level(logging.WARNING):
        await served.close()
    assert Counted.closed == 3
    assert [record.getMessage() for record in caplog.records] == [
        "dialog Counted: closing it: TimeoutError",
        "dialog Counted: closing it: the socket is gone",
    ]
