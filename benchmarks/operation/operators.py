"""Who looks at a running server and changes it: Prometheus, a browser on the page, a script."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import socket
import subprocess
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.harness.workplace import MachineError

SCRAPE_INTERVAL_S = 1.0
CHANGE_INTERVAL_S = 0.5
EXTENSIONS = 20
DEADLINE_S = 5.0
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


@dataclass
class Operators:
    """What they did, and what went wrong; each kind of thing is written by one thread."""

    scrape_s: list[float] = field(default_factory=list)
    """How long each took."""
    scraped_bytes: int = 0
    """The last."""
    readers: int = 0
    """Of events, the most that the server knew of; its own among them."""
    events: int = 0
    changes: int = 0
    """Of extensions: added and removed."""
    problem: str | None = None
    """The first."""
    problems: int = 0

    def fail(self, what: str, error: object) -> None:
        """Note a problem."""
        self.problem = self.problem or f"{what}: {error}"
        self.problems += 1


class UnixConnection(http.client.HTTPConnection):
    """HTTP on the socket for commands, which needs no token."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=DEADLINE_S)
        self._path = path

    def connect(self) -> None:
        """Connect to the socket."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(DEADLINE_S)
        self.sock.connect(str(self._path))


@contextmanager
def operating(port: int, web_socket: Path, core: int) -> Iterator[Operators]:
    """Operate the server whose web process has that port, from that core, for the time of the body."""
    done, stop = Operators(), threading.Event()
    address = f"http://127.0.0.1:{port}"
    jobs: tuple[Callable[[], None], ...] = (
        lambda: _scrape(address, done, stop),
        lambda: _read(port, done, stop),
        lambda: _change(web_socket, done, stop),
    )
    threads = [threading.Thread(target=job, daemon=True) for job in jobs]
    with ExitStack() as stack:
        stack.enter_context(_browser(address, core))
        for thread in threads:
            thread.start()
        try:
            yield done
        finally:
            stop.set()
            for thread in threads:
                thread.join(2 * DEADLINE_S)


def _scrape(address: str, done: Operators, stop: threading.Event) -> None:
    while not stop.wait(SCRAPE_INTERVAL_S):
        start_s = time.monotonic()
        try:
            with urllib.request.urlopen(f"{address}/metrics", timeout=DEADLINE_S) as answer:
                text = answer.read().decode()
        except OSError as error:
            done.fail("scrape", error)
            continue
        done.scrape_s.append(time.monotonic() - start_s)
        done.scraped_bytes = len(text)
        readers = next((line for line in text.splitlines() if line.startswith("raymal_web_readers ")), "0 0")
        done.readers = max(done.readers, round(float(readers.split()[1])))


def _read(port: int, done: Operators, stop: threading.Event) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20.0)
    try:
        connection.request("GET", "/api/v1/events")
        answer = connection.getresponse()
        if answer.status != http.HTTPStatus.OK:
            raise OSError(f"status {answer.status}")
        while not stop.is_set() and (line := answer.readline()):
            done.events += line.startswith(b"event:")
    except OSError as error:
        done.fail("events", error)
    finally:
        connection.close()


def _change(web_socket: Path, done: Operators, stop: threading.Event) -> None:
    """Add all extensions one after the other, then remove them, and so on."""
    settings = json.dumps({"port": "auto", "dialog": {"name": "tone"}})
    number = 0
    while not stop.wait(CHANGE_INTERVAL_S):
        name = f"changing-{number % EXTENSIONS}"
        method = "DELETE" if number // EXTENSIONS % 2 else "PUT"
        number += 1
        connection = UnixConnection(web_socket)
        try:
            body = settings if method == "PUT" else None
            headers = {"Content-Type": "application/json"} if body else {}
            connection.request(method, f"/api/v1/extensions/{name}", body, headers)
            answer = connection.getresponse()
            text = answer.read()
            if answer.status >= http.HTTPStatus.BAD_REQUEST:
                raise OSError(f"status {answer.status}, {text[:200].decode(errors='replace')}")
        except (OSError, http.client.HTTPException) as error:
            done.fail(f"{method} {name}", error)
        else:
            done.changes += 1
        finally:
            connection.close()


@contextmanager
def _browser(address: str, core: int) -> Iterator[None]:
    """Have the live page open in a browser. Raises MachineError if there is none."""
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        raise MachineError("no browser is installed: `apt-get install chromium`")
    with tempfile.TemporaryDirectory(prefix="browser-", ignore_cleanup_errors=True) as folder:
        command = [
            *("taskset", "--cpu-list", str(core), program, "--headless=new", "--disable-gpu"),
            *("--no-first-run", "--disable-dev-shm-usage", "--remote-debugging-port=0"),
            *(("--no-sandbox",) if os.getuid() == 0 else ()),
            f"--user-data-dir={folder}",
            f"{address}/",
        ]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            yield
        finally:
            process.terminate()
            process.wait(10.0)
