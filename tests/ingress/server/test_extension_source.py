"""A changed extension book, from the supervisor to the calls."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest
from asterisk_peer import AsteriskPeer
from link_end import LinkEnd
from scripted_pool import ScriptedPool

from actors.messages import Priority
from ingress.configuration.extension_book import ExtensionBook
from ingress.configuration.settings import DialogSettings, Settings
from ingress.gateway.gateway import Gateway
from ingress.link.link import Link
from ingress.link.listener import serve
from ingress.link.messages import (
    CallEnded,
    CallStarted,
    ExtensionsChanged,
    ExtensionsTaken,
    Greet,
    Message,
    SentenceAudio,
    StatusReply,
    StatusRequest,
)
from ingress.media.calls import Calls
from ingress.phrases.fixed import PhraseShelf
from ingress.server.checking import extension_book
from ingress.server.extension_source import ExtensionSource

SETTINGS = Settings.model_validate({"speech": {"tts": "scripted"}, "dialog": {"greeting": "Old."}})
OLD = extension_book(SETTINGS)


def changed(book: ExtensionBook, greeting: str) -> ExtensionBook:
    """Return the next book: another greeting, and urgent."""
    return with_default(book, dialog=DialogSettings(greeting=greeting), priority=Priority.HIGH)


def with_default(book: ExtensionBook, **update: object) -> ExtensionBook:
    """Return the next book, in which the server's own port has other settings."""
    newer = {"default": book.extensions["default"].model_copy(update=update)}
    return book.updated(book.model_copy(update={"extensions": newer}))[0]


NEW = changed(OLD, "New.")


async def greeting(end: LinkEnd, call_id: str) -> str:
    """Return what the gateway greets a call with."""
    end.say(Greet(call_id=call_id, turn=1, history=()))
    while (sentence := await end.next(SentenceAudio)).call_id != call_id:
        pass
    return sentence.text


async def test_a_new_call_has_the_new_settings_and_a_running_one_keeps_its_own() -> None:
    """In the gateway; an older book changes nothing."""
    gateway = Gateway(SETTINGS, OLD, ScriptedPool(), "gateway")
    media = await LinkEnd.connect(gateway)
    supervisor = await LinkEnd.connect(gateway, "supervisor", "supervisor")
    assert (await supervisor.next(ExtensionsChanged)).book == OLD
    media.say(CallStarted(call_id="old", extension="default"))
    assert await greeting(media, "old") == "Old."
    supervisor.say(ExtensionsChanged(book=changed(NEW, "Newest.")), ExtensionsChanged(book=NEW))
    assert (await supervisor.next(ExtensionsTaken)).version == 3
    assert (await supervisor.next(ExtensionsTaken)).problem is None
    media.say(CallStarted(call_id="new", extension="default"))
    assert await greeting(media, "new") == "Newest."
    assert await greeting(media, "old") == "Old."
    gone = OLD.extensions["default"].model_copy(update={"name": "gone"})
    media.say(CallStarted(call_id="older", extension="gone", settings=gone))  # this gateway never had it
    assert await greeting(media, "older") == "Old."
    await supervisor.hang_up()
    await media.hang_up()
    await gateway.close()


async def test_a_book_whose_dialog_cannot_be_made_changes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """The gateway says why, goes on with the book that it has, and keeps the supervisor's link."""
    gateway = Gateway(SETTINGS, OLD, ScriptedPool(), "gateway")
    supervisor = await LinkEnd.connect(gateway, "supervisor", "supervisor")
    wrong = with_default(OLD, dialog=DialogSettings(name="nothing:There"))
    supervisor.say(ExtensionsChanged(book=wrong))
    supervisor.say(ExtensionsChanged(book=changed(NEW, "Newest.")))
    async with asyncio.timeout(5.0):
        refused = await supervisor.next(ExtensionsTaken)
        assert (refused.version, str(refused.problem)[:12]) == (2, "dialog.name:")
        assert await supervisor.next(ExtensionsTaken) == ExtensionsTaken(version=3)
    assert "version 2 cannot be served: dialog.name: 'nothing:There'" in caplog.text
    await supervisor.hang_up()
    await gateway.close()


async def test_a_media_worker_takes_new_calls_by_the_newer_book() -> None:
    """The call that runs keeps its priority."""
    records: asyncio.Queue[tuple[str, str]] = asyncio.Queue()

    def send(message: Message) -> bool:
        if isinstance(message, CallEnded):
            records.put_nowait((message.record.call_id, message.record.priority))
        return True

    listener = socket.create_server(("127.0.0.1", 0))
    listener.setblocking(False)
    port = listener.getsockname()[1]
    server = Calls(SETTINGS, OLD, PhraseShelf(SETTINGS))
    await server.start({"default": listener}, send)
    async with asyncio.timeout(5.0), AsteriskPeer(port) as before:
        before.identify()
        await before.until(lambda: before.frames >= 2)
        server.set_extension(NEW.extensions["default"], None)
        async with AsteriskPeer(port) as after:
            after.identify()
            await after.until(lambda: after.frames >= 2)
        assert await records.get() == (str(after.call_id), "high")
    assert await asyncio.wait_for(records.get(), 5.0) == (str(before.call_id), "normal")
    await server.stop(drain_deadline_s=0.0)


async def test_an_answer_about_an_older_book_is_not_taken_for_the_newer_ones(runtime_folder: Path) -> None:
    """A gateway answers one after the other what it was sent."""

    async def answer_twice(link: Link) -> None:
        offered = await link.receive()
        assert isinstance(offered, ExtensionsChanged)
        link.send(ExtensionsTaken(version=offered.book.version - 1))
        link.send(ExtensionsTaken(version=offered.book.version, problem="no such dialog"))
        await link.receive()

    path = runtime_folder / "gateway.sock"
    source = ExtensionSource(OLD, path)
    server = await serve(path, answer_twice, "gateway")
    running = asyncio.create_task(source.run())
    async with asyncio.timeout(5.0):
        while (problem := await source.offer(NEW, {})) is None:  # there is no link yet
            await asyncio.sleep(0.01)
    assert problem == "no such dialog"
    running.cancel()
    server.close()
    await asyncio.gather(running, return_exceptions=True)


@pytest.mark.parametrize("is_there", [True, False])
async def test_a_gateway_gets_the_newest_book_whenever_it_comes(runtime_folder: Path, is_there: bool) -> None:
    """It has an older one if it started before the change."""
    path = runtime_folder / "gateway.sock"
    source = ExtensionSource(OLD, path)
    running = asyncio.create_task(source.run())
    gateway = Gateway(SETTINGS, OLD, None, "gateway")
    observer = await LinkEnd.connect(gateway, "observer", "observer")
    server = None
    if is_there:
        server = await serve(path, gateway.handle, "gateway")
        await asyncio.sleep(0.3)
    assert await source.offer(NEW, {"sales": "its port is taken"}) is None
    if server is None:
        server = await serve(path, gateway.handle, "gateway")
    async with asyncio.timeout(5.0):
        version = 0
        while version != NEW.version:
            observer.say(StatusRequest())
            version = (await observer.next(StatusReply)).status.extensions_version
            await asyncio.sleep(0.01)
    running.cancel()
    server.close()
    await asyncio.gather(running, return_exceptions=True)
    await observer.hang_up()
    await gateway.close()
