"""Look-ups of a flow, asked of a real server."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from flow_talk import Talk, flow_dialog

from actors.errors import ConfigurationError
from ingress.dialogs.base import EndCall, Transfer
from ingress.dialogs.flow.dialog import FlowDialog

PAGE = Path(__file__).parents[4] / "docs" / "flows.md"


class Shop(BaseHTTPRequestHandler):
    """Has bread; what it says of anything else is no JSON."""

    def do_GET(self) -> None:
        """Answer."""
        body = json.dumps({"items": [{"left": 3}]}).encode() if self.path == "/stock/b1" else b"garbage"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:
        """Say nothing."""


@pytest.fixture
def address() -> Iterator[str]:
    """Where the shop is."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Shop) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/stock/{{code}}"
        server.shutdown()
        thread.join()


def shop(folder: Path, **lookups: object) -> FlowDialog:
    """Return the dialog of the page's second flow."""
    file = folder / "shop.yaml"
    file.write_text(re.findall(r"^```yaml\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)[1])
    return flow_dialog(file, lookups=lookups)


async def test_a_look_up_is_asked_where_the_settings_say(tmp_path: Path, address: str) -> None:
    """An answer fills slots; one that is no JSON leads to `failed`."""
    dialog = shop(tmp_path, stock={"url": address})
    for item, said, end in (
        ("bread", "I am looking. We have 3.", Transfer("200")),
        ("cake", "I am looking. No cake today.", EndCall("none")),
    ):
        talk = Talk(dialog)
        await talk.begin()
        assert await talk.says(item) == said
        assert talk.end == end
    await dialog._lookups.close()


def test_a_look_up_that_is_not_in_the_settings_is_a_mistake(tmp_path: Path) -> None:
    """With its place, and the name that was meant."""
    with pytest.raises(ConfigurationError) as caught:
        shop(tmp_path, stok={"url": "http://127.0.0.1/{code}"})
    line = "shop.yaml:9:13: there is no look-up 'stock' in [dialog.flow.lookups]; did you mean 'stok'?"
    assert str(caught.value).endswith(line)
    with pytest.raises(ConfigurationError, match=r"dialog\.flow: lookups\.stock\.url = 'ftp://x': "):
        shop(tmp_path, stock={"url": "ftp://x"})
