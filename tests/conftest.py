"""What all tests share: no Ray unless a test says so, private runtime folders, quiet machines."""

from __future__ import annotations

import gc
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

pytest_plugins = ["ray_fixture"]

# A busy machine is no reason for a property test to fail.
settings.register_profile("raymal", deadline=None)
settings.load_profile("raymal")
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")


@pytest.fixture(autouse=True, scope="session")
def private_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Phrases that tests render are kept apart from those of whoever runs the tests."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("RAYMAL_CACHE", str(tmp_path_factory.mktemp("phrases")))
        yield


@pytest.fixture(autouse=True)
def no_accidental_ray(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make `ray.init` fail in tests that are not marked `cluster`, if Ray is loaded at all."""
    ray = sys.modules.get("ray")
    if ray is None or request.node.get_closest_marker("cluster"):
        return

    def refuse(*arguments: object, **options: object) -> None:
        raise AssertionError("a test that is not marked `cluster` started Ray")

    monkeypatch.setattr(ray, "init", refuse)


@pytest.fixture
def runtime_folder(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """A short private folder for servers' sockets (a Unix socket's path has 107 bytes)."""
    folder = Path(tempfile.mkdtemp(prefix="raymal-test-"))
    monkeypatch.setenv("RAYMAL_RUNTIME", str(folder))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def pytest_collection_finish() -> None:
    """Let the garbage collector pass over what 4,000 tests consist of: it is there to the end."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """In CI nothing is left out: a test that wants to be skipped fails there, with its reason."""
    report = yield
    if os.environ.get("CI") and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped, and in CI nothing may be: {report.longrepr}"
    return report
