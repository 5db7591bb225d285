"""Extensions in the operator's files: only what is meant changes, whole or not at all."""

from __future__ import annotations

import os
import stat
import tomllib
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st

from actors.errors import ConfigurationError
from ingress.server.extension_files import ExtensionFiles

TEXT = """# The PBX in Recife.
[server]
max_calls = 7  # the licence

[extensions.sales]
# Asked for by Ana.
port = 9100   # as in extensions.conf
language = "es"

[extensions.sales.dialog]
greeting = "Hola."  # short

[extensions.night]
port = 9101

[cache]
disk_bytes = 0
"""


@pytest.fixture
def configuration(tmp_path: Path) -> Path:
    """A file as people write it."""
    file = tmp_path / "raymal.toml"
    file.write_text(TEXT)
    return file


def test_only_what_is_meant_changes(configuration: Path) -> None:
    """Comments, order and every other line stay."""
    files = ExtensionFiles(configuration, None)
    settings = {"port": 9100, "language": "pt", "dialog": {"greeting": "Hola."}, "voice": None}
    assert files.with_extension("sales", settings, is_known=True).text == TEXT.replace('"es"', '"pt"')
    removed = files.without_extension("night").text
    assert removed == TEXT.replace("[extensions.night]\nport = 9101\n\n", "")
    added = files.with_extension("new", {"dialog": {"name": "tone"}, "port": "auto"}, is_known=False).text
    assert "# Asked for by Ana.\nport = 9100   # as in" in added
    assert tomllib.loads(added)["extensions"]["new"] == {"dialog": {"name": "tone"}, "port": "auto"}


def test_a_new_one_goes_to_the_file_for_those(configuration: Path, tmp_path: Path) -> None:
    """Which need not exist yet; one that is in a file stays in it."""
    files = ExtensionFiles(configuration, tmp_path / "extensions.toml")
    draft = files.with_extension("new", {"port": 9102}, is_known=False)
    assert draft.file == tmp_path / "extensions.toml"
    draft.prepare().commit()
    assert tomllib.loads(draft.file.read_text()) == {"extensions": {"new": {"port": 9102}}}
    assert files.without_extension("new").file == draft.file
    assert files.without_extension("sales").file == configuration


def test_what_no_file_can_keep_is_refused_with_the_remedy(configuration: Path) -> None:
    """Set by flags, no file at all, the server's own port, a file with a mistake, a table in one line."""
    with pytest.raises(ConfigurationError, match="it is set by flags"):
        ExtensionFiles(configuration, None).with_extension("flags", {"port": 1}, is_known=True)
    with pytest.raises(ConfigurationError, match="start the server with --config, or set extensions_source"):
        ExtensionFiles(None, None).with_extension("new", {"port": 1}, is_known=False)
    with pytest.raises(ConfigurationError, match="the server's own port"):
        ExtensionFiles(configuration, None).with_extension("default", {"port": 1}, is_known=True)
    configuration.write_text("[extensions")
    with pytest.raises(ConfigurationError, match="cannot be read as TOML"):
        ExtensionFiles(configuration, None).without_extension("sales")


def test_the_file_is_replaced_at_once_with_its_mode(configuration: Path, tmp_path: Path) -> None:
    """Also where it is a link; what is given up, or cannot be written, leaves nothing behind."""
    configuration.chmod(0o640)
    link = tmp_path / "link.toml"
    link.symlink_to(configuration)
    draft = ExtensionFiles(link, None).without_extension("night")
    draft.prepare().discard()
    assert configuration.read_text() == TEXT
    draft.prepare().commit()
    assert link.is_symlink()
    assert configuration.read_text() == draft.text
    assert stat.S_IMODE(configuration.stat().st_mode) == 0o640
    assert sorted(os.listdir(tmp_path)) == ["link.toml", "raymal.toml"]
    nowhere = ExtensionFiles(None, tmp_path / "none" / "extensions.toml")
    with pytest.raises(ConfigurationError, match=r"cannot be changed .* set extensions_source\.file"):
        nowhere.with_extension("new", {"port": 1}, is_known=False).prepare()


KEYS = st.sampled_from(["port", "language", "dialog", "barge_in", "voice"])
VALUES = st.one_of(st.integers(0, 9), st.text(max_size=5), st.booleans(), st.lists(st.integers(0, 9)))
TABLES = st.dictionaries(KEYS, st.one_of(VALUES, st.dictionaries(KEYS, VALUES, max_size=3)), max_size=4)
EXTENSION_TEXTS = st.sampled_from(
    [
        TEXT,
        "",
        'extensions.sales = { port = 9100, dialog = { name = "tone" } }\n[server]\nport = 1\n',
        "[extensions]\nsales.port = 9100\nnight = {}\n[cache]\n",
        "[extensions.night]\nport = 2\n[cache]\n[extensions.sales]\nport = 1\n",
    ]
)


@limits(max_examples=25, deadline=None)
@given(EXTENSION_TEXTS, st.sampled_from(["sales", "night", "new"]), TABLES)
def test_the_file_says_what_was_asked_or_nothing_is_written(
    text: str, name: str, settings: dict[str, object]
) -> None:
    """However people wrote it: the new text means the old one with that extension, or there is a refusal."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "raymal.toml"
        file.write_text(text)
        try:
            draft = ExtensionFiles(file, None).with_extension(name, settings, is_known=False)
        except ConfigurationError:
            assert "[extensions]" in text or "= {" in text
            return
    before, after = tomllib.loads(text), tomllib.loads(draft.text)
    before.setdefault("extensions", {})[name] = settings
    assert after == before
