"""The command line: `raymal serve`, `call`, `demo`, `status`, `cache`, `cluster`, `capacity`
and `plan`."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from types import FrameType

from actors.errors import CallError, ConfigurationError, LinkError, RaymalError
from ingress.commands import cache, call, capacity, cluster, demo, plan, serve, status
from ingress.server.exit_codes import ExitCode
from ingress.server.ports import PortError

EXIT_CODES = """exit codes:
  0    done
  1    the command ran and its criterion was not met
  2    wrong arguments, configuration or missing model
  3    the port is busy, or nobody answers
  130  interrupted
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    parser = argparse.ArgumentParser(
        prog="raymal",
        description="AI voice media server for Asterisk: many AudioSocket calls at once, "
        "local speech models, audio that never chops.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"raymal {version('raymal')}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in (serve, call, demo, status, cache, cluster, capacity, plan):
        command.add_parser(commands)
    parsed = parser.parse_args(arguments)
    try:
        with _told_to_end_as_interrupted():
            return int(parsed.run(parsed))
    except ConfigurationError as error:
        return _fail(error, ExitCode.CONFIGURATION)
    except (PortError, LinkError, CallError) as error:
        return _fail(error, ExitCode.UNREACHABLE)
    except (RaymalError, TimeoutError) as error:
        return _fail(error, ExitCode.FAILED)
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED


@contextmanager
def _told_to_end_as_interrupted() -> Iterator[None]:
    """Take SIGTERM as Ctrl-C: what a command has started is stopped in order.

    A server has its own way (`supervisor`); a thread, which is no process's command, may set no handler.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _fail(error: Exception, code: ExitCode) -> int:
    print(f"raymal: {error}", file=sys.stderr)
    return code
