"""`raymal plan`: how many nodes a busy hour needs, from what was measured."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from rich.console import Console

from actors.errors import ConfigurationError
from actors.settings import AdmissionSettings
from benchmarks.capacity.result import CapacityResult
from benchmarks.planning.chart import chart
from benchmarks.planning.forecast import Forecast
from benchmarks.planning.node_type import NodeType
from benchmarks.planning.plan import Planner
from benchmarks.planning.prediction import Nodes, Rules
from benchmarks.planning.tables import print_plan
from ingress.server.exit_codes import ExitCode

CALL_S = 180.0
REFUSED_PERCENT = 1.0
LINES_PERCENT = AdmissionSettings().normal_percent
AT_MOST = 1_000
SHOWN_ERRORS = 3

DESCRIPTION = """Say how many nodes a busy hour needs, from what `raymal capacity` measured
on a node of each type. Lines come from Erlang's loss formula, waiting for slots
from his delay formula with the measured service times and their variability.
The answer assumes calls that come at random and independently of each other, and
callers who do not call again when they were refused; it says what else it assumes."""

EPILOG = """example:
  raymal plan small=small.json gpu=gpu.json --busy-hour-calls 1200 --call-s 150 \\
      --price small=40 --price gpu=310 --plot plan.svg

exit codes: 0 the targets can be met, 1 they cannot, 2 wrong arguments or files
"""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "plan",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "results",
        nargs="*",
        metavar="[NAME=]FILE",
        help="results of `raymal capacity`, one for each type of node; unnamed, a type is called as its file",
    )
    traffic = parser.add_argument_group("the forecast")
    _number(traffic, "--busy-hour-calls", "N", "calls in the busiest hour", required=True)
    _number(traffic, "--call-s", "S", f"mean length of a call ({CALL_S:g})", default=CALL_S)
    rate = traffic.add_mutually_exclusive_group()
    _number(rate, "--turns-per-minute", "N", "how often the caller of a call says something (as measured)")
    _number(rate, "--talk-percent", "PERCENT", "the same, as the share of a call in which its caller speaks")
    targets = parser.add_argument_group("the targets")
    refused = f"at most so many of the calls are refused ({REFUSED_PERCENT:g})"
    _number(targets, "--refused-percent", "PERCENT", refused, default=REFUSED_PERCENT)
    _number(targets, "--turn-p95-ms", "MS", "p95 of a turn (the measurement's own objective)")
    nodes = parser.add_argument_group("the nodes")
    prices = "what a node costs, in any unit: the cheapest is proposed (else: the fewest cores)"
    for flag, text in (("--have", "so many are there already"), ("--price", prices)):
        nodes.add_argument(flag, action="append", default=[], metavar="NAME=N", help=f"{text}; repeatable")
    _number(nodes, "--spare", "N", "nodes more than needed, that may fail (0)", type=int, default=0)
    _number(nodes, "--at-most", "N", f"nodes of a type to add ({AT_MOST})", type=int, default=AT_MOST)
    separate = "nodes do not form a cluster: no call and no work goes to another"
    nodes.add_argument("--separate", action="store_true", help=separate)
    lines = f"of the calls held, for ordinary calls (admission.normal_percent: {LINES_PERCENT:g})"
    _number(nodes, "--lines-percent", "PERCENT", lines, default=LINES_PERCENT)
    output = parser.add_argument_group("what to print")
    output.add_argument("--plot", type=Path, metavar="FILE.svg", help="write a picture of it")
    output.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def _number(group: argparse._ActionsContainer, flag: str, metavar: str, text: str, **options: Any) -> None:
    group.add_argument(flag, metavar=metavar, help=text, **({"type": float} | options))


def run(arguments: argparse.Namespace) -> int:
    """Plan and print. Raises ConfigurationError for what cannot be planned with."""
    results = read_results(arguments.results)
    prices = _numbers(arguments.price, "--price", results)
    if prices and len(prices) < len(results):
        missing = ", ".join(name for name in results if name not in prices)
        raise ConfigurationError(f"--price: prices are compared, so every type needs one; missing: {missing}")
    types = [NodeType.of(name, result, prices.get(name)) for name, result in results.items()]
    forecast = _forecast(arguments, types, results)
    planner = _planner(arguments, types)
    if arguments.plot is not None and arguments.plot.suffix.lower() != ".svg":
        raise ConfigurationError(f"--plot: pictures are SVG: name a file FILE.svg, not {arguments.plot}")
    plan = planner.plan(forecast)
    if arguments.plot is not None and plan.proposed is not None:
        _write(arguments.plot, chart(plan, planner))
    if arguments.json:
        print(json.dumps(asdict(plan) | {"notes": notes(results)}, indent=2, allow_nan=False))
    else:
        console = Console()
        print_plan(console, plan, types, results, notes(results), bool(prices))
        if arguments.plot is not None and plan.proposed is not None:
            console.print(f"picture: {arguments.plot}", markup=False, highlight=False)
    return ExitCode.OK if plan.proposed is not None else ExitCode.FAILED


def read_results(arguments: Sequence[str]) -> dict[str, CapacityResult]:
    """Read `[NAME=]FILE` each. Raises ConfigurationError and says which and why."""
    if not arguments:
        raise ConfigurationError(
            "a plan needs a measurement of each type of node: run `raymal capacity` there, keep its JSON, "
            "and name the file here"
        )
    results: dict[str, CapacityResult] = {}
    for argument in arguments:
        name, path = _named(argument)
        if name in results:
            raise ConfigurationError(f"{argument}: there is a type {name} already; name them: NAME=FILE")
        results[name] = _read(path)
    return results


def notes(results: Mapping[str, CapacityResult]) -> list[str]:
    """Return remarks on the measurements that the reader of a plan needs."""
    found = []
    for name, result in results.items():
        if result.workload.speech == "scripted":
            found.append(f"{name} was measured with scripted engines: it says nothing about real models")
        if result.confirmed is not None and (result.confirmed.invalid or result.confirmed.broken):
            reasons = "; ".join((*result.confirmed.invalid, *result.confirmed.broken))
            found.append(f"the confirming run of {name} was not clean: {reasons}")
        if not result.services:
            found.append(f"{name} has no service times: waiting at other loads is not predicted")
    if len({tuple(sorted(result.models.items())) for result in results.values()}) > 1:
        found.append("the types were measured with different models: callers would be served unequally")
    return found


def _named(argument: str) -> tuple[str, Path]:
    whole = Path(argument)
    name, equals, path = argument.partition("=")
    if not equals or whole.exists():
        return whole.stem, whole
    if not name or not path:
        raise ConfigurationError(f"{argument!r}: a type of node is written as NAME=FILE")
    return name, Path(path)


def _read(path: Path) -> CapacityResult:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigurationError(f"{path}: no such file; `raymal capacity` makes one") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: cannot be read: {error}") from None
    try:
        return CapacityResult.model_validate_json(text)
    except ValidationError as error:
        found = [
            f"{'.'.join(map(str, each['loc'])) or 'the file'}: {each['msg']}"
            for each in error.errors(include_url=False, include_input=False)
        ]
        more = f"; and {len(found) - SHOWN_ERRORS} more" if len(found) > SHOWN_ERRORS else ""
        raise ConfigurationError(
            f"{path}: not a result of `raymal capacity`: {'; '.join(found[:SHOWN_ERRORS])}{more}"
        ) from None


def _forecast(
    arguments: argparse.Namespace, types: Sequence[NodeType], results: Mapping[str, CapacityResult]
) -> Forecast:
    turns_per_minute = max(node_type.turns_per_minute for node_type in types)
    if arguments.turns_per_minute is not None:
        turns_per_minute = arguments.turns_per_minute
    elif arguments.talk_percent is not None:
        if not 0.0 < arguments.talk_percent < 100.0:
            raise ConfigurationError(
                f"--talk-percent: a share above 0 and below 100, not {arguments.talk_percent:g}"
            )
        longest_s = max(result.workload.utterance_s for result in results.values())
        turns_per_minute = arguments.talk_percent / 100.0 * 60.0 / longest_s
    objective_ms = min(result.objectives.turn_p95_ms for result in results.values())
    return Forecast(
        busy_hour_calls=arguments.busy_hour_calls,
        call_s=arguments.call_s,
        turns_per_minute=turns_per_minute,
        refused_percent=arguments.refused_percent,
        turn_p95_ms=objective_ms if arguments.turn_p95_ms is None else arguments.turn_p95_ms,
    )


def _planner(arguments: argparse.Namespace, types: Sequence[NodeType]) -> Planner:
    for count, flag in ((arguments.spare, "--spare"), (arguments.at_most, "--at-most")):
        if count < 0:
            raise ConfigurationError(f"{flag}: a number of nodes is 0 or more, not {count}")
    if not 0.0 < arguments.lines_percent <= 100.0:
        raise ConfigurationError(
            f"--lines-percent: a share above 0 and up to 100, not {arguments.lines_percent:g}"
        )
    by_name = {node_type.name: node_type for node_type in types}
    have = _numbers(arguments.have, "--have", by_name)
    for name, count in have.items():
        if count < 0 or not count.is_integer():
            raise ConfigurationError(f"--have: a number of nodes is whole, 0 or more, not {name}={count:g}")
    return Planner(
        types=types,
        rules=Rules(lines_percent=arguments.lines_percent, apart=arguments.separate),
        present=[Nodes(by_name[name], int(count)) for name, count in have.items() if count],
        spare=arguments.spare,
        at_most=arguments.at_most,
    )


def _numbers(pairs: Iterable[str], flag: str, names: Iterable[str]) -> dict[str, float]:
    """Read `NAME=NUMBER` each."""
    known = list(names)
    numbers = {}
    for pair in pairs:
        name, _, number = pair.rpartition("=")
        if name not in known:
            raise ConfigurationError(
                f"{flag} {pair}: NAME=NUMBER, with one of these names: {', '.join(known)}"
            )
        try:
            numbers[name] = float(number)
        except ValueError:
            raise ConfigurationError(f"{flag} {pair}: {number!r} is not a number") from None
    return numbers


def _write(path: Path, picture: str) -> None:
    try:
        path.write_text(picture, encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"--plot: {path} cannot be written: {error}") from None
