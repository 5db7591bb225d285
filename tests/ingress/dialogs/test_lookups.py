"""Look-ups of dialogs over real HTTP: what is asked, and what is refused."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from http_peer import Answer, Answering, Asked, HttpPeer
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from actors.errors import ConfigurationError, LookupFailedError
from ingress.dialogs.lookups import Lookups, LookupSettings, _filled_url


async def found(_: Asked, answering: Answering) -> None:
    await answering.json({"state": "sent"})


async def never(_: Asked, answering: Answering) -> None:
    await asyncio.Event().wait()


@asynccontextmanager
async def lookups(
    answer: Answer, path: str = "/orders/{order}", **more: Any
) -> AsyncIterator[tuple[Lookups, HttpPeer]]:
    """One look-up, "order", and its server."""
    async with HttpPeer(answer) as peer:
        made = Lookups({"order": LookupSettings(url=peer.url + path, **more)})
        try:
            yield made, peer
        finally:
            await made.close()


async def test_a_value_stays_in_its_place() -> None:
    """Nothing that a caller says changes the path, the query or the host."""
    async with lookups(found, "/orders/{order}?day={day}") as (made, peer):
        assert await made.fetch("order", {"order": "a/../b?x=1&é", "day": 3}) == {"state": "sent"}
    assert peer.asked[0].path == "/orders/a%2F..%2Fb%3Fx%3D1%26%C3%A9?day=3"
    assert peer.asked[0].method == "GET"


@settings(max_examples=40)
@given(st.text(max_size=120))
def test_no_text_leaves_its_part_of_the_address(value: str) -> None:
    """It is refused, or the address has the same host, parts and query."""
    try:
        url = _filled_url("order", "http://host/a/{order}/b?c={order}", {"order": value})
    except LookupFailedError:
        assert value in (".", "..") or len(value) > 100
        return
    assert url.startswith("http://host/a/")
    assert url.count("/") == 5
    assert url.count("?") == 1
    assert url.count("=") == 1
    assert "#" not in url


async def test_a_body_keeps_kinds_of_values(tmp_path: Path) -> None:
    """A placeholder alone stays a number; a secret header comes from its file."""
    secret = tmp_path / "key"
    secret.write_text("Bearer abc\n")
    secret.chmod(0o600)
    body = {"id": "{order}", "text": "order {order}", "list": ["{order}"], "fixed": 1}
    more = {"method": "POST", "body": body, "secret_headers": {"Authorization": str(secret)}}
    async with lookups(found, "/", **more) as (made, peer):
        await made.fetch("order", {"order": 12})
    assert peer.asked[0].json == {"id": 12, "text": "order 12", "list": [12], "fixed": 1}
    assert peer.asked[0].headers["authorization"] == "Bearer abc"
    assert "abc" not in repr(made.settings)


async def test_a_header_of_the_settings_takes_the_usual_ones_place() -> None:
    """However it is written; it is there once."""
    kind = "application/vnd.api+json"
    more = {"method": "POST", "body": {}, "headers": {"ACCEPT": kind, "content-type": kind}}
    async with lookups(found, "/", **more) as (made, peer):
        await made.fetch("order", {})
    assert (peer.asked[0].headers["accept"], peer.asked[0].headers["content-type"]) == (kind, kind)


async def test_a_list_cannot_stand_in_a_text() -> None:
    """The error names the look-up."""
    schema = {"type": "object", "properties": {"order": {"type": "array"}}}
    more = {"method": "POST", "body": {"text": "order {order}"}, "schema": schema}
    async with lookups(found, "/", **more) as (made, _):
        with pytest.raises(LookupFailedError, match=r"^look-up order: order is no single value$"):
            await made.fetch("order", {"order": [1]})


async def redirect(_: Asked, answering: Answering) -> None:
    await answering.begin(302, Location="http://127.0.0.1:1/")
    await answering.end()


async def large(_: Asked, answering: Answering) -> None:
    await answering.begin()
    for _piece in range(100):
        await answering.send(b" " * 1_000)
    await answering.end()


async def page(_: Asked, answering: Answering) -> None:
    await answering.begin(kind="text/html")
    await answering.send(b"<html>secret</html>")
    await answering.end()


async def cut(_: Asked, answering: Answering) -> None:
    await answering.begin()
    await answering.send(b'{"a":')


async def not_a_number(_: Asked, answering: Answering) -> None:
    await answering.begin()
    await answering.send(b'{"a": NaN}')
    await answering.end()


async def half_a_character(_: Asked, answering: Answering) -> None:
    await answering.json("\ud800")


async def too_large_a_number(_: Asked, answering: Answering) -> None:
    await answering.json(1 << 64)


async def compressed(_: Asked, answering: Answering) -> None:
    await answering.begin(Content_Encoding="gzip")
    await answering.send(gzip.compress(b" " * 1_000_000))
    await answering.end()


async def missing(_: Asked, answering: Answering) -> None:
    await answering.json({}, status=404)


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (redirect, "the answer is 302"),
        (large, "longer than 1000 bytes"),
        (page, "no JSON"),
        (not_a_number, "no JSON"),
        (half_a_character, "no JSON"),
        (too_large_a_number, "no JSON"),
        (compressed, "the answer is compressed"),
        (cut, "RemoteProtocolError"),
        (never, "no answer in 0.1 s"),
        (missing, "the answer is 404"),
    ],
)
async def test_a_faulty_answer_is_an_error(answer: Answer, problem: str) -> None:
    """It names the look-up, and quotes neither what was asked nor what was answered."""
    deadline_s = 0.1 if answer is never else 5.0
    async with lookups(answer, deadline_s=deadline_s, maximum_bytes=1_000) as (made, _):
        with pytest.raises(LookupFailedError, match=f"look-up order: .*{problem}") as raised:
            await made.fetch("order", {"order": "4711"})
    assert "4711" not in str(raised.value)
    assert "secret" not in str(raised.value)


async def test_calls_share_no_cookies() -> None:
    """Though they share connections."""

    async def marking(_: Asked, answering: Answering) -> None:
        await answering.json({}, Set_Cookie="caller=Ana; Path=/")

    async with lookups(marking) as (made, peer):
        await made.fetch("order", {"order": "1"})
        await made.fetch("order", {"order": "2"})
    assert "cookie" not in peer.asked[1].headers
    assert peer.asked[1].headers["accept-encoding"] == "identity"


async def test_nobody_there() -> None:
    """A port without a server."""
    made = Lookups({"order": LookupSettings(url="http://127.0.0.1:1/{order}")})
    with pytest.raises(LookupFailedError, match="look-up order: ConnectError"):
        await made.fetch("order", {"order": "1"})
    await made.close()


@pytest.mark.parametrize(
    ("name", "values", "problem"),
    [
        ("other", {}, "there is no look-up 'other'"),
        ("order", {}, "the values: not as its schema says"),
        ("order", {"order": ["a"]}, "order: not as its schema says"),
        ("order", {"order": ".."}, "cannot stand in its address"),
        ("order", {"order": "x" * 201}, "order: not as its schema says"),
    ],
)
async def test_values_are_checked_before_anything_is_sent(
    name: str, values: dict[str, Any], problem: str
) -> None:
    """By the schema that follows from the placeholders."""
    async with lookups(found) as (made, peer):
        with pytest.raises(LookupFailedError, match=problem):
            await made.fetch(name, values)
    assert peer.asked == []


async def test_an_own_schema_is_kept_to() -> None:
    """It may ask for more than single texts."""
    schema = {"type": "object", "properties": {"order": {"type": "integer", "minimum": 10}}}
    async with lookups(found, schema=schema) as (made, _):
        assert made.problem("order", {"order": 9}) == "order: 9 is less than the minimum of 10"
        assert made.problem("order", {"order": "9" * 300}) == "order: type is to be integer"
        assert await made.fetch("order", {"order": 10}) == {"state": "sent"}


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ({"url": "ftp://host/"}, "write http://HOST"),
        ({"url": "http://{host}/"}, "only behind the host"),
        ({"url": "http://host{x}/"}, "only behind the host"),
        ({"url": "http://user:word@host/"}, "no password in an address"),
        ({"url": "http://host/{a b}"}, "a placeholder is"),
        ({"url": "http://host/", "body": {}}, "a body needs method"),
        ({"url": "http://host/{a}", "schema": {"type": "object"}}, "no property 'a'"),
        ({"url": "http://host/", "schema": {"type": "objekt"}}, "no JSON Schema"),
        (
            {"url": "http://host/", "schema": {"properties": {"a": {"$ref": "http://127.0.0.1/"}}}},
            r"\$ref is not followed",
        ),
        ({"url": "https://host/", "headers": {"Host": "other"}}, "Host is set by raymal itself"),
        ({"url": "https://host/", "headers": {"content-length": "1"}}, "content-length is set by raymal"),
        ({"url": "https://host/", "headers": {"": "a"}}, "a header is a name"),
        ({"url": "https://host/", "headers": {"X": "a\r\nY: b"}}, "a header is a name"),
        ({"url": "https://host/", "headers": {"X-A": "a", "x-a": "b"}}, "x-a is there twice"),
        ({"url": "https://host/", "secret_headers": {"Host": "/file"}}, "Host is set by raymal itself"),
        (
            {"url": "https://host/", "headers": {"X-A": "a"}, "secret_headers": {"x-a": "/file"}},
            "x-a is in headers and in secret_headers",
        ),
        ({"url": "http://10.0.0.9/{a}"}, "use https://, or set allow_http = true"),
        ({"url": "http://localhost.example/"}, "use https://, or set allow_http = true"),
    ],
)
def test_settings_are_checked(table: dict[str, Any], problem: str) -> None:
    """Each mistake before a call."""
    with pytest.raises(ValidationError, match=problem):
        LookupSettings.model_validate(table)


def test_http_to_another_machine_has_to_be_allowed() -> None:
    """As in a network of one's own; to this machine it needs nothing."""
    LookupSettings(url="http://10.0.0.9/{a}", allow_http=True)
    LookupSettings(url="http://localhost/{a}")


def test_a_secret_that_others_may_read_is_refused(tmp_path: Path) -> None:
    """So is one with a line break, which would be a header of its own."""
    secret = tmp_path / "key"
    secret.write_text(json.dumps("abc"))
    secret.chmod(0o644)
    chosen = LookupSettings(url="https://host/", secret_headers={"X-Key": str(secret)})
    with pytest.raises(ConfigurationError, match=r"lookups\.order\.secret_headers\.X-Key.*chmod 600"):
        Lookups({"order": chosen})
    secret.chmod(0o600)
    secret.write_text("abc\r\nX-Other: 1")
    with pytest.raises(ConfigurationError, match="one line") as raised:
        Lookups({"order": chosen})
    assert "abc" not in str(raised.value)
