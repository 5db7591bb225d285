"""`raymal recordings`: what is kept of calls as files, and its deletion."""

from __future__ import annotations

import argparse
import json
import sys
import uuid
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.table import Column, Table

from actors.errors import ConfigurationError
from ingress.commands.serve import add_settings_flags, settings_of
from ingress.configuration.settings import RecordingSettings
from ingress.recordings.folder import Deleted, RecordingFolder
from ingress.recordings.names import AUDIO, TRANSCRIPT
from ingress.recordings.retention import KeptRecording, Limits
from ingress.recordings.wave_header import audio_s
from ingress.server.exit_codes import ExitCode
from ingress.server.retention import folder_of, limits_of


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its own commands to the command line."""
    parser = commands.add_parser(
        "recordings",
        description="Recordings and transcripts of calls in recording.folder. Give the server's --config, "
        "and run it as the server's user. No server need run.",
    )
    actions = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, run, help_text in (
        ("list", run_list, "show what is kept, the oldest first"),
        ("delete", run_delete, "delete what is kept of the calls with a UUID"),
        ("purge", run_purge, "delete what is older or more than may be kept, as the server does"),
    ):
        action = actions.add_parser(name, help=help_text, description=f"{help_text.capitalize()}.")
        if name == "delete":
            action.add_argument("uuid", type=_uuid, metavar="UUID")
        if name == "purge":
            limit = action.add_mutually_exclusive_group()
            limit.add_argument("--older-than", type=_days, metavar="DAYS", help="instead of retention_days")
            limit.add_argument("--all", action="store_true", help="everything, also of calls that go on")
        add_settings_flags(action, flags=())
        action.add_argument("--json", action="store_true", help="print JSON")
        action.set_defaults(run=run)


def run_list(arguments: argparse.Namespace) -> int:
    """Print every recording with its start, extension, UUID, length and size. Raises OSError."""
    folder, _ = _chosen(arguments)
    rows = [_row(folder, recording) for recording in folder.recordings()]
    if arguments.json:
        print(json.dumps({"folder": str(folder.path), "recordings": rows}, indent=2))
        return ExitCode.OK
    console = Console()
    if rows:
        # The UUID is what the other commands take: no terminal is so narrow that it is cut.
        identity = Column("UUID", no_wrap=True, min_width=len(str(uuid.UUID(int=0))))
        started, extension = (
            Column(title, overflow="fold", min_width=10) for title in ("started (UTC)", "extension")
        )
        table = Table(started, extension, identity, "seconds", "bytes", "text", box=None, pad_edge=False)
        for row in rows:
            seconds = "" if row["seconds"] is None else f"{row['seconds']:.1f}"
            has_transcript = "yes" if row["transcript"] else "no"
            started = row["started_at"][:19].replace("T", " ")
            table.add_row(
                started, row["extension"], row["call_id"], seconds, str(row["bytes"]), has_transcript
            )
        console.print(table, markup=False)
    total_bytes = sum(row["bytes"] for row in rows)
    console.print(f"{len(rows)} recordings, {total_bytes} bytes in {folder.path}", markup=False)
    return ExitCode.OK


def run_delete(arguments: argparse.Namespace) -> int:
    """Delete the recordings of one UUID, which may have had several calls; 1 if there are none."""
    folder, _ = _chosen(arguments)
    call_id = arguments.uuid
    deleted = folder.delete(
        (kept for kept in folder.recordings() if kept.name.call_id == call_id), datetime.now(UTC).timestamp()
    )
    code = _report(arguments, folder, deleted)
    if not deleted.recordings and not deleted.problems:
        print(f"raymal: there is no recording of a call {call_id}", file=sys.stderr)
        return ExitCode.FAILED
    return code


def run_purge(arguments: argparse.Namespace) -> int:
    """Delete what may not be kept; 1 if some of it is still there."""
    folder, settings = _chosen(arguments)
    if arguments.all:
        return _report(arguments, folder, folder.delete(folder.recordings(), datetime.now(UTC).timestamp()))
    limits = limits_of(settings) if arguments.older_than is None else Limits(arguments.older_than)
    return _report(arguments, folder, folder.expire(limits, datetime.now(UTC).timestamp()))


def _chosen(arguments: argparse.Namespace) -> tuple[RecordingFolder, RecordingSettings]:
    settings = settings_of(arguments).recording
    folder = folder_of(settings)
    if folder is None:
        raise ConfigurationError("recording.folder is not set: give the server's --config")
    return folder, settings


def _row(folder: RecordingFolder, recording: KeptRecording) -> dict[str, Any]:
    name = recording.name
    has_audio, has_words = recording.audio_bytes is not None, recording.transcript_bytes is not None
    return {
        "call_id": name.call_id,
        "extension": name.extension,
        "started_at": name.started_at.isoformat(timespec="milliseconds"),
        "seconds": None if recording.audio_bytes is None else round(audio_s(recording.audio_bytes), 2),
        "bytes": recording.total_bytes,
        "recording": str(folder.file(name, AUDIO)) if has_audio else None,
        "transcript": str(folder.file(name, TRANSCRIPT)) if has_words else None,
    }


def _report(arguments: argparse.Namespace, folder: RecordingFolder, deleted: Deleted) -> int:
    if arguments.json:
        counts = {"recordings": deleted.recordings, "bytes": deleted.bytes, "problems": deleted.problems}
        print(json.dumps({"folder": str(folder.path), **counts}))
    else:
        print(f"{deleted.recordings} recordings, {deleted.bytes} bytes deleted in {folder.path}")
    if deleted.problems:
        print(f"raymal: {deleted.problems} could not be deleted: {deleted.first_problem}", file=sys.stderr)
    return ExitCode.FAILED if deleted.problems else ExitCode.OK


def _uuid(written: str) -> str:
    try:
        return str(uuid.UUID(written))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{written[:40]!r} is no UUID") from None


def _days(written: str) -> float:
    try:
        days = float(written)
    except ValueError:
        days = -1.0
    if 0.0 <= days <= 36_500.0:
        return days
    raise argparse.ArgumentTypeError(f"{written[:20]!r} is no number of days up to 36500")
