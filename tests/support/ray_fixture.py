"""One small Ray for all tests marked `cluster`: starting it takes longer than most of them."""

from __future__ import annotations

import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

# Before Ray is imported: no token in the home folder, no idle workers.
os.environ["RAY_AUTH_MODE"] = "disabled"
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
os.environ["RAY_ENABLE_UV_RUN_RUNTIME_ENV"] = "0"
os.environ["RAY_prestart_worker_first_driver"] = "0"  # noqa: SIM112  Ray's own spelling


@dataclass(frozen=True, slots=True)
class RayCluster:
    """A running Ray that this process is a driver of."""

    address: str
    """host:port, for processes of their own."""

    def namespace(self) -> str:
        """Return a namespace that no other test uses."""
        return f"test-{uuid.uuid4().hex[:8]}"


@pytest.fixture(scope="session")
def ray_cluster() -> Iterator[RayCluster]:
    """Start a Ray of two CPUs; kill nothing but it at the end."""
    import ray

    folder = Path(tempfile.mkdtemp(prefix="rt-"))
    try:
        # `local`: never join another Ray of this machine.
        ray.init(
            address="local",
            num_cpus=2,
            num_gpus=0,
            include_dashboard=False,
            log_to_driver=False,
            object_store_memory=80 * 1024 * 1024,
            _temp_dir=str(folder),
        )
        yield RayCluster(ray.get_runtime_context().gcs_address)
        ray.shutdown()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
