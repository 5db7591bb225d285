"""`raymal flow`: check, try and draw a flow. No speech model is used, and no server is needed."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from actors.errors import ConfigurationError
from ingress.commands.chat import converse
from ingress.configuration.settings import DialogSettings
from ingress.dialogs.flow.document import FlowError
from ingress.dialogs.flow.drawing import drawing
from ingress.dialogs.flow.reading import read_flow
from ingress.dialogs.registry import dialog
from ingress.dialogs.testing import Conversation
from ingress.server.exit_codes import ExitCode


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its own commands to the command line."""
    parser = commands.add_parser("flow", description="Dialogs that a YAML file describes (docs/flows.md).")
    actions = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, run, help_text in (
        ("check", run_check, "say all that is wrong with a flow, with line and column"),
        ("chat", run_chat, "try a flow by keyboard, as raymal chat does"),
        ("draw", run_draw, "print a flow as a diagram, text for Mermaid"),
    ):
        action = actions.add_parser(name, help=help_text, description=f"{help_text.capitalize()}.")
        action.add_argument("file", metavar="FILE", type=Path, help="the flow")
        if name != "check":
            action.add_argument("--language", metavar="CODE", help="of the flow's languages (its first)")
        if name != "draw":
            action.add_argument("--json", action="store_true", help="print JSON")
        action.set_defaults(run=run)


def run_check(arguments: argparse.Namespace) -> int:
    """Print what is wrong, one line each; 1 if anything is."""
    try:
        flow = read_flow(arguments.file)
    except FlowError as error:
        if arguments.json:
            print(json.dumps({"problems": [_as_json(problem) for problem in error.problems]}, indent=2))
        else:
            print(error, file=sys.stderr)
            count = len(error.problems)
            print(f"raymal: {count} problem{'s' * (count > 1)} in {arguments.file}", file=sys.stderr)
        return ExitCode.FAILED
    if arguments.json:
        print(json.dumps({"problems": []}))
        return ExitCode.OK
    counts = f"{len(flow.steps)} steps, {len(flow.slots)} slots, in {', '.join(flow.languages)}"
    print(f"{arguments.file}: {counts}; nothing is wrong")
    if needed := sorted({lookup.name for lookup in flow.lookups}):
        print(f"it needs the look-ups {', '.join(needed)} in [dialog.flow.lookups]")
    if plays := sorted({step.play for step in flow.steps.values() if step.play}):
        print(f"it needs the files {', '.join(plays)} in dialog.audio_folder")
    return ExitCode.OK


def run_chat(arguments: argparse.Namespace) -> int:
    """Hold a conversation by keyboard. Raises ConfigurationError."""
    flow = read_flow(arguments.file)
    if needed := sorted({lookup.name for lookup in flow.lookups}):
        raise ConfigurationError(
            f"the flow needs the look-ups {', '.join(needed)}: run "
            "`raymal chat --config FILE --extension NAME`, whose settings have their addresses"
        )
    settings = DialogSettings.model_validate({"name": "flow", "flow": {"file": str(arguments.file)}})
    language = arguments.language or flow.languages[0]
    talk = Conversation(dialog(settings), language=language, raises=False)
    return converse(talk, arguments.json)


def run_draw(arguments: argparse.Namespace) -> int:
    """Print the diagram. Raises FlowError."""
    print(drawing(read_flow(arguments.file), arguments.language), end="")
    return ExitCode.OK


def _as_json(problem: Any) -> dict[str, Any]:
    place = problem.place
    return {"file": place.file, "line": place.line, "column": place.column, "message": problem.message}
