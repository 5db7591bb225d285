"""`raymal cluster`: the speech workers of a Ray cluster, apart from any server."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from dataclasses import asdict

from actors.api.apart import do_apart
from actors.cluster.apart import ask_apart
from actors.errors import ConfigurationError, WorkerLostError
from actors.fleet.node_notation import parse_nodes
from actors.fleet.ray_address import check_ray_address
from actors.fleet.sizing import plan
from actors.manager.admission import AdmissionBook, SlotUse
from actors.messages import WorkKind
from actors.settings import FleetSettings
from ingress.commands import serve
from ingress.commands.arguments import seconds
from ingress.commands.fleet_lines import plan_lines, status_lines
from ingress.configuration.settings import Settings
from ingress.gateway.cluster_door import errand as door_errand
from ingress.server.checking import api_problems, extension_book
from ingress.server.exit_codes import ExitCode

PLAN_FLAGS = ("--stt", "--tts", "--model", "--max-transcriptions", "--max-syntheses")
"""Flags of `raymal serve` that change the number of workers."""

DEADLINE_S = 10.0
"""For all that a Ray is asked: the commands do not wait for one to start."""
LONGEST_DEADLINE_S = 3_600.0

NODES_HELP = """machines, as COUNTxPART+PART,...: a PART is a number and a unit, 8cpu (cores), 16gb (memory),
1gpu (GPUs) or 24gbgpu (memory of each GPU). Unsaid: one machine, 8 cores, 4 GB a core, no GPU; a GPU of
unknown memory counts as 8 GB. Example: 4x8cpu+16gb,1x8cpu+1gpu+24gbgpu"""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its own commands to the command line."""
    parser = commands.add_parser("cluster")
    actions = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    status = actions.add_parser(
        "status",
        help="show nodes, workers, slots and load of a cluster",
        description="Show every node with its workers and why they are so many, the level of load with its "
        "reasons, and the calls. Exit code 1 while no whole turn can be served, 3 if no cluster answers. "
        "Starts nothing.",
    )
    status.add_argument("--json", action="store_true", help="print JSON")
    _add_address(status)
    status.set_defaults(run=run_status)
    planned = actions.add_parser(
        "plan",
        help="show the workers that hardware would get",
        description="Show the workers that raymal would start on machines one need not have. Settings are "
        "read as `raymal serve` reads them. Exit code 1 if a kind of work could not be done at all.",
    )
    planned.add_argument("--nodes", required=True, metavar="NODES", help=NODES_HELP)
    planned.add_argument(
        "--ingress-nodes",
        type=int,
        default=1,
        metavar="N",
        help="so many of them, the first, run Asterisk and `raymal serve` as well (1)",
    )
    planned.add_argument("--json", action="store_true", help="print JSON")
    serve.add_settings_flags(planned, PLAN_FLAGS)
    planned.set_defaults(run=run_plan)
    door = actions.add_parser(
        "door",
        help="open or close the cluster's HTTP door on Ray Serve",
        description="Open the door (docs/api.md) on a cluster, as `raymal serve --api` does, or close it. "
        "Settings are read as `raymal serve` reads them; `[api]` and `[web]` count. Done twice it changes "
        "nothing.",
    )
    door.add_argument("--close", action="store_true", help="close it")
    serve.add_settings_flags(door, ())
    _add_address(door)
    door.set_defaults(run=run_door)
    stop = actions.add_parser(
        "stop",
        help="stop the speech workers and their manager",
        description="Remove raymal's actors from a cluster, whatever they are doing. Servers that still "
        "use them start them again. Not needed in daily life: 30 s after the last server has gone the "
        "workers stop by themselves.",
    )
    _add_address(stop)
    stop.set_defaults(run=run_stop)


def _add_address(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--ray-address",
        default=os.environ.get("RAY_ADDRESS") or "auto",
        help="of the cluster: host:port or auto ($RAY_ADDRESS, else auto)",
    )
    parser.add_argument("--namespace", default=Settings().fleet.ray_namespace, help="Ray namespace (raymal)")
    parser.add_argument(
        "--deadline",
        type=seconds(LONGEST_DEADLINE_S),
        default=DEADLINE_S,
        metavar="SECONDS",
        help=f"give up after so long ({DEADLINE_S:g})",
    )


def _fleet(arguments: argparse.Namespace) -> FleetSettings:
    check_ray_address(arguments.ray_address)
    return FleetSettings(
        ray_address=arguments.ray_address,
        ray_namespace=arguments.namespace,
        worker_start_deadline_s=arguments.deadline,
    )


def run_status(arguments: argparse.Namespace) -> int:
    """Ask the manager once and print."""
    fleet = _fleet(arguments)
    try:
        status = ask_apart("fleet_status", fleet)
    except (ConfigurationError, WorkerLostError) as error:
        print(f"raymal: {error}", file=sys.stderr)
        return ExitCode.UNREACHABLE
    if arguments.json:
        print(json.dumps({"is_ready": status.is_ready, **asdict(status)}, indent=2))
    else:
        print(*status_lines(status), sep="\n")
    return ExitCode.OK if status.is_ready else ExitCode.FAILED


def run_plan(arguments: argparse.Namespace) -> int:
    """Plan for the machines that were written and print."""
    nodes = parse_nodes(arguments.nodes, arguments.ingress_nodes)
    settings = serve.settings_of(arguments)
    made = plan(nodes, settings.fleet, settings.speech, extension_book(settings).engines)
    use = {kind: SlotUse(made.slots(kind), 0.0) for kind in WorkKind}
    calls = AdmissionBook(settings.admission).capacity(use)
    if arguments.json:
        print(
            json.dumps({"calls": calls, "nodes": [asdict(node) for node in nodes], **asdict(made)}, indent=2)
        )
    else:
        print(*plan_lines(nodes, made, calls), sep="\n")
    return ExitCode.FAILED if made.impossible else ExitCode.OK


def run_door(arguments: argparse.Namespace) -> int:
    """Open or close the door and say where it is."""
    settings = serve.settings_of(arguments)
    settings = settings.model_copy(update={"fleet": _fleet(arguments)})
    if problems := list(api_problems(settings)):
        raise ConfigurationError("\n".join(problems))
    errand = door_errand(settings).model_copy(update={"closes": arguments.close})
    try:
        print(asyncio.run(do_apart(errand)))
    except WorkerLostError as error:
        print(f"raymal: {error}", file=sys.stderr)
        return ExitCode.UNREACHABLE
    return ExitCode.OK


def run_stop(arguments: argparse.Namespace) -> int:
    """Remove the actors and say how many there were."""
    fleet = _fleet(arguments)
    try:
        removed = ask_apart("stop_fleet", fleet)
    except (ConfigurationError, WorkerLostError) as error:
        print(f"raymal: {error}", file=sys.stderr)
        return ExitCode.UNREACHABLE
    print(f"{removed} actors removed")
    return ExitCode.OK
