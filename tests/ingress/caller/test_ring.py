"""The small server that a doorman rings."""

from __future__ import annotations

import httpx2
import pytest

from ingress.caller.ring import ringing


@pytest.mark.parametrize("body", [None, {"apartment": "101"}])
def test_each_look_up_is_answered_and_its_body_handed_on(body: dict[str, str] | None) -> None:
    """One without a body too; after the block nobody listens."""
    rung: list[bytes] = []
    with ringing(rung.append) as url:
        answer = httpx2.post(url, json=body, trust_env=False) if body else httpx2.get(url, trust_env=False)
    assert (answer.status_code, answer.json()) == (200, {})
    assert rung == [answer.request.content]
    with pytest.raises(httpx2.ConnectError):
        httpx2.get(url, trust_env=False)
