"""The exit codes of `raymal` and its processes."""

from enum import IntEnum


class ExitCode(IntEnum):
    """Exit codes; also in `raymal --help`."""

    OK = 0
    FAILED = 1
    """The command ran and its criterion was not met (a call without an answer, a demo off the mark)."""
    CONFIGURATION = 2
    """What was asked for cannot work: arguments, configuration file, missing model."""
    UNREACHABLE = 3
    """A port is busy, or no server answers at an address."""
    INTERRUPTED = 130
    """Ctrl-C."""
