"""The FastAGI server in the test's own process, its gateway and supervisor away."""

from __future__ import annotations

import socket

import pytest
from agi_peer import ask
from web_client import web_services

from ingress.web.agi.server import AgiServer


async def test_wrong_questions_are_logged_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    """Each is answered with what there is."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = await AgiServer(web_services()).serve(listener)
        for script in ("hello", "goodbye"):
            answered = await ask(listener.getsockname()[1], script)
            assert answered == {"RAYMAL_REASON": "no such question: there are begin and result"}
        server.close()
    assert "127.0.0.1: asked for 'hello'" in caplog.text
    assert "goodbye" not in caplog.text
