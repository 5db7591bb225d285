"""`raymal cache`: the phrases that are kept on disk."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from dataclasses import asdict
from datetime import UTC, datetime

from rich.console import Console
from rich.table import Table

from actors.engines.registry import check_names
from actors.errors import ConfigurationError, EngineError, RaymalError, described
from actors.local import LocalPool
from ingress.commands.serve import add_settings_flags, settings_of
from ingress.configuration.settings import Settings
from ingress.phrases.disk import PhraseStore, phrase_directory
from ingress.phrases.speaker import Speaker
from ingress.phrases.warming import fixed_sentences
from ingress.server.checking import extension_book
from ingress.server.exit_codes import ExitCode

READY_POLL_S = 0.1
SHOWN_PROBLEMS = 3
"""Of many files that cannot be removed; the reason is the same."""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its own commands to the command line."""
    parser = commands.add_parser(
        "cache",
        description="Greetings and other fixed phrases are spoken once and kept on disk, in "
        "cache.directory. Nothing that a caller said is among them.",
    )
    actions = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, run, help_text in (
        ("list", run_list, "show what is kept, the last used first"),
        ("warm", run_warm, "make what is missing of the configured extensions' phrases, without Ray"),
        ("clear", run_clear, "remove all phrases; servers make them again"),
    ):
        action = actions.add_parser(name, help=help_text, description=f"{help_text.capitalize()}.")
        add_settings_flags(action, flags=())
        action.add_argument("--json", action="store_true", help="print JSON")
        action.set_defaults(run=run)


def run_list(arguments: argparse.Namespace) -> int:
    """Print every phrase with its language, voice, length, size and age. Raises OSError."""
    store = _store(settings_of(arguments))
    phrases = store.phrases()
    if arguments.json:
        rows = [
            {
                "key": phrase.key,
                **asdict(phrase.label),
                "seconds": round(phrase.audio_s, 3),
                "bytes": phrase.file_bytes,
                "last_used": datetime.fromtimestamp(phrase.used_at_s, UTC).isoformat(timespec="seconds"),
            }
            for phrase in phrases
        ]
        print(json.dumps({"directory": str(store.directory), "phrases": rows}, indent=2))
        return ExitCode.OK
    table = Table("text", "language", "engine", "voice", "seconds", "bytes", "last used")
    for phrase in phrases:
        label = phrase.label
        used = datetime.fromtimestamp(phrase.used_at_s).strftime("%Y-%m-%d %H:%M")
        seconds, size = f"{phrase.audio_s:.1f}", str(phrase.file_bytes)
        table.add_row(label.text, label.language, label.engine, label.voice or "default", seconds, size, used)
    console = Console()
    if phrases:
        console.print(table, markup=False)
    total_bytes = sum(phrase.file_bytes for phrase in phrases)
    console.print(f"{len(phrases)} phrases, {total_bytes} bytes in {store.directory}", markup=False)
    return ExitCode.OK


def run_clear(arguments: argparse.Namespace) -> int:
    """Remove everything and say how much it was; 1 if something is still there. Raises OSError."""
    store = _store(settings_of(arguments))
    cleared = store.clear()
    if arguments.json:
        print(json.dumps({"directory": str(store.directory), **asdict(cleared)}))
    else:
        print(f"{cleared.files} files, {cleared.bytes} bytes removed from {store.directory}")
    for problem in cleared.problems[:SHOWN_PROBLEMS]:
        print(f"raymal: {problem}", file=sys.stderr)
    if cleared.problems:
        print(f"raymal: {len(cleared.problems)} files could not be removed", file=sys.stderr)
    return ExitCode.FAILED if cleared.problems else ExitCode.OK


def run_warm(arguments: argparse.Namespace) -> int:
    """Make what is missing, with the configured engine in this process; 1 if anything is still missing."""
    settings = settings_of(arguments)
    store = _store(settings)
    check_names(settings.speech, extension_book(settings).engines)
    missing, kept, problems = asyncio.run(_warm(settings, is_quiet=arguments.json))
    made = missing - len(problems)
    if arguments.json:
        report = {"directory": str(store.directory), "made": made, "kept": kept, "problems": problems}
        print(json.dumps(report, indent=2))
    else:
        print(f"{made} phrases made, {kept} were there, {len(problems)} missing, in {store.directory}")
    return ExitCode.FAILED if problems else ExitCode.OK


async def _warm(settings: Settings, is_quiet: bool) -> tuple[int, int, list[str]]:
    """Return how many phrases were missing, how many were there, and why some still are missing."""
    # Phrases do not depend on the transcriber, so none is loaded.
    speech = settings.speech.model_copy(update={"stt": "scripted"})
    fleet = settings.fleet.model_copy(update={"max_concurrent_synthesis": 1, "backend": "local"})
    pool = LocalPool(speech, fleet, "phrases")
    speaker = Speaker(pool, speech, settings.cache)
    extensions = extension_book(settings).extensions.values()
    sentences = list(fixed_sentences(each for extension in extensions for each in extension.in_each_language))
    problems: list[str] = []
    try:
        missing = [found for found in sentences if not await speaker.recall(found[1], found[0])]
        if missing:
            await pool.start()
            await _until_ready(pool, settings.fleet.worker_start_deadline_s)
        for number, (extension, sentence) in enumerate(missing, 1):
            if not is_quiet:
                print(f"{number} of {len(missing)}: {sentence}", file=sys.stderr)
            try:
                problem = "" if await speaker.render(sentence, extension) else "it could not be written"
            except RaymalError as error:
                problem = described(error)
            if problem:
                problems.append(f"extension {extension.name}: {sentence!r}: {problem}")
                print(f"raymal: {problems[-1]}", file=sys.stderr)
    finally:
        await speaker.close()
        await pool.close()
    return len(missing), len(sentences) - len(missing), problems


async def _until_ready(pool: LocalPool, deadline_s: float) -> None:
    """Wait for the engine. Raises EngineError when it cannot start, or not in time."""
    try:
        async with asyncio.timeout(deadline_s):
            while not (status := await pool.status()).synthesis.ready:
                if status.problems:
                    raise EngineError(status.problems[0])
                await asyncio.sleep(READY_POLL_S)
    except TimeoutError as error:
        raise EngineError(
            f"the text-to-speech engine was not ready within {deadline_s:g} s (fleet.worker_start_deadline_s)"
        ) from error


def _store(settings: Settings) -> PhraseStore:
    """Return the store, also one that is switched off: its phrases can still be listed and removed."""
    directory = phrase_directory(settings.cache)
    if directory is None:
        raise ConfigurationError("cache.directory: this user has no home; name a folder for phrases here")
    return PhraseStore(directory, settings.cache.disk_bytes)
