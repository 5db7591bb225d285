"""Classes by name: what is found, and one clear line for what is not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from actors.engines.base import TtsEngine
from actors.errors import ConfigurationError
from actors.plugins.lookup import Catalogue

ENGINES = Catalogue("engine", {"scripted": "actors.engines.scripted:ScriptedTts"}, group="raymal.tests")
MODULES = {
    "whole": "from actors.engines import TtsEngine\nclass Own(TtsEngine):\n"
    "    def load(self): ...\n    def synthesize(self, request): yield b'12'\n"
    "class Half(TtsEngine):\n    def load(self): ...\n",
    "raises": "words = 'secret'\n\nraise ValueError(words)\n",
    "misspelt": "x = 1\nclass Own(:\n",
    "needs": "import a_package_that_is_not_there\n",
    "deep": "import json\njson.loads('secret')\n",
    "outer": "x = 1\nimport deep\n",
    "leaves": "import sys\nsys.exit('secret')\n",
}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with some modules; what is imported from it is forgotten."""
    for name, text in MODULES.items():
        (tmp_path / f"{name}.py").write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path.copy())
    for name in MODULES:
        monkeypatch.delitem(sys.modules, name, raising=False)
    return tmp_path


def test_a_class_in_the_working_folder_is_found() -> None:
    """Also by a command that has not got that folder on its path."""
    assert ENGINES.load("whole:Own", TtsEngine, "speech.tts").__name__ == "Own"  # type: ignore[type-abstract]


def test_a_built_in_class_is_imported_when_it_is_used() -> None:
    """Not when its name is checked."""
    program = (
        "import sys; from actors.plugins.lookup import Catalogue; from actors.engines import TtsEngine\n"
        "engines = Catalogue('engine', {'scripted': 'actors.engines.scripted:ScriptedTts'}, 'raymal.tests')\n"
        "engines.class_path('scripted', 'speech.tts'); assert 'numpy' not in sys.modules\n"
        "engines.load('scripted', TtsEngine, 'speech.tts'); assert 'numpy' in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60, cwd=Path(__file__).parents[3])


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("scriptd", "unknown engine 'scriptd'; choose one of scripted, or write package.module:Class"),
        ("no way:Own", "unknown engine 'no way:Own'"),
        ("nowhere:Own", "'nowhere:Own': there is no module 'nowhere' in {folder} nor among"),
        ("whole.deep:Own", "'whole.deep:Own': there is no module 'whole.deep' in "),
        ("whole:Missing", "'whole:Missing': the module 'whole' has no 'Missing'"),
        ("whole:Half", "'whole:Half' lacks synthesize"),
        ("pathlib:Path", "'pathlib:Path' is no TtsEngine: derive the class from TtsEngine"),
        ("sys:path", "'sys:path' is no TtsEngine"),
        ("raises:Own", "'raises:Own': importing 'raises' failed with ValueError at {folder}/raises.py:3"),
        ("misspelt:Own", "importing 'misspelt' failed with SyntaxError at {folder}/misspelt.py:2"),
        ("needs:Own", "failed with ModuleNotFoundError (a_package_that_is_not_there) at {folder}/needs.py:1"),
        ("deep:Own", "importing 'deep' failed with JSONDecodeError at {folder}/deep.py:2"),
        ("outer:Own", "importing 'outer' failed with JSONDecodeError at {folder}/deep.py:2"),
        ("leaves:Own", "importing 'leaves' failed with SystemExit at {folder}/leaves.py:2"),
    ],
)
def test_what_cannot_be_used_is_one_clear_line(name: str, expected: str, folder: Path) -> None:
    """Setting, name, what is wrong, what to do; of an error in the module only its type and place."""
    with pytest.raises(ConfigurationError) as caught:
        ENGINES.load(name, TtsEngine, "speech.tts")  # type: ignore[type-abstract]
    line = str(caught.value)
    assert line.startswith("speech.tts: ")
    assert expected.format(folder=folder) in line
    assert "\n" not in line
    assert "secret" not in line


def install(site: Path, name: str, value: str) -> None:
    """Put a package with an engine called `twice` on Python's path, as pip would."""
    information = site / f"{name}-1.0.dist-info"
    information.mkdir(parents=True)
    (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text(f"[raymal.tests]\ntwice = {value}\n")


def test_two_packages_with_one_name_are_an_error(folder: Path) -> None:
    """Which of them was meant is not known. The same package, found twice, is one."""
    for site in ("one", "two", "three"):
        sys.path.append(str(folder / site))
    install(folder / "one", "first", "whole:Own")
    install(folder / "two", "first", "whole:Own")
    assert ENGINES.class_path("twice", "speech.tts") == "whole:Own"
    install(folder / "three", "second", "whole:Half")
    with pytest.raises(ConfigurationError) as caught:
        ENGINES.class_path("twice", "speech.tts")
    assert str(caught.value) == (
        "speech.tts: several installed packages have the engine 'twice': first (whole:Own), "
        "second (whole:Half); write package.module:Class, or uninstall one"
    )
