"""The example packages, installed for one module of tests."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from installed_example import install


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder on Python's path, with `booking` and `beeps` installed in it."""
    folder = tmp_path_factory.mktemp("site")
    for name in ("booking", "beeps"):
        install(name, folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        yield folder
    for name in ("booking", "beeps"):
        sys.modules.pop(name, None)
