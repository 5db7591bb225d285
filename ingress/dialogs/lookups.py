"""HTTP look-ups of dialogs: what a caller's order, name or date means to another program.

Only the addresses in the settings are asked. Values are put into a template, never the other way round:

| where | how a value is put in |
|---|---|
| `url`, behind the host | percent-encoded: it stays in its part of the path or query (RFC 3986, 2.1) |
| `body`, a text that is a placeholder alone | as it is: a number stays a number |
| `body`, inside other text | as text |

Redirects are not followed, so no other host is ever asked. An answer is JSON of a limited size, within a
deadline. Errors name the look-up and quote neither values nor answers.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal
from urllib.parse import quote, urlsplit

from pydantic import AfterValidator, Field, JsonValue, model_validator

from actors.errors import LookupFailedError
from actors.settings import PositiveSeconds, Section
from ingress.access.private_files import header_secret
from ingress.dialogs.http_clients import (
    check_encryption,
    check_headers,
    check_not_compressed,
    client_options,
    limited,
    log_no_requests,
)
from ingress.dialogs.plain_json import plain_json

if TYPE_CHECKING:
    import httpx2

PLACEHOLDER = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")
KINDS: JsonValue = ["string", "number", "boolean"]
"""Of values that can stand in an address."""
MAXIMUM_URL_CHARACTERS = 4_000
MAXIMUM_MISTAKE_CHARACTERS = 200


def _url(url: str) -> str:
    """Return the template of an address that no value can lead to another host. Raises ValueError."""
    parts = urlsplit(PLACEHOLDER.sub("x", url))
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("write http://HOST/… or https://HOST/…")
    if parts.username is not None:
        raise ValueError("no password in an address: name a file in secret_headers")
    origin = re.match(r"[a-z]+://[^/?#]*", url)
    if origin is None or "{" in origin[0]:
        raise ValueError("a placeholder may stand only behind the host")
    if "{" in PLACEHOLDER.sub("", url) or "#" in url:
        raise ValueError("a placeholder is {NAME}: a letter or _ first, then also digits")
    return url


class LookupSettings(Section):
    """An address that a dialog may ask."""

    url: Annotated[str, Field(max_length=MAXIMUM_URL_CHARACTERS), AfterValidator(_url)]
    """With placeholders behind the host: `https://shop.example/orders/{order}`."""
    allow_http: bool = False
    """Whether `http://` may lead to another machine: values and secrets then travel unencrypted."""
    method: Literal["GET", "POST", "PUT"] = "GET"
    headers: dict[str, str] = Field(default_factory=dict)
    """Sent as they are, `accept` and `content-type` instead of JSON's. No secrets: settings are shown."""
    secret_headers: dict[str, str] = Field(default_factory=dict)
    """By name, the file that holds the value, readable by its owner alone."""
    body: JsonValue = None
    """Sent as JSON, with placeholders in its texts: `{order = "{order}"}`."""
    description: str = ""
    """What it finds, for a language model."""
    value_schema: dict[str, JsonValue] | None = Field(default=None, alias="schema")
    """JSON Schema of the values: an object, no `$ref`. Unset: each placeholder is needed, as one value."""
    deadline_s: PositiveSeconds = 3.0
    """For the whole answer."""
    maximum_bytes: int = Field(default=16_384, ge=1, le=1 << 20)
    """Of the answer; a longer one is an error."""

    @model_validator(mode="after")
    def _checked(self) -> LookupSettings:
        if self.body is not None and self.method == "GET":
            raise ValueError('a body needs method = "POST" or "PUT"')
        check_headers(self.headers)
        check_headers(dict.fromkeys(self.secret_headers, ""))
        if twice := {each.lower() for each in self.headers} & {each.lower() for each in self.secret_headers}:
            raise ValueError(f"{min(twice)} is in headers and in secret_headers")
        if self.value_schema is not None:
            _check_schema(self.value_schema, self.placeholders)
        check_encryption(PLACEHOLDER.sub("x", self.url), self.allow_http, "url")
        return self

    @property
    def placeholders(self) -> list[str]:
        """The names of its placeholders, in order."""
        names = [*PLACEHOLDER.findall(self.url), *_names_in(self.body)]
        return list(dict.fromkeys(names))

    def schema_of_values(self, kinds: JsonValue = "string") -> dict[str, JsonValue]:
        """Return the JSON Schema of the values; `kinds`: of each placeholder, if the settings say nothing."""
        if self.value_schema is not None:
            return self.value_schema
        names = self.placeholders
        properties: dict[str, JsonValue] = {name: {"type": kinds, "maxLength": 200} for name in names}
        return {"type": "object", "properties": properties, "required": [*names]}


def _names_in(body: JsonValue) -> Iterator[str]:
    match body:
        case str():
            yield from PLACEHOLDER.findall(body)
        case list():
            for each in body:
                yield from _names_in(each)
        case dict():
            for each in body.values():
                yield from _names_in(each)


def _check_schema(schema: dict[str, JsonValue], placeholders: list[str]) -> None:
    """Raise ValueError unless this is the schema of an object with these names."""
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import SchemaError

    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        raise ValueError(f"schema is no JSON Schema: {error.message}") from None
    properties = schema.get("properties", {})
    if _has_reference(schema):
        raise ValueError("schema: $ref is not followed; write what it names in its place")
    if schema.get("type") != "object" or not isinstance(properties, dict):
        raise ValueError('schema describes an object: type = "object", properties = {…}')
    for name in placeholders:
        if name not in properties:
            raise ValueError(f"schema has no property {name!r}, which is a placeholder")


def _has_reference(schema: JsonValue) -> bool:
    match schema:
        case list():
            return any(map(_has_reference, schema))
        case dict():
            return "$ref" in schema or "$dynamicRef" in schema or any(map(_has_reference, schema.values()))
    return False


class Lookups:
    """The look-ups of one dialog, by name. Close it when it is no longer used."""

    def __init__(self, settings: Mapping[str, LookupSettings], where: str = "lookups") -> None:
        """`where`: the table's name, for messages. Raises ConfigurationError for secrets."""
        self.settings = settings
        self._validators = {
            name: validator_of(each.schema_of_values(KINDS)) for name, each in settings.items()
        }
        self._headers = {name: dict(_headers(name, each, where)) for name, each in settings.items()}
        self._client = _client() if settings else None

    async def fetch(self, name: str, values: Mapping[str, JsonValue]) -> JsonValue:
        """Ask one address and return its answer.

        Raises LookupFailedError: no such look-up, values that its schema refuses, no connection, another
        status than 2xx, too large, too late, no JSON.
        """
        chosen = self.settings.get(name)
        if chosen is None:
            raise LookupFailedError(f"there is no look-up {name!r}")
        error = self._error(name, values)
        if error is not None:  # its own words quote the value
            place = ".".join(map(str, error.absolute_path)) or "the values"
            raise LookupFailedError(f"look-up {name}: {place}: not as its schema says ({error.validator})")
        url = _filled_url(name, chosen.url, values)
        body = _filled(name, chosen.body, values)
        try:
            async with asyncio.timeout(chosen.deadline_s):
                return await self._answer(name, chosen, url, body)
        except TimeoutError:
            raise LookupFailedError(f"look-up {name}: no answer in {chosen.deadline_s:g} s") from None

    def problem(self, name: str, values: Mapping[str, JsonValue]) -> str | None:
        """Return what is wrong with the values of a look-up, for the one who gave them: it may quote them."""
        error = self._error(name, values)
        return None if error is None else mistake(error)

    async def close(self) -> None:
        """Close the connections; nothing can be asked any more. Idempotent."""
        if self._client is not None:
            await self._client.aclose()

    def _error(self, name: str, values: Mapping[str, JsonValue]) -> Any:
        """Return the first mistake in the values, None if there is none."""
        return next(self._validators[name].iter_errors(values), None)

    async def _answer(self, name: str, chosen: LookupSettings, url: str, body: JsonValue) -> JsonValue:
        import httpx2

        assert self._client is not None  # there is a look-up

        def failure(reason: str) -> LookupFailedError:
            return LookupFailedError(f"look-up {name}: {reason}")

        sent = None if body is None else json.dumps(body).encode()
        try:
            async with self._client.stream(
                chosen.method, url, headers=self._headers[name], content=sent
            ) as response:
                if not response.is_success:
                    raise failure(f"the answer is {response.status_code}")
                check_not_compressed(response, failure)
                pieces = limited(response.aiter_raw(), chosen.maximum_bytes, failure)
                content = b"".join([piece async for piece in pieces])
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise failure(type(error).__name__) from None
        try:
            return plain_json(content)
        except ValueError:
            raise failure("the answer is no JSON") from None


def _client() -> httpx2.AsyncClient:
    import httpx2

    log_no_requests()
    return httpx2.AsyncClient(**client_options(httpx2.Limits(max_connections=None)))


def _headers(name: str, chosen: LookupSettings, where: str) -> Iterator[tuple[str, str]]:
    """Yield the headers, in small letters: the settings' take the place of the usual ones.

    Raises ConfigurationError.
    """
    yield "accept", "application/json"
    if chosen.body is not None:
        yield "content-type", "application/json"
    for header, value in chosen.headers.items():
        yield header.lower(), value
    for header, file in chosen.secret_headers.items():
        secret = header_secret(file, f"{where}.{name}.secret_headers.{header} = {file!r}", "secret")
        yield header.lower(), secret


def _filled_url(name: str, template: str, values: Mapping[str, JsonValue]) -> str:
    """Return the address. Raises LookupFailedError for what cannot stand in one."""
    url = PLACEHOLDER.sub(lambda found: quote(_text(name, found[1], values), safe=""), template)
    # A part of the path that is only dots leads upwards, encoded or not (RFC 3986, section 5.2.4).
    dots = {part for part in urlsplit(url).path.split("/") if part in (".", "..")}
    if dots - set(urlsplit(template).path.split("/")) or len(url) > MAXIMUM_URL_CHARACTERS:
        raise LookupFailedError(f"look-up {name}: a value cannot stand in its address")
    return url


def _filled(name: str, body: JsonValue, values: Mapping[str, JsonValue]) -> JsonValue:
    """Return a body with values in the place of its placeholders; one without a value becomes null.

    Raises LookupFailedError for what cannot stand in a text.
    """
    match body:
        case str():
            alone = PLACEHOLDER.fullmatch(body)
            if alone is not None:
                return values.get(alone[1])
            return PLACEHOLDER.sub(lambda found: _text(name, found[1], values), body)
        case list():
            return [_filled(name, each, values) for each in body]
        case dict():
            return {key: _filled(name, each, values) for key, each in body.items()}
    return body


def _text(name: str, placeholder: str, values: Mapping[str, JsonValue]) -> str:
    """Return a value as text; one that is not there is empty. Raises LookupFailedError."""
    match values.get(placeholder):
        case None:
            return ""
        case bool() as value:
            return "true" if value else "false"
        case str() | int() | float() as value:
            return str(value).encode("utf-8", "ignore").decode()
    raise LookupFailedError(f"look-up {name}: {placeholder} is no single value")


def validator_of(schema: Mapping[str, JsonValue]) -> Any:
    """Return jsonschema's validator of a schema that has been checked."""
    from jsonschema import Draft202012Validator

    return Draft202012Validator(schema)


def mistake(error: Any) -> str:
    """Return a validator's error in one short line; it may quote the value."""
    place = "".join(f"{part}: " for part in error.absolute_path)
    if len(error.message) <= MAXIMUM_MISTAKE_CHARACTERS:
        return f"{place}{error.message}"
    return f"{place}{error.validator} is to be {error.validator_value}"[:MAXIMUM_MISTAKE_CHARACTERS]
