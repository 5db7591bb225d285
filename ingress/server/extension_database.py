"""Extensions from a table of a PostgreSQL database (`deploy/postgresql.sql`), followed as it changes.

| the table | what happens | logged once |
|---|---|---|
| is followed | it is read at each NOTIFY, and each minute in case one was lost | that it is followed |
| has wrong rows | the extensions stay as they are; read again as above | each row, and what would be right |
| cannot be read | the extensions stay as they are; asked again after a growing pause | why, and what to do |

A set of extensions is taken whole or not at all. The last one that was taken is kept in a file.
Imported only if a database is set: asyncpg takes 30 ms and 2 MB.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import asyncpg

from actors.errors import ConfigurationError, described
from actors.liveness.threads import in_thread
from actors.settings import Table
from ingress.configuration.extension_tables import Tables, tables_of
from ingress.configuration.settings import ExtensionsSourceSettings
from ingress.server.database_address import exposure, password, shown
from ingress.server.extension_copy import ExtensionCopy

CHANNEL = "raymal_extensions"
MAXIMUM_ROWS = 1_000
MAXIMUM_BYTES = 1024 * 1024
"""Of all rows together; as much as of a configuration file."""
CONNECT_DEADLINE_S = 5.0
ANSWER_DEADLINE_S = 5.0
CLOSE_DEADLINE_S = 1.0
COPY_DEADLINE_S = 5.0
"""For the local copy's disk, which may never answer."""
SETTLE_S = 0.2
"""From a notification to reading: those that follow closely are read together."""
READ_AGAIN_S = 60.0
"""Without a notification: one may be lost, and a dead connection is found out by it."""
SHORTEST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 30.0
"""Between two attempts to connect; a connection that lasted longer begins with the shortest again."""
QUERY = """
    WITH found AS (SELECT to_jsonb(raymal_row.*)::text AS line FROM {table} AS raymal_row LIMIT $1 + 1)
    SELECT count(*) AS rows, coalesce(sum(octet_length(line)), 0) AS bytes,
           CASE WHEN count(*) <= $1 AND sum(octet_length(line)) <= $2 THEN array_agg(line) END AS lines
    FROM found
"""
"""One answer of a bounded size, however large the table is."""

AWAY = "the database cannot be reached"
FAULTS = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError)
"""What a database and the way to it may do; a TimeoutError is an OSError."""

OnExtensions = Callable[[Tables], Awaitable[None]]
"""Takes all extensions of the database, or raises ConfigurationError."""

log = logging.getLogger(__name__)


class ExtensionDatabase:
    """The extensions of one table."""

    def __init__(self, settings: ExtensionsSourceSettings, port: int) -> None:
        """`port`: the server's own; its local copy has its name."""
        assert settings.url is not None
        self.place = f"table {settings.table} of {shown(settings.url)}"
        """For messages."""
        self.problem: str | None = "it was not asked yet"
        """Why the table is not followed; None: it is."""
        self._settings = settings
        self._url = settings.url
        self._copy = ExtensionCopy.of(settings, port, self.place)
        self.taken: Tables = {}
        """The last extensions that were taken, the local copy's among them."""
        self._is_due = asyncio.Event()

    async def read(self) -> Tables:
        """Return the extensions of the table. Raises ConfigurationError, also if it cannot be read."""
        if (exposed := await in_thread(exposure, self._settings)) is not None:
            log.warning("%s", exposed)
        try:
            async with self._connection() as connection:
                return await self._read(connection)
        except FAULTS as error:
            raise ConfigurationError(self._explained(error)) from None

    async def start(self, on_extensions: OnExtensions) -> None:
        """Hand on what a server begins with: the table's extensions, else those of the local copy, else none.

        Raises ConfigurationError if none at all are not taken either.
        """
        try:
            await self._take(await self.read(), on_extensions)
            return
        except ConfigurationError as error:
            self.problem = str(error)
            log.warning("the start is without the extensions of %s: %s", self.place, error)
        copy = await in_thread(self._copy.load)
        if copy:
            try:
                await on_extensions(copy)
                self.taken = copy
                log.warning("%d extensions are those that the local copy holds", len(copy))
                return
            except ConfigurationError as error:
                log.warning("the local copy's extensions are not taken: %s", error)
        await on_extensions({})

    def read_again(self) -> None:
        """Have the table read soon, if it is not away."""
        self._is_due.set()

    async def run(self, on_extensions: OnExtensions) -> None:
        """Hand on the extensions each time that they change, until cancelled."""
        pause_s = SHORTEST_PAUSE_S
        clock_s = asyncio.get_running_loop().time
        while True:
            began_s = clock_s()
            try:
                async with self._connection() as connection:
                    await self._follow(connection, on_extensions)
            except (*FAULTS, ConfigurationError) as error:
                self._note(self._explained(error))
            except Exception:
                log.exception("%s cannot be followed; it is tried again", self.place)
            if clock_s() - began_s > LONGEST_PAUSE_S:
                pause_s = SHORTEST_PAUSE_S
            await asyncio.sleep(pause_s * random.uniform(0.5, 1.0))
            pause_s = min(pause_s * 2.0, LONGEST_PAUSE_S)

    async def _follow(self, connection: asyncpg.Connection, on_extensions: OnExtensions) -> None:
        """Read at each change until the connection is lost: then reading raises what is wrong with it."""
        connection.add_termination_listener(lambda *_: self._is_due.set())
        await connection.add_listener(CHANNEL, lambda *_: self._is_due.set())
        while True:
            self._is_due.clear()
            try:
                tables = await self._read(connection)
                if tables != self.taken:
                    await self._take(tables, on_extensions)
                self._note(None)
            except ConfigurationError as error:
                self._note(str(error))
            with suppress(TimeoutError):
                async with asyncio.timeout(READ_AGAIN_S):
                    await self._is_due.wait()
            await asyncio.sleep(SETTLE_S)

    async def _take(self, tables: Tables, on_extensions: OnExtensions) -> None:
        await on_extensions(tables)
        self.taken = tables
        try:
            async with asyncio.timeout(COPY_DEADLINE_S):
                await in_thread(self._copy.save, tables)
        except TimeoutError:
            log.error("the local copy of the extensions is not written within %g s", COPY_DEADLINE_S)

    # The database

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[asyncpg.Connection]:
        async with asyncio.timeout(CONNECT_DEADLINE_S):
            connection = await asyncpg.connect(
                self._url,
                password=await in_thread(password, self._settings),
                command_timeout=ANSWER_DEADLINE_S,
                statement_cache_size=0,  # also behind a pooler
                server_settings={"application_name": "raymal"},
            )
        try:
            yield connection
        finally:
            with suppress(Exception):
                await connection.close(timeout=CLOSE_DEADLINE_S)

    async def _read(self, connection: asyncpg.Connection) -> dict[str, Table]:
        table = ".".join(f'"{part}"' for part in self._settings.table.split("."))
        answer: Any = await connection.fetchrow(QUERY.format(table=table), MAXIMUM_ROWS, MAXIMUM_BYTES)
        if answer["rows"] > MAXIMUM_ROWS:
            raise ConfigurationError(
                f"there are more than {MAXIMUM_ROWS} rows; keep those that are not used in another table"
            )
        if answer["bytes"] > MAXIMUM_BYTES:
            raise ConfigurationError(
                f"the rows have {answer['bytes']} bytes as JSON, more than {MAXIMUM_BYTES}; shorten them"
            )
        return tables_of(answer["lines"] or ())

    def _explained(self, error: Exception) -> str:
        """Return why the table cannot be read, and what to do; never with a password."""
        table, user = self._settings.table, "raymal's user"
        match error:
            case ConfigurationError():
                return str(error)
            case asyncpg.InvalidAuthorizationSpecificationError():
                return f"the database refuses {user} or its password; set extensions_source.password_file"
            case asyncpg.InvalidCatalogNameError():
                return f"there is no such database: {error}"
            case asyncpg.UndefinedTableError() | asyncpg.InvalidSchemaNameError():
                return f"there is no such table; make it with deploy/postgresql.sql: {error}"
            case asyncpg.InsufficientPrivilegeError():
                return f"{user} may not read it; GRANT SELECT ON {table} TO the user"
            case TimeoutError():
                return f"{AWAY}: it does not answer"
        return f"{AWAY}: {described(error)}"

    def _note(self, problem: str | None) -> None:
        """Say it once when the table is followed, and once why it is not."""
        before, self.problem = self.problem, problem
        if problem is None:
            if before is not None:
                log.info("extensions follow %s", self.place)
        elif before is None or _gist(problem) != _gist(before):
            log.warning("the extensions stay as they are; %s: %s", self.place, problem)


def _gist(problem: str) -> str:
    """A database that is away says it in other words each time: refused, starting, closed."""
    return AWAY if problem.startswith(AWAY) else problem
