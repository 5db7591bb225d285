"""Tokens are told by their digest."""

from __future__ import annotations

import pytest

from actors.api.tokens import digest, is_right

TOKEN = "correct-horse-battery-staple"


@pytest.mark.parametrize("header", [f"Bearer {TOKEN}", f"bearer  {TOKEN} "])
def test_the_token_is_right(header: str) -> None:
    """The scheme's name is in any case (RFC 9110, section 11.1)."""
    assert is_right(header, digest(TOKEN))


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        f"Basic {TOKEN}",
        TOKEN,
        f"Bearer {TOKEN}x",
        "Bearer \udce9",
        f"Bearer {digest(TOKEN)}",
    ],
)
def test_anything_else_is_wrong(header: str | None) -> None:
    """No token, another scheme, another token, bytes that are no text, and the digest itself."""
    assert not is_right(header, digest(TOKEN))
