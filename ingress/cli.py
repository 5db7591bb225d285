"""The command line: `raymal COMMAND`.

A command's module is loaded only when it is the one to be run, so that `raymal --help` loads no numpy and no
hearing; and by name, because two of them are programs of `benchmarks`, which nothing here imports.
"""

from __future__ import annotations

import argparse
import os
import select
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from importlib.metadata import version

from actors.errors import CallError, ConfigurationError, LinkError, PortError, RaymalError, described
from actors.plugins.lookup import place
from ingress.server.exit_codes import ExitCode

EXIT_CODES = """exit codes:
  0    done
  1    the command ran and its criterion was not met
  2    wrong arguments, configuration or missing model
  3    the port is busy, or no server answers
  130  interrupted
"""

COMMANDS = {
    "serve": ("ingress.commands.serve", "take AudioSocket calls"),
    "call": ("ingress.commands.call", "call a server without Asterisk"),
    "chat": ("ingress.commands.chat", "try a dialog by keyboard, without speech or a server"),
    "demo": ("ingress.commands.demo", "start a server, call it, show what was heard and answered"),
    "status": ("ingress.commands.status", "show how a server on this machine is doing"),
    "calls": ("ingress.commands.calls", "show the running calls"),
    "hangup": ("ingress.commands.hangup", "end one call"),
    "record": ("ingress.commands.record", "show what was measured of a finished call"),
    "top": ("ingress.commands.top", "show calls, workers and load, again and again"),
    "extensions": ("ingress.commands.extensions", "list, add, change and remove extensions while calls run"),
    "reload": ("ingress.commands.reload", "have a server read its configuration again"),
    "drain": ("ingress.commands.drain", "let running calls end, then stop the server"),
    "flow": ("ingress.commands.flow", "check, try and draw dialogs written in YAML"),
    "doctor": ("ingress.commands.doctor", "look at this machine and say what to do"),
    "token": ("ingress.commands.token", "make the token for changes over HTTP"),
    "voices": ("ingress.commands.voices", "text-to-speech engines: list, install, sample, measure"),
    "cache": ("ingress.commands.cache", "the phrases kept on disk"),
    "recordings": ("ingress.commands.recordings", "recordings and transcripts of calls"),
    "cluster": ("ingress.commands.cluster", "the speech workers of a Ray cluster"),
    "capacity": ("benchmarks.capacity.command", "measure how many calls a server holds"),
    "plan": ("benchmarks.planning.command", "say how many nodes a busy hour needs"),
}
"""Module and summary of each; the module adds its parser to the command line."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    given = sys.argv[1:] if arguments is None else arguments
    try:
        parsed = _parsed(given)
        with _sigterm_interrupts():
            code = _run(parsed)
            print(end="", flush=True)  # what fails only now is handled here
            return code
    except ConfigurationError as error:
        return _fail(error, ExitCode.CONFIGURATION, given)
    except (PortError, LinkError, CallError) as error:
        return _fail(error, ExitCode.UNREACHABLE, given)
    except (RaymalError, OSError) as error:  # TimeoutError is one
        if isinstance(error, BrokenPipeError) and _output_was_closed():
            return ExitCode.FAILED
        return _fail(error, ExitCode.FAILED, given)
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED


def _run(parsed: argparse.Namespace) -> int:
    """Run the command. What an engine of another package makes of `sys.exit` is no success."""
    try:
        return int(parsed.run(parsed))
    except SystemExit as error:
        if isinstance(error.__context__, BrokenPipeError):
            return ExitCode.FAILED  # rich drops the rest and exits when its output's reader has gone
        raise RaymalError(f"ended by sys.exit at {place(error, __file__)}: correct it there") from error


def _parsed(given: Sequence[str]) -> argparse.Namespace:
    """Load the command's module and return its arguments. Raises SystemExit for wrong ones, or for help."""
    parser = argparse.ArgumentParser(
        prog="raymal",
        description="AI voice media server for Asterisk: many AudioSocket calls at once, "
        "local speech models, audio that never chops.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"raymal {version('raymal')}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, (module, summary) in COMMANDS.items():
        if given[:1] == [name]:
            import_module(module).add_parser(commands)
        else:
            commands.add_parser(name, help=summary)
    return parser.parse_args(given)


@contextmanager
def _sigterm_interrupts() -> Iterator[None]:
    """Let SIGTERM raise KeyboardInterrupt, as Ctrl-C does, so that a command stops what it has started.

    `raymal serve` has its own handlers. Only a process's main thread may set one.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _output_was_closed() -> bool:
    """Say whether the reader of standard output has gone, as `head` does; what is left is then dropped."""
    if not sys.stdout:
        return False  # the command was started without one
    poll = select.poll()
    poll.register(sys.stdout, select.POLLOUT)
    if not any(events & (select.POLLERR | select.POLLHUP) for _, events in poll.poll(0)):
        return False
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return True


def _fail(error: Exception, code: ExitCode, given: Sequence[str]) -> int:
    """Print the error; of one without words its kind, and the command that met it."""
    where = "" if str(error).strip() else f" in `raymal {given[0]}`"
    print(f"raymal: {described(error)}{where}", file=sys.stderr)
    return code
