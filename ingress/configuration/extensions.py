"""An extension: one listener of a server and what its callers get, defaults filled in.

The server's own port is the extension `default`. Others are named in the configuration and differ from it
in what they set.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TypeVar

from pydantic import Field

from actors.messages import Priority
from actors.settings import Section
from ingress.configuration.settings import (
    BargeInSettings,
    DialogSettings,
    EndpointingSettings,
    ExtensionRecordingSettings,
    ExtensionSettings,
    RecordingSettings,
    Settings,
)

DEFAULT_EXTENSION = "default"
"""Name of the server's own port."""


class Phrase(StrEnum):
    """What a media worker may have to say by itself, without any gateway."""

    BUSY = "busy"
    """To a caller who is refused."""
    APOLOGY = "apology"
    """When an answer has failed."""
    WAITING = "waiting"
    """To a caller who waits for the speech workers."""


class RecordingChoice(Section):
    """What is kept of an extension's calls."""

    audio: bool = False
    transcripts: bool = False

    @property
    def keeps_anything(self) -> bool:
        """Whether a call leaves a file."""
        return self.audio or self.transcripts


class Extension(Section):
    """One listener and what its callers get. A running call keeps the one it began with."""

    name: str
    port: int | None
    """0: the system chooses. None: no port of its own; its calls come by the server's."""
    host: str | None = None
    """Address to listen on; None: the server's."""
    priority: Priority = Priority.NORMAL
    max_calls: int | None = None
    """Over all servers of the cluster."""
    language: str
    voice: str | None = None
    """A voice of the engine; None: the engine's own setting."""
    dialog: DialogSettings
    needs_speech: bool = False
    """Whether the dialog hears and speaks; the book finds out (`ExtensionBook.of`)."""
    barge_in: BargeInSettings
    recording: RecordingChoice = RecordingChoice()
    endpointing: EndpointingSettings = EndpointingSettings()
    phrases: dict[Phrase, str] = Field(default_factory=dict)
    """Texts that the operator chose; the others are the language's own (`ingress.phrases.fixed`)."""

    def chosen(self, priority: Priority | None, language: str | None) -> Extension:
        """Return the extension with what the dialplan chose for one call; None: as it is."""
        changes = {"priority": priority, "language": language}
        update = {name: value for name, value in changes.items() if value is not None}
        return self.model_copy(update=update) if update else self


def default_extension(settings: Settings) -> Extension:
    """Return the server's own port."""
    return Extension(
        name=DEFAULT_EXTENSION,
        port=settings.server.port,
        language=settings.speech.language,
        dialog=settings.dialog,
        barge_in=settings.barge_in,
        recording=RecordingChoice(audio=settings.recording.audio, transcripts=settings.recording.transcripts),
        endpointing=settings.endpointing,
    )


def named_extension(name: str, chosen: ExtensionSettings, settings: Settings) -> Extension:
    """Return what `[extensions.NAME]` makes of the server's own settings."""
    texts = {Phrase.BUSY: chosen.busy, Phrase.APOLOGY: chosen.apology, Phrase.WAITING: chosen.waiting}
    return Extension(
        name=name,
        port=chosen.port,
        host=chosen.host,
        priority=chosen.priority,
        max_calls=chosen.max_calls,
        language=chosen.language or settings.speech.language,
        voice=chosen.voice,
        dialog=merged(settings.dialog, chosen.dialog),
        barge_in=merged(settings.barge_in, chosen.barge_in),
        endpointing=merged(settings.endpointing, chosen.endpointing),
        recording=_recording(settings.recording, chosen.recording),
        phrases={phrase: text for phrase, text in texts.items() if text is not None},
    )


def _recording(common: RecordingSettings, own: ExtensionRecordingSettings) -> RecordingChoice:
    return RecordingChoice(
        audio=common.audio if own.audio is None else own.audio,
        transcripts=common.transcripts if own.transcripts is None else own.transcripts,
    )


Part = TypeVar("Part", bound=Section)


def merged(common: Part, own: Part | None) -> Part:
    """Return the server's section with what the extension has set in its place, key by key in tables."""
    if own is None:
        return common
    chosen = {name: getattr(own, name) for name in own.model_fields_set}
    for name, value in chosen.items():
        if isinstance(value, dict):
            chosen[name] = getattr(common, name, {}) | value
    return common.model_copy(update=chosen)
