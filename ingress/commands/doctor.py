"""`raymal doctor`: look at this machine and say what to do."""

from __future__ import annotations

import argparse
import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.table import Table
from rich.text import Text

from actors.errors import ConfigurationError
from ingress.commands import serve
from ingress.configuration.settings import Settings
from ingress.server.doctor.configuration import of_error
from ingress.server.doctor.examination import examine
from ingress.server.doctor.finding import Finding, Verdict
from ingress.server.doctor.host import Host
from ingress.server.exit_codes import ExitCode

STYLES = {Verdict.OK: "green", Verdict.WARNING: "yellow", Verdict.WRONG: "bold red"}


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "doctor",
        description="Look at this machine as `raymal serve` with the same flags would find it: Asterisk, "
        "ports, who can reach what, CPU, memory, clock, disks, models. Changes nothing. Exit code 1 if "
        "something is wrong. As root it sees all processes.",
    )
    serve.add_settings_flags(parser)
    parser.add_argument("--no-ray", action="store_true", help="the speech workers run without Ray")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Look, and print what was found."""
    with _no_warnings():
        found = findings(arguments)
    is_fine = not any(finding.verdict is Verdict.WRONG for finding in found)
    if arguments.json:
        print(
            json.dumps(
                {"is_fine": is_fine, "findings": [finding.model_dump() for finding in found]}, indent=2
            )
        )
    else:
        Console().print(table(found))
    return ExitCode.OK if is_fine else ExitCode.FAILED


def findings(arguments: argparse.Namespace) -> list[Finding]:
    """Return all findings; of a configuration that cannot be read, those of the defaults as well."""
    try:
        settings = serve.loaded(arguments)
    except ConfigurationError as error:
        host = Host.of(Settings(), os.environ)
        return [*of_error(error), *examine(host, without=frozenset({"configuration"}))]
    return list(examine(Host.of(settings, os.environ)))


@contextmanager
def _no_warnings() -> Iterator[None]:
    """Keep the log of what is tried quiet: what is worth a warning is a finding."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)


def table(found: list[Finding]) -> Table:
    """Return the findings as a table."""
    made = Table(box=None, pad_edge=False, show_header=False)
    made.add_column(no_wrap=True)
    made.add_column(no_wrap=True)
    made.add_column(overflow="fold")
    for finding in found:
        text = Text(finding.what)
        if finding.where:
            text.append(f"  [{finding.where}]", style="dim")
        if finding.remedy:
            text.append(f"\n→ {finding.remedy}")
        made.add_row(Text(finding.verdict.value, style=STYLES[finding.verdict]), finding.subject, text)
    return made
