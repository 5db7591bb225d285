"""Run the rebuilt server until SIGTERM; prints "listening PORT" once its models are loaded."""

from __future__ import annotations

import argparse
import asyncio
import os

from actors.engines.whisper_weights import obtain
from actors.settings import WhisperSettings
from benchmarks.seed_design.models import DEFAULT_BEAM, StockModels
from benchmarks.seed_design.resource_manager import ResourceManager, concurrency_here
from benchmarks.seed_design.server import SeedServer
from benchmarks.seed_design.speech_service import Models, SpeechService
from ingress.configuration.settings import EndpointingSettings


async def serve(port: int, models: Models, at_a_time: int, is_throttling: bool) -> None:
    """Serve until the process is ended."""
    resources = ResourceManager(at_a_time, is_throttling)
    server = SeedServer(SpeechService(models, resources), resources, EndpointingSettings())
    async with server.listening(port) as bound:
        print("listening", bound, flush=True)
        await asyncio.Event().wait()


def main() -> None:
    """Load the models, then serve."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.seed_design", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--throttle", action="store_true", help="sleep 1.5 times as long under load")
    parser.add_argument("--model", default=WhisperSettings().model, help="as speech.whisper.model")
    parser.add_argument("--beam", type=int, default=DEFAULT_BEAM, help=f"of the decoder ({DEFAULT_BEAM})")
    options = parser.parse_args()
    at_a_time = concurrency_here()
    threads = len(os.sched_getaffinity(0))
    models = StockModels(obtain(WhisperSettings(model=options.model)), threads, at_a_time, options.beam)
    asyncio.run(serve(options.port, models, at_a_time, options.throttle))


if __name__ == "__main__":
    main()
