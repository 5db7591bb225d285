"""`raymal cluster`: the speech workers of a Ray cluster, apart from any server."""

from __future__ import annotations

import argparse
import asyncio

from ingress.exit_codes import ExitCode
from ingress.settings import Settings


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its own commands to the command line."""
    parser = commands.add_parser("cluster", help="the speech workers of a Ray cluster")
    actions = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    stop = actions.add_parser(
        "stop",
        help="stop the speech workers and their manager",
        description="Remove raymal's actors from a cluster, whatever they are doing. Servers that still "
        "use them start them again. Not needed in daily life: 30 s after the last server has gone the "
        "workers stop by themselves.",
    )
    stop.add_argument("--ray-address", default="auto", help="of the cluster: host:port or auto (auto)")
    stop.add_argument("--namespace", default=Settings().fleet.ray_namespace, help="Ray namespace (raymal)")
    stop.set_defaults(run=run_stop)


def run_stop(arguments: argparse.Namespace) -> int:
    """Remove the actors and say how many there were."""
    from actors.cluster import stop_fleet  # imports Ray: a second, only if wanted

    fleet = Settings().fleet.model_copy(
        update={"ray_address": arguments.ray_address, "ray_namespace": arguments.namespace}
    )
    removed = asyncio.run(stop_fleet(fleet))
    print(f"{removed} actors removed")
    return ExitCode.OK
