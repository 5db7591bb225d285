"""The live page in a real Chromium, on a real server."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import pytest
from asterisk_peer import AsteriskPeer
from axe_playwright_python.sync_playwright import Axe
from background_loop import BackgroundLoop
from live_calls import live_call
from page_browser import chromium, needs_chromium, write_speech
from playwright.sync_api import Browser, ConsoleMessage, Page, Response, expect
from running_server import QUICK, SCRIPTED, RunningServer, private_server, wait_until
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from actors.telephone import SILENCE_FRAME
from ingress.link.client import connect as link_to
from ingress.link.link import Link
from ingress.link.live import Activity
from ingress.link.messages import LINK_VERSION, CallGone, CallSeen, Hello
from ingress.server.finding import find
from ingress.web.services import MAXIMUM_BROWSER_CALLS

pytestmark = needs_chromium

TOKEN = "a-token-for-the-page-alone"
SHOWN_S = 1.5
"""A change is on the screen within this."""
NAMES = [str(uuid4()) for _ in range(200)]
DESK, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
CONFIGURATION = """
[extensions.sales]  # of the shop
port = 0
priority = "high"

[extensions.sales.dialog]
greeting = "Hello from sales."
"""


@dataclass
class Opened:
    """The page, and what the browser had to say of it."""

    page: Page
    problems: list[str] = field(default_factory=list)
    """Of the console, of scripts, and of requests that were refused."""

    def __post_init__(self) -> None:
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.on("response", self._response)

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.problems.append(message.text)

    def _response(self, response: Response) -> None:
        if response.status >= 400:
            self.problems.append(f"{response.status} {response.url}")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    configuration = tmp_path_factory.mktemp("page") / "raymal.toml"
    configuration.write_text(CONFIGURATION)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAYMAL_TOKEN", TOKEN)
        flags = [*SCRIPTED, *QUICK, "--config", str(configuration)]
        with private_server(*flags, has_web=True) as running:
            yield running


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    microphone = tmp_path_factory.mktemp("microphone") / "speech.wav"
    write_speech(microphone)
    with chromium(microphone) as started:
        yield started


@pytest.fixture(scope="module")
def loop() -> Iterator[BackgroundLoop]:
    with BackgroundLoop().running() as running:
        yield running


@pytest.fixture(scope="module")
def opened(server: RunningServer, browser: Browser) -> Opened:
    """The page with the token, in English."""
    opened = Opened(browser.new_context(viewport=DESK, locale="en-GB").new_page())  # type: ignore[arg-type]
    opened.page.add_init_script(f"sessionStorage.setItem('raymal.token', '{TOKEN}')")
    opened.page.goto(address(server))
    expect(headline(opened.page)).to_have_text(re.compile("^Ready"))
    return opened


@pytest.fixture
def page(opened: Opened) -> Page:
    return opened.page


def address(server: RunningServer) -> str:
    """Return where the page is."""
    return f"http://127.0.0.1:{server.web_port}/"


def headline(page: Page) -> Any:
    """Return what tells the server's state."""
    return page.locator("#headline")


def row(page: Page, words: str, table: str = "calls") -> Any:
    """Return the rows that hold these words."""
    return page.locator(f"#{table}-table tbody tr").filter(has_text=words)


def button(page: Page, name: str) -> Any:
    """Return the button with exactly this name, in the dialog if one is open."""
    dialog = page.locator("dialog")
    place = dialog if dialog.count() else page
    return place.get_by_role("button", name=name, exact=True)


@pytest.fixture(scope="module")
def media(server: RunningServer, loop: BackgroundLoop) -> Iterator[Link]:
    """A media worker's link with 200 calls."""
    hello = Hello(version=LINK_VERSION, role="media", name="media-7")
    link = loop.run(link_to(find(server.port).live_socket, hello, "web"))
    for number, name in enumerate(NAMES):
        report(loop, link, call_id=name, started_at_s=time.time() - 60 + number / 10)
    yield link
    loop.run(link.close())


def report(loop: BackgroundLoop, link: Link, **changes: Any) -> None:
    """Send what a media worker says of one call."""

    async def send() -> None:
        link.send(CallSeen(call=live_call(changes.pop("call_id"), **changes)))

    loop.run(send())


def test_200_calls_are_on_the_screen_and_change_in_time(
    page: Page, media: Link, loop: BackgroundLoop
) -> None:
    """Row by row: the focus stays on the one that is changed; a caller's name is text, whatever it holds."""
    expect(page.locator("#calls-count")).to_have_text("200 calls")
    expect(page.locator("#calls-table tbody tr")).to_have_count(200)
    ours = NAMES[150]
    kept = page.get_by_role("button", name=f"Call {ours}")
    kept.focus()
    begin_s = time.monotonic()
    report(loop, media, call_id=ours, activity=Activity.SPEAKING, turns=7, caller_name="<b onclick=x>Ana</b>")
    expect(row(page, "speaking")).to_have_count(1, timeout=SHOWN_S * 1000)
    assert time.monotonic() - begin_s < SHOWN_S
    expect(row(page, "<b onclick=x>Ana</b>")).to_be_visible()
    expect(kept).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("dialog")).to_contain_text("speaking")
    report(loop, media, call_id=ours, activity=Activity.ANSWERING, turns=8)
    expect(page.locator("dialog")).to_contain_text("answering", timeout=SHOWN_S * 1000)
    report(loop, media, call_id=ours, activity=Activity.SPEAKING, turns=8, caller_name="Ana")
    page.keyboard.press("Escape")
    expect(kept).to_be_focused()
    page.get_by_role("button", name="Turns").first.click()
    page.get_by_role("button", name="Turns").first.click()
    expect(page.locator("#calls-table tbody tr").first).to_contain_text("speaking")
    page.get_by_label("Filter").fill("ana")
    expect(page.locator("#calls-count")).to_have_text("1 of 200 calls are shown")
    page.get_by_label("Filter").fill("")
    expect(page.locator("#calls-table tbody tr")).to_have_count(200)


@pytest.mark.parametrize(
    ("size", "scheme"), [(DESK, "light"), (DESK, "dark"), (PHONE, "light")], ids=["light", "dark", "phone"]
)
def test_it_can_be_used_by_everybody(page: Page, media: Link, size: Any, scheme: Any) -> None:
    """axe finds nothing serious, with a dialog open and without; a phone's screen is wide enough."""
    page.set_viewport_size(size)
    page.emulate_media(color_scheme=scheme)
    page.get_by_label("Filter").fill(NAMES[0][:8])  # axe takes long for 200 rows
    report_of = [Axe().run(page)]
    page.get_by_role("button", name="Add", exact=True).click()
    report_of.append(Axe().run(page, "dialog"))
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Add", exact=True)).to_be_focused()
    found = [
        (it["id"], [node["html"] for node in it["nodes"]][:3])
        for results in report_of
        for it in results.response["violations"]
        if it["impact"] in ("serious", "critical")
    ]
    assert found == []
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    page.get_by_label("Filter").fill("")
    page.set_viewport_size(DESK)


def test_a_call_is_hung_up_by_a_click(page: Page, server: RunningServer, loop: BackgroundLoop) -> None:
    """A real one; its record is there afterwards, with its turns."""
    peer = loop.run(calling(server))
    ours = row(page, str(peer.call_id)[:8])
    expect(ours).to_be_visible(timeout=SHOWN_S * 1000)
    ours.get_by_role("button", name="Hang up").click()
    button(page, "Hang up").click()
    loop.run(peer.until(lambda: peer.was_hung_up))
    loop.run(peer.__aexit__(None, None, None))
    expect(ours).to_have_count(0)
    page.get_by_role("button", name=f"Call {peer.call_id}").click()
    expect(page.locator("dialog")).to_contain_text("greeting")
    button(page, "Close").click()


async def calling(server: RunningServer) -> AsteriskPeer:
    """Return a call."""
    peer = await AsteriskPeer(server.port).__aenter__()
    peer.identify()
    return peer


def test_a_test_call_is_heard_and_answered(page: Page) -> None:
    """The browser's microphone goes to the server, and the answer comes back to its speaker."""
    button(page, "Test call").click()
    button(page, "Call").click()
    expect(page.locator("dialog [role=status]")).to_have_text("Connected")
    wait_until(lambda: page.evaluate("document.getElementById('level-answer').value > 0.05"), 8.0, "answer")
    button(page, "Hang up").click()
    expect(page.locator("dialog [role=status]")).to_have_text("The call is over")
    button(page, "Close").click()
    ended = row(page, "the caller hung up", "records").first
    ended.get_by_role("button").click()
    expect(page.locator("dialog")).to_contain_text("utterance")
    button(page, "Close").click()


def test_an_extension_is_added_changed_and_removed(page: Page, opened: Opened) -> None:
    """The server's refusal is shown in the form; what the form does not touch stays."""
    expect(row(page, "sales", "extensions")).to_contain_text("high")
    button(page, "Add").click()
    page.get_by_label("Name", exact=True).fill("support")
    page.get_by_label("Call limit").fill("4")
    page.get_by_label("Port", exact=True).fill("70000")
    button(page, "Save").click()
    expect(page.locator("dialog [role=alert]")).to_contain_text("port")
    page.get_by_label("Port", exact=True).fill("auto")
    button(page, "Save").click()
    added = row(page, "support", "extensions")
    expect(added).to_contain_text("4")
    button(page, "Edit sales").click()
    page.get_by_label("Language").fill("pt-BR")
    button(page, "Save").click()
    expect(row(page, "sales", "extensions")).to_contain_text("pt-BR")
    button(page, "Edit sales").click()
    expect(page.get_by_label("Greeting")).to_have_value("Hello from sales.")
    button(page, "Close").click()
    expect(page.locator("dialog")).to_have_count(0)
    button(page, "Remove support").click()
    button(page, "Remove").click()
    expect(added).to_have_count(0)
    refused = [it for it in opened.problems if "422" in it]
    assert len(refused) == 2  # the response, and the console's line of it
    opened.problems[:] = [it for it in opened.problems if it not in refused]


def test_plots_and_workers_are_there(page: Page) -> None:
    """Drawn from the last hour; a reader hears the newest figures."""
    plot = page.get_by_role("img", name=re.compile("^Calls, last hour: now Calls"))
    expect(plot).to_be_visible()
    expect(page.locator("#fleet-body")).to_contain_text("media-0")
    expect(page.locator("#fleet-body")).to_contain_text("2 of 2")
    expect(page.locator(".ladder [aria-current]")).to_have_count(1)


def test_a_wrong_token_is_told(server: RunningServer, browser: Browser) -> None:
    """In the browser's language; the right one opens the page."""
    page = browser.new_context(locale="pt-BR").new_page()
    page.goto(address(server))
    expect(headline(page)).to_have_text("Este servidor exige o token")
    page.locator("dialog input").fill("wrong")
    button(page, "Usar").click()
    expect(page.locator("dialog [role=alert]")).to_have_text("this is not the server's token")
    page.locator("dialog input").fill(TOKEN)
    button(page, "Usar").click()
    expect(headline(page)).to_have_text(re.compile("^Pronto"))
    assert page.locator("html").get_attribute("lang") == "pt-BR"
    page.context.close()


def test_calls_go_with_their_media_worker(page: Page, media: Link, loop: BackgroundLoop) -> None:
    """One ends; then the link breaks."""

    async def gone() -> None:
        media.send(CallGone(call_id=NAMES[0]))

    loop.run(gone())
    expect(page.locator("#calls-count")).to_have_text("199 calls", timeout=SHOWN_S * 1000)
    loop.run(media.close())
    expect(page.locator("#calls-count")).to_have_text("0 calls", timeout=SHOWN_S * 1000)


@pytest.mark.parametrize(
    ("extension", "sent", "code"),
    [
        ("default", "hello", 4400),
        ("default", b"\x00" * 319, 4400),
        ("default", b"\x00" * 60_000, 4400),
        ("nobody", SILENCE_FRAME, 4404),
    ],
)
def test_a_websocket_that_means_no_good_is_closed(
    server: RunningServer, extension: str, sent: str | bytes, code: int
) -> None:
    """With a code that says why."""
    with dialled(server, extension) as websocket:
        assert closed_with(websocket, sent) == code


def test_there_are_a_few_test_calls_at_a_time(server: RunningServer) -> None:
    """One more is told so; when the others end there is a place again."""
    with ExitStack() as running:
        for _ in range(MAXIMUM_BROWSER_CALLS):
            assert running.enter_context(dialled(server)).recv(5.0)
        with dialled(server) as more:
            assert closed_with(more) == 4429
    wait_until(lambda: has_place(server), 5.0, "a place")


def has_place(server: RunningServer) -> bool:
    """Whether a test call is taken now."""
    with dialled(server) as websocket, suppress(ConnectionClosed):
        return bool(websocket.recv(5.0))
    return False


@contextmanager
def dialled(server: RunningServer, extension: str = "default") -> Iterator[ClientConnection]:
    """Open a test call's WebSocket, as the page does."""
    url = f"ws://127.0.0.1:{server.web_port}/api/v1/test-call?extension={extension}"
    shown: Any = ["raymal", f"token.{TOKEN}"]
    origin: Any = address(server).rstrip("/")
    with suppress(ConnectionClosed), connect(url, origin=origin, subprotocols=shown, proxy=None) as websocket:
        yield websocket


def closed_with(websocket: ClientConnection, sent: str | bytes = SILENCE_FRAME) -> int | None:
    """Return the code that the server closes with, whatever it sends before."""
    with suppress(ConnectionClosed):
        websocket.send(sent)
        while True:
            websocket.recv(5.0)
    return websocket.close_code


def test_nothing_was_wrong_in_the_console(opened: Opened) -> None:
    """No error of a script, no refused request, nothing that the content security policy forbids."""
    assert opened.problems == []


def test_it_says_that_the_server_is_away_and_comes_back(page: Page, server: RunningServer) -> None:
    """Last: the web process is killed; the next one is followed."""
    server.child("web").kill()
    expect(headline(page)).to_have_text(re.compile("^Not connected"), timeout=SHOWN_S * 1000)
    expect(headline(page)).to_have_text(re.compile("^Ready"), timeout=15_000)
