"""Signatures: the published example, and what is refused."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingress.dialogs.webhook.signature import SignatureError, key_of, signed_headers, verify

SECRET = "whsec_plJ3nmyCDGBKInavdOK15jsl"
BODY = b'{"event_type":"ping","data":{"success":true}}'
HEADERS = {
    "Webhook-Id": "msg_loFOjxBNrRLzqYUf",
    "Webhook-Timestamp": "1731705121",
    "Webhook-Signature": "v1,rAvfW3dJ/X/qxhsaXPOyyCGmRKsaKWcsNccKXlIktD0=",
}
"""The example of Svix's documentation, by whom the standard was begun."""
NOW = 1731705121.0


def test_the_published_example() -> None:
    """The id is what a receiver remembers."""
    assert verify(HEADERS, BODY, SECRET, NOW) == "msg_loFOjxBNrRLzqYUf"
    signed = signed_headers("msg_loFOjxBNrRLzqYUf", 1731705121, BODY, key_of(SECRET))
    assert signed == {name.lower(): value for name, value in HEADERS.items()}


@given(
    st.binary(),
    st.text(st.characters(codec="ascii", exclude_characters="\n\r")),
    st.binary(min_size=24, max_size=64),
)
def test_what_is_signed_is_genuine(body: bytes, message_id: str, key: bytes) -> None:
    """Also in the upper half of the clock's tolerance, and with an old signature beside it."""
    secret = "whsec_" + base64.b64encode(key).decode()
    headers = signed_headers(message_id, 1000, body, key)
    headers["webhook-signature"] = f"v1,{'A' * 43}= {headers['webhook-signature']}"
    assert verify(headers, body, secret, 1299.0) == message_id
    with pytest.raises(SignatureError, match="the signature is wrong"):
        verify(headers, body + b" ", secret, 1000.0)


@pytest.mark.parametrize(
    ("changes", "now", "message"),
    [
        ({}, NOW + 301.0, "more than 300 s old"),
        ({}, NOW - 301.0, "more than 300 s old"),
        ({"Webhook-Timestamp": "1731705120"}, NOW, "the signature is wrong"),
        ({"Webhook-Id": "msg_1"}, NOW, "the signature is wrong"),
        ({"Webhook-Timestamp": "²"}, NOW, "no number of seconds"),
        ({"Webhook-Timestamp": "9" * 30}, NOW, "no number of seconds"),
        ({"Webhook-Signature": "v2,rAvfW3dJ/X/qxhsaXPOyyCGmRKsaKWcsNccKXlIktD0="}, NOW, "is wrong"),
        ({"Webhook-Signature": "é \ud800"}, NOW, "the signature is wrong"),
    ],
)
def test_what_is_not_genuine(changes: dict[str, str], now: float, message: str) -> None:
    """An old request, or one that somebody else made."""
    with pytest.raises(SignatureError, match=message):
        verify(HEADERS | changes, BODY, SECRET, now)


def test_a_header_that_is_missing_is_named() -> None:
    """Any of the three."""
    for name in HEADERS:
        with pytest.raises(SignatureError, match=f"'{name.lower()}' is missing"):
            verify({key: value for key, value in HEADERS.items() if key != name}, BODY, SECRET, NOW)


@pytest.mark.parametrize("secret", ["", "whsec_", "password", "whsec_c2hvcnQ=", "whsec_é", "A" * 200])
def test_a_secret_that_is_none(secret: str) -> None:
    """The error says how to make one, and holds nothing of it."""
    with pytest.raises(ValueError, match=r"openssl rand -base64 32") as raised:
        key_of(secret)
    assert not secret.removeprefix("whsec_") or secret.removeprefix("whsec_") not in str(raised.value)
