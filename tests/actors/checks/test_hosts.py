"""One rule for what only this machine can reach."""

from __future__ import annotations

import pytest

from actors.checks.hosts import is_loopback


@pytest.mark.parametrize(
    ("host", "is_local"),
    [
        ("127.0.0.1", True),
        ("127.1.2.3", True),
        ("::1", True),
        ("::1%lo", True),
        ("::ffff:127.0.0.1", True),
        ("localhost", True),
        ("LOCALHOST", True),
        ("0.0.0.0", False),
        ("::", False),
        ("::ffff:0.0.0.0", False),
        ("192.0.2.1", False),
        ("127.0.0.1%lo", False),
        ("127.1", False),
        ("localhost.example.com", False),
        ("example.com", False),
        ("", False),
    ],
)
def test_loopback(host: str, is_local: bool) -> None:
    """An address in any form, and the name `localhost`."""
    assert is_loopback(host) is is_local
