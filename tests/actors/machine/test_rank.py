"""Niceness of processes and of their sessions, set on real processes and read from /proc."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from actors.machine.rank import BACKGROUND_NICENESS, LAST_NICENESS, background_niceness, session_niceness

ROOT = Path(__file__).parents[3]
SHOW = """
import os
from actors.machine.rank import session_niceness as shown
print(os.getpriority(os.PRIO_PROCESS, 0), os.getsid(0) == os.getpid(), os.getpgrp() == os.getpid(), shown())
"""

WITHOUT_PRIVILEGE = """
import ctypes, os
if os.getuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
    ctypes.CDLL(None).prctl(4, 1)  # PR_SET_DUMPABLE: else its /proc stays root's until the next exec
"""


def run(program: str, *, leads: str) -> list[str]:
    """Run a program that leads a session, a process group, or nothing; return the words it prints."""
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=ROOT,
        check=True,
        start_new_session=leads == "session",
        process_group=0 if leads == "group" else None,
    )
    return done.stdout.split()


@cache
def has_autogroups() -> bool:
    """Say if this kernel gives a new session a niceness of its own; if not, it reads as 0.

    Only a new session shows it: a process that init started without one is in no autogroup on any kernel, and
    its file is empty.
    """
    show = ["cat", "/proc/self/autogroup"]
    return subprocess.run(show, capture_output=True, timeout=60, start_new_session=True).stdout != b""


def of_the_session(niceness: int) -> str:
    """Return what a session of that niceness shows on this kernel."""
    return str(niceness) if has_autogroups() else "0"


@pytest.mark.parametrize("leads", ["session", "group", "nothing"])
def test_a_process_takes_its_session_along(leads: str) -> None:
    """Whatever it led before, it leads a session and a group afterwards, and both figures are set."""
    before = session_niceness()
    program = "from actors.machine.rank import lead_session, rank\nlead_session(); rank(7)" + SHOW
    assert run(program, leads=leads) == ["7", "True", "True", of_the_session(7)]
    assert session_niceness() == before, "the session that started it is not ours to rank"


def test_the_session_of_others_is_left_alone() -> None:
    """A process that leads no session sets its own niceness alone."""
    before = session_niceness()
    assert run("from actors.machine.rank import rank\nrank(7)" + SHOW, leads="nothing")[0] == "7"
    assert session_niceness() == before


@pytest.mark.parametrize("autogroups", [True, False])
def test_the_niceness_of_a_session_is_written_where_there_is_one(tmp_path: Path, autogroups: bool) -> None:
    """Both kinds of kernel, on any machine: a folder stands for /proc."""
    folder = tmp_path / "proc" / "self"
    if autogroups:
        folder.mkdir(parents=True)
        (folder / "autogroup").write_text("/autogroup-12 nice 0\n")
    program = "from pathlib import Path\nfrom actors.machine.rank import rank_session\n"
    run(f"{program}rank_session(7, Path({str(tmp_path)!r}))", leads="session")
    assert [path.read_text() for path in folder.glob("*")] == (["7"] if autogroups else [])


def test_many_processes_without_privilege_are_all_ranked() -> None:
    """The kernel takes one write each 100 ms from those without privilege: the others try again."""
    program = "from actors.machine.rank import rank\n" + WITHOUT_PRIVILEGE + "rank(19)" + SHOW
    command = [sys.executable, "-c", program]
    processes = [
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT, start_new_session=True)
        for _ in range(5)
    ]
    said = [process.communicate(timeout=60)[0].split() for process in processes]
    assert said == [["19", "True", "True", of_the_session(19)]] * 5


def test_the_program_ranks_what_it_becomes() -> None:
    """What is not ours, such as `ray start`, is started by way of it: same process, nothing else changed."""
    niceness = str(background_niceness(1, os.getpriority(os.PRIO_PROCESS, 0)))
    show = "import os,sys; print(os.getpriority(os.PRIO_PROCESS, 0), os.getpid(), *sys.argv[1:])"
    command = [sys.executable, "-m", "actors.machine.rank", "1", sys.executable, "-c", show, "--head", "a b"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT, start_new_session=True)
    assert process.communicate(timeout=60)[0].split() == [niceness, str(process.pid), "--head", "a", "b"]


@pytest.mark.skipif(os.getuid() != 0, reason="only root may start a process with niceness -10")
def test_a_negative_niceness_of_the_service_is_not_inherited() -> None:
    """An older unit had `Nice=-10`, which reached the speech models: they went before Asterisk."""
    show = "import os; print(os.getpriority(os.PRIO_PROCESS, 0))"
    command = [
        "nice",
        "-n",
        "-15",
        sys.executable,
        "-m",
        "actors.machine.rank",
        "-10",
        sys.executable,
        "-c",
        show,
    ]
    assert int(subprocess.check_output(command, cwd=ROOT, timeout=60)) == BACKGROUND_NICENESS


@pytest.mark.parametrize(
    ("media", "own", "background"),
    [(0, 0, 5), (-10, 0, 5), (0, -10, 5), (8, 0, 13), (0, 10, 15), (19, 0, 19)],
)
def test_all_else_stands_behind_the_media_worker_and_asterisk(media: int, own: int, background: int) -> None:
    """Above 0, which is Asterisk's, whatever the service's own niceness or the media worker's is."""
    assert background_niceness(media, own) == background
    assert background > 0
    assert background == min(LAST_NICENESS, max(media, own, 0) + BACKGROUND_NICENESS)


def test_an_inherited_niceness_is_not_the_sessions() -> None:
    """A service that was started by `nice` has sessions like any other: nothing is to be added for it."""
    program = "import os; os.nice(3)\nfrom actors.machine.rank import rank_behind, session_niceness\n"
    shown = run(program + "rank_behind(2); print(session_niceness())" + SHOW, leads="session")
    assert shown[0] == shown[-1] == of_the_session(background_niceness(2))
