"""`raymal token`: make the token that changing things over HTTP needs."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

from actors.errors import ConfigurationError
from ingress.access.tokens import new_token, write_token
from ingress.server.exit_codes import ExitCode


def default_file() -> Path:
    """Return where a token is kept if no other place is named."""
    base = os.environ.get("XDG_CONFIG_HOME")
    return (Path(base) if base else Path("~/.config")).expanduser() / "raymal" / "token"


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "token",
        description="Make a token in a file that only this user can read. It is not printed. Clients send it "
        "as `Authorization: Bearer TOKEN`.",
    )
    parser.add_argument(
        "--file",
        type=Path,
        metavar="FILE",
        help="where to keep it (raymal/token in the user's configuration)",
    )
    parser.add_argument("--replace", action="store_true", help="replace the token that is there")
    parser.add_argument("--show", action="store_true", help="print the new token, on standard output alone")
    parser.add_argument("--json", action="store_true", help="print JSON: the file, and with --show the token")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Make the token and say what to do with it."""
    try:
        file = (arguments.file or default_file()).expanduser().absolute()
    except RuntimeError as error:
        raise ConfigurationError("this user has no home; name a place with --file") from error
    token = new_token()
    try:
        write_token(file, token, arguments.replace)
    except FileExistsError as error:
        raise ConfigurationError(
            f"{file} exists and stays as it is; --replace makes a new token, and from the server's next "
            "start on clients with the old one are refused"
        ) from error
    except OSError as error:
        raise ConfigurationError(
            f"{file}: cannot be written ({error.strerror}); name a place with --file"
        ) from error
    if arguments.json:
        print(json.dumps({"file": str(file)} | ({"token": token} if arguments.show else {})))
        return ExitCode.OK
    print(*_advice(file), sep="\n", file=sys.stderr)
    if arguments.show:
        print(token)
    return ExitCode.OK


def _advice(file: Path) -> list[str]:
    lines = [f"a new token is in {file}, which only its owner can read"]
    if os.geteuid() == 0:
        lines += ["", "the server's user must own it, for example:", f"  chown raymal {file}"]
    return [
        *lines,
        "",
        "configuration of raymal, for its next start:",
        "  [web]",
        f'  token_file = "{file}"',
        "",
        "prometheus.yml, in the job that scrapes raymal; Prometheus needs a copy that its own user can read:",
        "  authorization:",
        f"    credentials_file: {file}",
        "",
        "any other client:",
        f'  curl -H "Authorization: Bearer $(cat {file})" http://127.0.0.1:9093/api/v1/status',
    ]
