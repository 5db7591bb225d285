"""The configuration, checked whole as `raymal serve --check` does, and where its models come from."""

from __future__ import annotations

from collections.abc import Iterator

from actors.engines.whisper_weights import BundledModel, locate
from actors.errors import ConfigurationError, described
from actors.settings import WhisperSettings
from ingress.access.tokens import configured_token
from ingress.configuration.extensions import Extension
from ingress.configuration.settings import AUTO_PORT, SHARED_PORT
from ingress.server.checking import check
from ingress.server.doctor.finding import Finding, Subject
from ingress.server.doctor.host import Host

subject = Subject("configuration")
speech = Subject("models")
token = Subject("token")


def findings(host: Host) -> Iterator[Finding]:
    """Yield all that keeps a server from running with it."""
    try:
        book = check(host.settings, is_alone=True)
    except ConfigurationError as error:
        yield from of_error(error)
        return
    ports = ", ".join(f"{_port(extension)} ({name})" for name, extension in book.extensions.items())
    held = "held by the server that runs" if host.runtime else "free"
    yield subject.ok(f"a server can run with it; ports {held}: {ports}")


def _port(extension: Extension) -> str:
    """Return the port as it is written in the configuration."""
    return SHARED_PORT if extension.port is None else str(extension.port or AUTO_PORT)


def of_error(error: ConfigurationError) -> Iterator[Finding]:
    """Yield each line of an error: it says what is wrong, where, and what would be right."""
    for line in dict.fromkeys(described(error).split("\n")):
        yield subject.wrong(line, "correct it, then `raymal serve --check`")


def models(host: Host) -> Iterator[Finding]:
    """Yield which speech models are used; that they are there is part of the configuration's check."""
    settings = host.settings.speech
    if host.settings.fleet.backend == "ray" and host.settings.fleet.ray_address is not None:
        yield speech.ok("they are on the machines of the cluster", host.settings.fleet.ray_address)
        return
    if settings.stt == "whisper":
        yield from _whisper(host)
    else:
        yield speech.ok(f"speech to text: {settings.stt}", "speech.stt")
    yield speech.ok(f"text to speech: {settings.tts}", "speech.tts")
    for name, extension in host.settings.extensions.items():
        if extension.tts is not None and extension.tts != settings.tts:
            yield speech.ok(f"text to speech: {extension.tts}", f"extensions.{name}.tts")


def _whisper(host: Host) -> Iterator[Finding]:
    options = host.settings.speech.whisper
    yield from _weights(options, "speech.whisper.model")
    for language, own in options.own_models():
        yield from _weights(own, f"speech.whisper.models.{language}")


def _weights(options: WhisperSettings, where: str) -> Iterator[Finding]:
    try:
        located = locate(options)
    except ConfigurationError:
        return  # the configuration's check says it
    if isinstance(located, BundledModel):
        yield speech.ok(f"speech to text: whisper, from {', '.join(located.packages)}", where)
    elif isinstance(located, str):
        yield speech.warning(
            f"whisper {located!r} is a name of a hub: the first start may have to load it from there",
            "name a folder, or install the `bundled` extra, if this machine has no way out",
            where,
        )
    else:
        yield speech.ok("speech to text: whisper", str(located))


def tokens(host: Host) -> Iterator[Finding]:
    """Yield whether there is a token for HTTP."""
    file = host.settings.web.token_file
    where = f"web.token_file = {file!r}" if file else "web.token_file"
    try:
        found = configured_token(file, host.environment)
    except ConfigurationError as error:
        yield token.wrong(str(error), "make one: `raymal token`", where)
        return
    if found is None:
        yield token.ok("none: this machine may read over HTTP, nothing may be changed over it", where)
    else:
        yield token.ok("one is configured, and no other user can read it", where)
