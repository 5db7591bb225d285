"""`[dialog.webhook]`."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from typing import Annotated

import httpx2
from pydantic import AfterValidator, Field, model_validator

from actors.errors import ConfigurationError
from actors.settings import PositiveSeconds, Section
from ingress.access.private_files import private_content
from ingress.dialogs.http_clients import CONNECTION_HEADERS, check_encryption, check_headers, usual_tls
from ingress.dialogs.outcome import TARGET
from ingress.dialogs.webhook.signature import key_of

VARIABLE = "RAYMAL_WEBHOOK_SECRET"
OWN_HEADERS = (*CONNECTION_HEADERS, "accept", "content-", "user-agent", "webhook-")
"""Beginnings of those that are raymal's own."""


def _url(url: str) -> str:
    """Check it as the client will read it, which asks the host that was found here."""
    try:
        parts = httpx2.URL(url)
        has_port = parts.port is None or 0 < parts.port < 1 << 16
        is_address = parts.scheme in ("http", "https") and bool(parts.host) and has_port
    except httpx2.InvalidURL:
        is_address = False
    if not is_address or not url.isascii() or not url.isprintable() or " " in url or "#" in url:
        raise ValueError("write the address of your program, such as https://calls.example.org/raymal")
    if parts.userinfo:
        raise ValueError("a password in an address ends up in logs; requests are signed with the secret")
    return url


def _headers(headers: dict[str, str]) -> dict[str, str]:
    check_headers(headers, OWN_HEADERS)
    return headers


def _target(target: str) -> str:
    if not TARGET.fullmatch(target):
        raise ValueError("write letters, digits and _+*#.@-, 64 at most")
    return target


class WebhookSettings(Section):
    """Where events go, and what is done when nothing comes back."""

    url: Annotated[str, Field(max_length=2_000), AfterValidator(_url)]
    """Gets each event as a POST."""
    allow_http: bool = False
    """Whether `http://` may lead to another machine: what callers say then travels unencrypted."""
    ca_file: str | None = None
    """Certificates (PEM) of whoever signed the receiver's. Unset: this machine's."""
    secret_file: str | None = None
    """Holds the secret that requests are signed with; RAYMAL_WEBHOOK_SECRET is the secret itself.
    For a new secret name a new file: then a reload is enough."""
    headers: Annotated[dict[str, str], AfterValidator(_headers)] = Field(default_factory=dict)
    """Sent with each request. No secrets: settings are written to files."""
    deadline_s: PositiveSeconds = 8.0
    """For an answer, with all tries; between two actions of one in lines. Below `dialog.deadline_s`."""
    retries: int = Field(default=2, ge=0, le=5)
    """If there is no connection, or the answer is 502 or 503."""
    fallback: str | None = None
    """Said when there is no answer. Unset: the language's own words; "": nothing."""
    fallback_transfer: Annotated[str, AfterValidator(_target)] | None = None
    """Where the caller goes then. Unset: the call ends."""

    @model_validator(mode="after")
    def _check_encryption(self) -> WebhookSettings:
        check_encryption(self.url, self.allow_http, "url")
        return self

    def key(self, environment: Mapping[str, str]) -> bytes:
        """Return what requests are signed with. Raises ConfigurationError, which never holds it."""
        written, where = environment.get(VARIABLE), f"environment variable {VARIABLE}"
        if not written:
            if self.secret_file is None:
                raise ConfigurationError(
                    f"dialog.webhook: requests are signed: name a secret_file, or set {VARIABLE}"
                )
            where = f"dialog.webhook.secret_file = {self.secret_file!r}"
            content = private_content(self.secret_file, where, "secret", "write the secret into it")
            written = content.decode("ascii", "replace")
        try:
            return key_of(written)
        except ValueError as error:
            raise ConfigurationError(f"{where}: {error}") from None

    def tls(self) -> ssl.SSLContext:
        """Return what verifies the receiver's certificate. Raises ConfigurationError."""
        if self.ca_file is None:
            return usual_tls()
        try:
            return ssl.create_default_context(cafile=self.ca_file)
        except OSError as error:  # ssl.SSLError is one
            reason = error.strerror or type(error).__name__
            raise ConfigurationError(
                f"dialog.webhook.ca_file = {self.ca_file!r}: cannot be read ({reason}); "
                "a file of certificates in PEM is needed"
            ) from None
