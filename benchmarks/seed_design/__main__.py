"""Run the rebuilt server until SIGTERM; prints "listening PORT" once its models are loaded."""

from __future__ import annotations

import argparse
import asyncio
import os

from benchmarks.seed_design.models import DEFAULT_BEAM, StockModels
from benchmarks.seed_design.resource_manager import ResourceManager, concurrency_here
from benchmarks.seed_design.server import SeedServer


async def serve(port: int, models: StockModels, at_a_time: int, is_throttling: bool) -> None:
    """Serve until the process is ended."""
    async with SeedServer(models, ResourceManager(at_a_time, is_throttling)).listening(port) as bound:
        print("listening", bound, flush=True)
        await asyncio.Event().wait()


def main() -> None:
    """Load the models, then serve."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.seed_design", description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--throttle", action="store_true", help="sleep 1.5 times as long under load")
    parser.add_argument("--model", required=True, help="folder of the whisper weights, or a hub name")
    options = parser.parse_args()
    at_a_time = concurrency_here()
    models = StockModels(options.model, len(os.sched_getaffinity(0)), at_a_time, DEFAULT_BEAM)
    asyncio.run(serve(options.port, models, at_a_time, options.throttle))


if __name__ == "__main__":
    main()
