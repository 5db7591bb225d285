"""`raymal demo`: the whole thing once, on this machine: a server, a call, a conversation.

Starts `raymal serve` as a process of its own, waits until it can serve a turn, dials in, speaks, and shows
what was heard and answered. It succeeds only if everything was as the script expects.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.console import Console

from actors.errors import ConfigurationError
from ingress.commands import demo_conversation, demo_question


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "demo",
        description="Start Ray and raymal on this machine and hold a conversation with it: several turns, "
        "keys and an interruption. Shows who said what and when, what was heard of it, where the time went, "
        "and what the dialplan would get. Exit code 0 only if all of it is right.",
    )
    parser.add_argument(
        "--language",
        choices=sorted(demo_conversation.DEMOS),
        default="en",
        help="en: a table reservation; pt: a doorman, in Portuguese (en)",
    )
    parser.add_argument(
        "--dialog",
        choices=["flow", "echo", "llm"],
        help="who answers: the conversation's flow; or one question only, to the echo, or to a small "
        "language model, offline (extra local-llm) (flow; echo with --say or --wav)",
    )
    parser.add_argument("--say", metavar="TEXT", help=f"the question ({demo_question.QUESTION!r})")
    parser.add_argument("--wav", metavar="FILE", type=Path, help="a recording to play as the question")
    parser.add_argument("--expect", metavar="TEXT", help="the recording's words, to check what was heard")
    parser.add_argument("--folder", metavar="DIR", type=Path, default=Path("demo"), help="for files (demo)")
    parser.add_argument("--no-ray", action="store_true", help="run the speech workers without Ray")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the demo."""
    console = Console(stderr=arguments.json)
    has_question = arguments.say is not None or arguments.wav is not None
    if arguments.dialog is None:
        arguments.dialog = "echo" if has_question else "flow"
    if arguments.dialog == "flow" and (has_question or arguments.expect is not None):
        raise ConfigurationError(
            "--say, --wav and --expect are for --dialog echo or llm: a conversation has a script"
        )
    if arguments.dialog != "flow" and arguments.language != "en":
        raise ConfigurationError("--language is for the conversation: leave out --say, --wav and --dialog")
    try:
        arguments.folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ConfigurationError(f"--folder {arguments.folder}: cannot be made: {reason}") from error
    if arguments.dialog == "flow":
        return demo_conversation.run(arguments, console)
    return demo_question.run(arguments, console)
