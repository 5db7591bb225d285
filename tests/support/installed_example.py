"""A package under `examples/`, as pip would install it: its modules and its entry points in a folder."""

from __future__ import annotations

import shutil
import tomllib
from pathlib import Path

EXAMPLES = Path(__file__).parents[2] / "examples"


def install(name: str, site: Path) -> None:
    """Put the example `name` into `site`, a folder that is on Python's path."""
    source = EXAMPLES / name
    settings = tomllib.loads((source / "pyproject.toml").read_text())
    for module in settings["tool"]["setuptools"]["py-modules"]:
        shutil.copy(source / f"{module}.py", site)
    project = settings["project"]
    information = site / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    information.mkdir()
    (information / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    )
    (information / "entry_points.txt").write_text(
        "".join(
            f"[{group}]\n" + "".join(f"{key} = {value}\n" for key, value in points.items())
            for group, points in project["entry-points"].items()
        )
    )
