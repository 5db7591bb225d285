"""Extensions from PostgreSQL: a real server, which is stopped, filled with rubbish, and started again."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from postgresql import GUEST, SCHEMA, PostgresqlServer, needs_postgresql, postgresql_server
from running_server import running_server, wait_until

from actors.errors import ConfigurationError
from actors.messages import Priority
from ingress.configuration.extension_tables import Tables, with_extensions
from ingress.configuration.loading import load_settings
from ingress.configuration.settings import (
    ExtensionSettings,
    ExtensionsSourceSettings,
    ServerSettings,
    Settings,
)
from ingress.link.messages import ExtensionsRequest, PutExtension, RemoveExtension
from ingress.server import extension_database, observer
from ingress.server.checking import check
from ingress.server.extension_database import MAXIMUM_ROWS, ExtensionDatabase

TONE = {"fleet": {"backend": "local"}, "dialog": {"name": "tone"}}
SALES = "INSERT INTO raymal_extensions (name, port, max_calls) VALUES ('sales', 9100, 7)"
SEVEN: dict[str, dict[str, Any]] = {"sales": {"port": 9100, "max_calls": 7}}


@pytest.fixture(scope="module")
def running() -> Iterator[PostgresqlServer]:
    """One server for all tests."""
    with postgresql_server() as server:
        yield server


@pytest.fixture
def server(running: PostgresqlServer) -> PostgresqlServer:
    """The server, its table empty."""
    running.sql("TRUNCATE raymal_extensions")
    return running


@pytest.fixture
def source(server: PostgresqlServer, tmp_path: Path) -> ExtensionsSourceSettings:
    """The table, and a copy in a folder of the test."""
    return ExtensionsSourceSettings(url=server.url(), local_copy=str(tmp_path / "copy.json"))


class Follower:
    """Takes extensions as a server does: checked whole."""

    def __init__(self, source: ExtensionsSourceSettings, **settings: object) -> None:
        self.database = ExtensionDatabase(source, 9092)
        self.sets: list[Tables] = []
        self._settings = Settings.model_validate(TONE).model_copy(update=settings)

    async def take(self, tables: Tables) -> None:
        """Take a set, if it can be served."""
        check(with_extensions(self._settings, tables))
        self.sets.append(tables)

    async def start(self) -> list[Tables]:
        """Begin; return what was taken."""
        await self.database.start(self.take)
        return self.sets

    @asynccontextmanager
    async def following(self) -> AsyncIterator[Follower]:
        """Begin, then follow."""
        await self.start()
        task = asyncio.create_task(self.database.run(self.take))
        try:
            await self.until(lambda: self.database.problem is None)
            yield self
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def until(self, condition: Callable[[], bool], deadline_s: float = 10.0) -> float:
        """Wait until the condition holds; return for how long."""
        begin_s = time.monotonic()
        while not condition():
            assert time.monotonic() - begin_s < deadline_s, (self.database.problem, self.sets)
            await asyncio.sleep(0.01)
        return time.monotonic() - begin_s


def logged(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return the lines about the database; a busy machine has others."""
    return [it.getMessage() for it in caplog.records if it.name == extension_database.__name__]


CHANGES: dict[str, dict[str, dict[str, Any]]] = {
    SALES: SEVEN,
    "UPDATE raymal_extensions SET priority = 'high', note = 'of Ana', "
    """settings = '{"dialog": {"name": "tone", "tone_hz": 300}}'""": {
        "sales": SEVEN["sales"] | {"priority": "high", "dialog": {"name": "tone", "tone_hz": 300}}
    },
    "UPDATE raymal_extensions SET enabled = false": {},
    "UPDATE raymal_extensions SET enabled = true, settings = '{}', priority = NULL": SEVEN,
    "DELETE FROM raymal_extensions": {},
    f"BEGIN; {SALES}; UPDATE raymal_extensions SET name = 'shop'; COMMIT": {"shop": SEVEN["sales"]},
    "TRUNCATE raymal_extensions": {},
}


@needs_postgresql
async def test_changes_are_seen_within_a_second(
    server: PostgresqlServer, source: ExtensionsSourceSettings
) -> None:
    """Inserted, changed, switched off and on, deleted, all gone; columns and JSON make one table."""
    async with Follower(source).following() as follower:
        for statement, expected in CHANGES.items():
            await asyncio.to_thread(server.sql, statement)
            assert await follower.until(lambda wanted=expected: follower.database.taken == wanted) < 1.0
    assert follower.sets == [{}, *CHANGES.values()], "nothing is handed on twice, or half changed"


@needs_postgresql
async def test_what_is_not_committed_is_not_seen(
    server: PostgresqlServer, source: ExtensionsSourceSettings
) -> None:
    """Other changes meanwhile are."""
    async with Follower(source).following() as follower:
        half = f"BEGIN; {SALES}; SELECT pg_sleep(0.5); ROLLBACK"
        pending = asyncio.create_task(asyncio.to_thread(server.sql, half))
        await asyncio.to_thread(server.sql, "INSERT INTO raymal_extensions (name, port) VALUES ('shop', 1)")
        await follower.until(lambda: follower.database.taken == {"shop": {"port": 1}}, 1.0)
        await pending
        follower.database.read_again()
        await asyncio.sleep(0.3)
    assert follower.sets == [{}, {"shop": {"port": 1}}]


@needs_postgresql
async def test_a_database_that_goes_and_comes_back(
    server: PostgresqlServer, source: ExtensionsSourceSettings, caplog: pytest.LogCaptureFixture
) -> None:
    """The extensions stay; a line when it goes, and when it is back; no busy loop; then changes are seen."""
    server.sql(SALES)
    caplog.set_level(logging.INFO, logger=extension_database.__name__)
    async with Follower(source).following() as follower:
        caplog.clear()
        begin_cpu_s = time.process_time()
        await asyncio.to_thread(server.stop)
        await follower.until(lambda: follower.database.problem is not None, 2.0)
        await asyncio.sleep(0.5)
        assert time.process_time() - begin_cpu_s < 0.4
        assert follower.database.taken == SEVEN
        await asyncio.to_thread(server.start)
        await follower.until(lambda: follower.database.problem is None)
        await asyncio.to_thread(server.sql, "UPDATE raymal_extensions SET max_calls = 8")
        await follower.until(lambda: follower.database.taken["sales"]["max_calls"] == 8, 1.0)
    gone, back = logged(caplog)
    assert "the database cannot be reached" in gone
    assert back == f"extensions follow table raymal_extensions of {server.url().split('?')[0]}"


@needs_postgresql
async def test_a_server_starts_from_the_copy(
    server: PostgresqlServer,
    source: ExtensionsSourceSettings,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It is its owner's alone, and of that table alone; a spoilt one is named and left aside."""
    server.sql(SALES)
    assert await Follower(source).start() == [SEVEN]
    copy = tmp_path / "copy.json"
    assert copy.stat().st_mode & 0o777 == 0o600
    server.stop()
    try:
        follower = Follower(source)
        assert await follower.start() == [SEVEN] == [follower.database.taken]
        other = source.model_copy(update={"url": server.url(database="other")})
        assert await Follower(other).start() == [{}]
        copy.write_text(copy.read_text()[:-9])
        assert await Follower(source).start() == [{}]
        assert "copy.json cannot be read: it is no copy of extensions" in caplog.text
    finally:
        server.start()
    assert os.listdir(tmp_path) == ["copy.json"]


@needs_postgresql
async def test_a_start_with_wrong_rows_begins_with_the_copy(
    server: PostgresqlServer, source: ExtensionsSourceSettings, tmp_path: Path
) -> None:
    """Which holds the last set that was taken."""
    server.sql(SALES)
    await Follower(source).start()
    server.sql("UPDATE raymal_extensions SET settings = '{\"prot\": 1}'")
    assert await Follower(source).start() == [SEVEN]
    assert json.loads((tmp_path / "copy.json").read_text())["extensions"] == SEVEN


WRONG = {
    "'sales', 0, '{\"prot\": 1}'": "unknown setting 'extensions.sales.prot'; did you mean 'port'?",
    "'sales', 0, '{\"dialog\": \"echo\"}'": "extensions.sales.dialog = 'echo': Input should be",
    "'sales', NULL, '{}'": "extensions.sales.port is missing",
    "'sales', 70000, '{}'": "extensions.sales.port = 70000: Input should be less than or equal to 65535",
    "'sales', 9092, '{}'": "extensions.sales.port = 9092: the same as server.port",
    "'default', 0, '{}'": "extensions.'default': this is the name of the server's own port",
    "'two words', 0, '{}'": "extensions.'two words': an extension's name is made of letters",
    "NULL, 0, '{}'": "a row without a name",
    "'sales', 0, '{}', '1'": "row 'sales', column enabled: true or false is needed",
    "'old', 0, '{}'": "row 'old': there are several of this name; keep one",
    "'sales', 0, '[1, 2]'": "row 'sales', column settings: a JSON object with keys of [extensions.NAME]",
    "'sales', 1, '{\"port\": 2}'": "row 'sales': 'port' is set in its column and in the column settings",
    "'sales', 0, '{\"barge_in\": {\"speech_ms\": 60}}'": "extensions.sales.barge_in.speech_ms = 60: less",
    f"'sales', 0, '{'[' * 500}{']' * 500}'": "row '",
    "'shop', 0, '{}'": "extensions.shop: it is in the configuration, too; keep it in one place",
    f"generate_series(0, {MAXIMUM_ROWS})::text, 0, '{{}}'": f"there are more than {MAXIMUM_ROWS} rows",
    "'sales', 0, to_jsonb(repeat('x', 1100000))": "bytes as JSON, more than 1048576; shorten them",
}


@needs_postgresql
async def test_a_wrong_row_is_named_and_the_old_set_stays(
    server: PostgresqlServer,
    source: ExtensionsSourceSettings,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whatever a table without our checks lets in; it is said once, and the next right set is taken."""
    monkeypatch.setattr(extension_database, "SETTLE_S", 0.01)
    server.sql("CREATE TABLE loose (name text, port integer, settings jsonb, enabled jsonb DEFAULT 'true')")
    server.sql("INSERT INTO loose VALUES ('old', 0, NULL)")
    server.sql(
        "CREATE TRIGGER changed AFTER INSERT OR DELETE ON loose "
        "FOR EACH STATEMENT EXECUTE FUNCTION raymal_extensions_changed()"
    )
    follower = Follower(
        source.model_copy(update={"table": "public.loose"}),
        extensions=Settings.model_validate({"extensions": {"shop": {"port": 0}}}).extensions,
    )
    async with follower.following():
        for values, complaint in WRONG.items():
            await asyncio.to_thread(server.sql, f"INSERT INTO loose SELECT {values}")
            await follower.until(lambda: follower.database.problem is not None, 2.0)
            line = logged(caplog)[-1]
            assert line.startswith("the extensions stay as they are; table public.loose of "), values
            assert complaint in line, values
            await asyncio.to_thread(server.sql, "DELETE FROM loose WHERE settings IS NOT NULL")
            await follower.until(lambda: follower.database.problem is None, 2.0)
    assert follower.sets == [{"old": {"port": 0}}]
    assert sum(line.startswith("the extensions stay") for line in logged(caplog)) == len(WRONG)


@needs_postgresql
async def test_as_many_rows_as_are_allowed_are_served(
    server: PostgresqlServer, source: ExtensionsSourceSettings
) -> None:
    """They are checked within a moment."""
    async with Follower(source).following() as follower:
        rows = f"SELECT 'x' || n, 10000 + n FROM generate_series(1, {MAXIMUM_ROWS}) AS n"
        await asyncio.to_thread(server.sql, f"INSERT INTO raymal_extensions (name, port) {rows}")
        await follower.until(lambda: len(follower.database.taken) == MAXIMUM_ROWS)


@needs_postgresql
def test_the_columns_are_keys(server: PostgresqlServer) -> None:
    """Those of deploy/postgresql.sql; and it may be run again."""
    server.sql(SCHEMA.read_text())
    query = "SELECT column_name FROM information_schema.columns WHERE table_name = 'raymal_extensions'"
    columns = set(server.sql(query).splitlines()) - {"name", "enabled", "settings", "note"}
    assert columns == {"port", "priority", "max_calls", "language", "voice"}
    assert columns < ExtensionSettings.model_fields.keys()
    for priority in Priority:
        server.sql(f"INSERT INTO raymal_extensions (name, priority) VALUES ('{priority}', '{priority}')")


@needs_postgresql
async def test_a_database_that_hangs_is_left_and_found_again(
    server: PostgresqlServer, source: ExtensionsSourceSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It answers nothing, and no connection ends; then it goes on."""
    for deadline in ("CONNECT", "ANSWER", "CLOSE"):
        monkeypatch.setattr(extension_database, f"{deadline}_DEADLINE_S", 0.2)
    monkeypatch.setattr(extension_database, "READ_AGAIN_S", 0.1)
    server.sql(SALES)
    async with Follower(source).following() as follower:
        with server.stopped():
            await follower.until(lambda: follower.database.problem is not None)
            assert follower.database.problem == "the database cannot be reached: it does not answer"
            await asyncio.sleep(0.3)
            await Follower(source).start()
        await follower.until(lambda: follower.database.problem is None)
        assert follower.database.taken == SEVEN


REFUSALS = {
    "wrong password": "the database refuses raymal's user or its password; set extensions_source.",
    "no table": "there is no such table; make it with deploy/postgresql.sql",
    "not granted": "may not read it; GRANT SELECT ON secret",
    "no database": 'there is no such database: database "nosuch" does not exist',
    "no server": "the database cannot be reached: ",
}


@needs_postgresql
@pytest.mark.parametrize("fault", REFUSALS)
async def test_what_the_database_refuses_is_explained(
    fault: str, server: PostgresqlServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """With the remedy, and never with a password."""
    server.sql("CREATE TABLE IF NOT EXISTS secret (name text)")
    right, wrong = tmp_path / "right", tmp_path / "wrong"
    right.write_text(f"{GUEST}\n")
    wrong.write_text("haddock\n")
    settings = ExtensionsSourceSettings(url=server.url("guest"), password_file=str(right), local_copy="")
    right.chmod(0o640)
    assert await ExtensionDatabase(settings, 9092).read() == {}
    assert not logged(caplog)
    right.chmod(0o604)
    assert await ExtensionDatabase(settings, 9092).read() == {}
    assert "can be read by all users: chmod 600" in logged(caplog)[0]
    change = {
        "wrong password": {"password_file": str(wrong)},
        "no table": {"table": "nosuch"},
        "not granted": {"table": "secret"},
        "no database": {"url": server.url("guest", "nosuch")},
        "no server": {"url": "postgresql://guest@/postgres?host=/nosuch"},
    }[fault]
    with pytest.raises(ConfigurationError, match=REFUSALS[fault]) as raised:
        await ExtensionDatabase(settings.model_copy(update=change), 9092).read()
    assert GUEST not in str(raised.value)
    assert "haddock" not in str(raised.value)


@needs_postgresql
def test_a_server_serves_new_calls_by_the_table(
    server: PostgresqlServer, source: ExtensionsSourceSettings, runtime_folder: Path
) -> None:
    """`raymal serve` with an extension that only the database has; the password is in the environment."""
    server.sql("INSERT INTO raymal_extensions (name, port, max_calls) VALUES ('sales', 0, 7)")
    source_flags = (f"extensions_source.url={server.url('guest')}", "extensions_source.local_copy=copy.json")
    flags = [part for flag in source_flags for part in ("--set", flag)]
    with running_server(
        runtime_folder,
        *("--no-ray", "--dialog", "tone", *flags),
        variables={"PGPASSWORD": GUEST},
        working_folder=runtime_folder,
    ) as running:

        def limit() -> int | None:
            status = running.status()
            assert status is not None
            return {extension.name: extension.maximum_calls for extension in status.extensions}["sales"]

        assert limit() == 7
        changes = PutExtension(name="sales", settings={"port": 0}), RemoveExtension(name="sales")
        for change in changes:
            refused = asyncio.run(observer.control(running.port, change)).problem
            assert refused is not None
            assert "extensions.sales is in the database (table raymal_extensions of postgresql://" in refused
        server.sql("UPDATE raymal_extensions SET max_calls = 8")
        wait_until(lambda: limit() == 8, 3.0, "the change")
        server.sql("UPDATE raymal_extensions SET settings = '{\"prot\": 1}'")
        wait_until(lambda: "'extensions.sales.prot'" in running.log.read_text(), 3.0, "the complaint")
        assert limit() == 8
        complaint = asyncio.run(observer.control(running.port, ExtensionsRequest())).source_problem
        assert complaint is not None
        assert "'extensions.sales.prot'" in complaint
    assert GUEST not in running.log.read_text()
    assert "Traceback" not in running.log.read_text()


@needs_postgresql
def test_checking_asks_the_database(server: PostgresqlServer, source: ExtensionsSourceSettings) -> None:
    """`raymal serve --check`: its rows and the configuration are checked together."""
    server.sql("INSERT INTO raymal_extensions (name, port) VALUES ('a', 0), ('b', 9092)")
    settings = Settings.model_validate(TONE | {"extensions_source": source.model_dump()})
    with pytest.raises(ConfigurationError, match=r"extensions\.b\.port = 9092: the same as server\.port"):
        check(settings, is_alone=True)
    server.sql("DELETE FROM raymal_extensions WHERE name = 'b'")
    anywhere = settings.model_copy(update={"server": ServerSettings(port=0)})
    assert "a" in check(anywhere, is_alone=True).extensions
    wrong = source.model_copy(update={"table": "nosuch"})
    with pytest.raises(ConfigurationError, match="table nosuch of postgresql://postgres@/postgres: there is"):
        check(anywhere.model_copy(update={"extensions_source": wrong}), is_alone=True)


NO_URLS = {
    "postgresql://raymal:swordfish@/postgres": "it holds a password, which others could read here; write",
    "postgresql://raymal@/postgres?password=swordfish": "it holds a password",
    "postgresql://raymal:sword/fish@/postgres": "this is no URL; write postgresql://",
    "mysql://raymal:swordfish@/postgres": "write postgresql://USER@HOST:PORT/DATABASE",
    "postgresql://[swordfish": "this is no URL",
    "swordfish": "write postgresql://USER@HOST:PORT/DATABASE",
}


@pytest.mark.parametrize("url", NO_URLS)
def test_a_password_in_the_url_is_refused_and_not_printed(url: str) -> None:
    """Others could read it: in the list of processes, for one."""
    settings = Settings.model_validate(TONE | {"extensions_source": {"url": url}})
    with pytest.raises(ConfigurationError) as raised:
        check(settings)
    assert str(raised.value).startswith(f"extensions_source.url: {NO_URLS[url]}")
    assert "fish" not in str(raised.value)


@pytest.mark.parametrize(
    "value", ['["postgresql://raymal:swordfish@/x"]', '{ a = "postgresql:///x?password=swordfish" }']
)
def test_a_url_of_the_wrong_kind_is_shown_without_its_password(value: str, tmp_path: Path) -> None:
    """Messages about settings show the value."""
    file = tmp_path / "raymal.toml"
    file.write_text(f"extensions_source.url = {value}\n")
    with pytest.raises(ConfigurationError, match=r"extensions_source\.url = .*\*\*\*") as raised:
        load_settings(file, {}, {})
    assert "swordfish" not in str(raised.value)


@pytest.mark.parametrize(
    ("copy", "complaint"),
    [
        ("/dev/zero", "this is no file"),
        ("/proc/copy.json", "/proc cannot be written"),
        ("~nosuch/copy.json", "there is no such home folder"),
        ("/" + "x" * 5_000, "it cannot be written: File name too long"),
    ],
)
def test_a_copy_that_cannot_be_written_is_said(copy: str, complaint: str) -> None:
    """At the start; a device would be replaced by a file."""
    source = {"url": "postgresql://raymal@/x", "local_copy": copy}
    with pytest.raises(ConfigurationError, match=r"extensions_source\.local_copy = ") as raised:
        check(Settings.model_validate(TONE | {"extensions_source": source}))
    assert complaint in str(raised.value)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (None, "No such file"),
        (b"", "it has to hold the password, on one line"),
        (b"a\nb\n", "it has to hold the password, on one line"),
        (b"x" * 5_000, "it has to hold the password, on one line"),
        (b"\xff\xfe", "it is no text in UTF-8"),
    ],
)
def test_a_file_without_a_password_is_named(content: bytes | None, complaint: str, tmp_path: Path) -> None:
    """At the start, with what it should be."""
    file = tmp_path / "password"
    if content is not None:
        file.write_bytes(content)
    source = {"url": "postgresql://raymal@/x", "password_file": str(file)}
    with pytest.raises(ConfigurationError, match=r"extensions_source\.password_file = .*") as raised:
        check(Settings.model_validate(TONE | {"extensions_source": source}))
    assert complaint in str(raised.value)
