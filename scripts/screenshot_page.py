"""Make docs/images/live-page.png: the live page of a real server with some calls, in Debian's Chromium.

    python scripts/screenshot_page.py

Speech is scripted, callers and their numbers are invented (555-01xx are for fiction).
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from uuid import UUID

from playwright.async_api import async_playwright

from actors.telephone import SILENCE_FRAME
from benchmarks.harness.server import RAYMAL, free_port, serving
from ingress.caller.caller import place_call
from ingress.caller.script import CallScript, Speak
from ingress.server import web_client

ROOT = Path(__file__).parent.parent
PICTURE = ROOT / "docs" / "images" / "live-page.png"
SPEECH = (ROOT / "actors" / "engines" / "hello.sln").read_bytes()
CALLERS = {
    "sales": ["Ana Souza", "Bruno Lima", "Chloe Martin", "David Kim"],
    "support": ["Elena Rossi", "Farid Nasser", "Grace Obi"],
    "default": [None, None],
}
LIVES_S = 40.0
ONE_PAUSE_S = 0.9
"""Between the beginnings of two calls."""


async def main(port: int, web_port: int) -> None:
    """Call, wait, take the picture."""
    async with asyncio.TaskGroup() as group:
        number = 0
        for extension, names in CALLERS.items():
            for name in names:
                number += 1
                group.create_task(call(port, extension, name, number))
        await asyncio.sleep(LIVES_S - 10.0)
        await take(web_port)


async def call(port: int, extension: str, name: str | None, number: int) -> None:
    """Hold one call that the dialplan has announced; the first ones are over when the picture is taken."""
    await asyncio.sleep(number * ONE_PAUSE_S)
    caller = {"caller_name": name, "caller_number": f"555-01{number:02}"} if name else {}
    body = {"extension": extension, **caller}
    begun = await asyncio.to_thread(web_client.ask, port, "POST", "/calls", body)
    host, _, extension_port = begun["address"].rpartition(":")
    pause = SILENCE_FRAME * (10 * number)
    await place_call(
        CallScript(
            host=host,
            port=int(extension_port),
            call_id=UUID(begun["call_id"]),
            steps=[Speak(pause + SPEECH)] * (3 if number % 3 == 0 else 30),
            max_call_s=LIVES_S - number * ONE_PAUSE_S,
        )
    )


async def take(web_port: int) -> None:
    """Open the page and keep what is seen."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        page = await browser.new_page(viewport={"width": 1200, "height": 900}, locale="en-GB")
        await page.goto(f"http://127.0.0.1:{web_port}/")
        await page.get_by_text("Ready").first.wait_for()
        await page.wait_for_timeout(8_000)
        PICTURE.parent.mkdir(exist_ok=True)
        await page.screenshot(path=PICTURE, full_page=True)
        await browser.close()


if __name__ == "__main__":
    doors = free_port()
    command = [*RAYMAL, "--no-ray", "--stt", "scripted", "--tts", "scripted", "--set", f"web.port={doors}"]
    for name in CALLERS:
        if name != "default":
            command += ["--set", f"extensions.{name}.port=0"]
    with serving("live page", command) as server:
        asyncio.run(main(server.port, doors))
