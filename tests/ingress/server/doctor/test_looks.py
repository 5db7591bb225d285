"""What `raymal doctor` sees, on a machine of files."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from fake_machine import FakeMachine

from ingress.configuration.settings import Settings
from ingress.server.doctor import asterisk, clock, configuration, exposure, machine, order, storage
from ingress.server.doctor.examination import LOOKS, examine
from ingress.server.doctor.exposure import Listener
from ingress.server.doctor.finding import Finding, Verdict
from ingress.server.doctor.host import Host
from ingress.server.runtime_directory import RuntimeDirectory

OK, WARNING, WRONG = Verdict.OK, Verdict.WARNING, Verdict.WRONG
RUNTIME = RuntimeDirectory(Path("/run/raymal/9092"))


@pytest.fixture
def fake(tmp_path: Path) -> FakeMachine:
    """A machine of eight cores without limits."""
    return FakeMachine(tmp_path)


def host(fake: FakeMachine, runtime: RuntimeDirectory | None = None, **settings: Any) -> Host:
    """Return what is looked at; the environment is empty."""
    return Host.of(Settings.model_validate({"server": {"port": 0}, **settings}), {}, fake.root, runtime)


def verdicts(found: Iterable[Finding]) -> list[Verdict]:
    """Return the verdicts; everything that is not well says what to do."""
    listed = list(found)
    assert all(bool(it.remedy) is (it.verdict is not OK) for it in listed)
    return [it.verdict for it in listed]


@pytest.mark.parametrize(
    ("version", "verdict"),
    [
        ("Asterisk 20.19.0", OK),
        ("Asterisk 22.10.1", OK),
        ("Asterisk 23.3.0", OK),
        ("Asterisk 24.0.0", OK),
        ("Asterisk GIT-master-0123abc", OK),
        ("Asterisk 20.16.0", OK),
        ("Asterisk 20.14.1", WARNING),
        ("Asterisk 22.4.0", WARNING),
        ("Asterisk certified/20.7-cert4", WARNING),
        ("Asterisk 18.26.4", WARNING),
        ("Asterisk 21.12.0", WARNING),
        ("", WARNING),
        ("Asterisk 20.17.0", WRONG),
        ("Asterisk 22.8.2", WRONG),
        ("Asterisk 23.1.0", WRONG),
        ("Asterisk 16.30.0", WRONG),
    ],
)
def test_versions_of_asterisk_are_judged_by_their_audiosocket(version: str, verdict: Verdict) -> None:
    """Those that lose calls are wrong, those that may are a warning."""
    assert verdicts([asterisk.judged(version)]) == [verdict]


def test_ports_are_named_as_they_are_configured(fake: FakeMachine) -> None:
    """Not by what stands for them inside."""
    extensions = {"own": {"port": "auto"}, "part": {"port": "shared"}}
    (found,) = configuration.findings(host(fake, extensions=extensions))
    assert found.what.endswith("auto (own), shared (part)")


def test_asterisk_is_asked_for_its_version_and_its_module_sought(fake: FakeMachine) -> None:
    """Where packages and `make install` put them; one that hangs or fails is no obstacle."""
    assert verdicts(asterisk.findings(host(fake))) == [OK]
    fake.write("usr/sbin/asterisk", "#!/bin/sh\necho Asterisk 20.18.0")
    (fake.root / "usr/sbin/asterisk").chmod(0o755)
    fake.write("usr/lib/x86_64-linux-gnu/asterisk/modules/app_dial.so", "")
    assert verdicts(asterisk.findings(host(fake))) == [WRONG, WRONG]
    fake.write("usr/lib/x86_64-linux-gnu/asterisk/modules/app_audiosocket.so", "")
    assert verdicts(asterisk.findings(host(fake))) == [WRONG]
    (fake.root / "usr/sbin/asterisk").chmod(0o644)
    assert verdicts(asterisk.findings(host(fake))) == [WARNING]


def test_a_quota_of_the_cpus_is_named(fake: FakeMachine) -> None:
    """It stops the audio clock as well."""
    assert verdicts(machine.processors(host(fake))) == [OK]
    group = fake.control_groups_2("/system.slice/raymal.service")
    (group / "cpu.max").write_text("150000 100000\n")
    (group / "cpu.stat").write_text("nr_periods 9\nnr_throttled 7\n")
    quota, few, plan = machine.processors(host(fake, server={"media_workers": 8}))
    assert (quota.verdict, few.verdict, plan.verdict) == (WARNING, WARNING, OK)
    assert "1.5 CPUs" in quota.what
    assert "7 times" in quota.what
    assert quota.where == str(group)


def test_memory_counts_in_the_limit_of_the_group(fake: FakeMachine) -> None:
    """At the share where the load level rises there is a warning."""
    assert verdicts(machine.room(host(fake))) == [OK]
    fake.set_memory(available_bytes=2**30)
    assert verdicts(machine.room(host(fake))) == [WARNING]
    group = fake.control_groups_2("/docker/1")
    (group / "memory.max").write_text(f"{2**30}\n")
    limit, _ = machine.room(host(fake))
    assert limit.what == "a limit of 1.0 GiB"


def test_open_files_are_those_of_the_running_media_worker(fake: FakeMachine) -> None:
    """This shell's limit says nothing of a service's."""
    fake.process(41, name="python", arguments=f"python -m ingress media-worker {RUNTIME.path} 0 default=5")
    fake.write("proc/41/limits", "Max open files            1024                 1024                 files")
    (found,) = machine.descriptors(host(fake, RUNTIME))
    assert found.verdict is WRONG
    assert "LimitNOFILE" in found.remedy
    assert verdicts(machine.descriptors(host(fake, RUNTIME, server={"port": 0, "max_calls": 1}))) == [WRONG]
    fake.write("proc/41/limits", "Max open files            65536                65536                files")
    assert verdicts(machine.descriptors(host(fake, RUNTIME))) == [OK]


def test_a_short_queue_of_connections_is_named(fake: FakeMachine) -> None:
    """Linux had 128 before 5.4."""
    assert verdicts(machine.network(host(fake))) == []
    fake.write("proc/sys/net/core/somaxconn", "128")
    assert verdicts(machine.network(host(fake))) == [WARNING]
    fake.write("proc/sys/net/core/somaxconn", "4096")
    assert verdicts(machine.network(host(fake))) == [OK]


@pytest.mark.parametrize(
    ("source", "state", "resolution_s", "expected"),
    [
        ("tsc", 0, 1e-9, [OK]),
        ("tsc", clock.TIME_ERROR, 1e-9, [WARNING]),
        ("hpet", 0, 1e-9, [OK, WARNING]),
        ("tsc", None, 0.01, [WARNING, WRONG]),
    ],
)
def test_clocks(
    fake: FakeMachine, source: str, state: int | None, resolution_s: float, expected: list[Verdict]
) -> None:
    """Synchronised, quick and fine."""
    fake.write("sys/devices/system/clocksource/clocksource0/current_clocksource", source)
    assert verdicts(clock.judged(host(fake), state, resolution_s)) == expected


def test_what_goes_before_the_audio_clock_or_asterisk_is_named(fake: FakeMachine) -> None:
    """By the order of the kernel, not by what was asked for."""
    assert verdicts(order.findings(host(fake, RUNTIME))) == [OK]
    fake.write("proc/sys/kernel/sched_autogroup_enabled", "0")
    fake.process(40, name="raymal", arguments="raymal serve")
    fake.process(41, parent=40, arguments=f"python -m ingress media-worker {RUNTIME.path} 0 default=5")
    fake.process(42, 5, parent=40, name="python", arguments=f"python -m ingress gateway {RUNTIME.path} ")
    fake.process(43, 15, parent=40, name="raylet")
    fake.process(50, name="asterisk")
    assert verdicts(order.findings(host(fake, RUNTIME))) == [OK]
    fake.process(43, 0, parent=40, name="raylet")
    fake.process(50, 10, name="asterisk")
    found = list(order.findings(host(fake, RUNTIME)))
    assert verdicts(found) == [WARNING, WARNING, WARNING]
    assert found[0].what == "python (process 42) is not behind Asterisk, process 50"


def test_open_ports_of_ray_are_wrong_without_a_token(fake: FakeMachine) -> None:
    """Whoever reaches them can run programs; with a token a firewall is still to be seen to."""
    assert verdicts(exposure.judged(host(fake), [Listener(1, "0.0.0.0", 80)])) == [OK]
    fake.process(60, name="gcs_server")
    fake.process(61, name="python", arguments="python -u /lib/ray/dashboard/agent.py --port 1")
    fake.write("proc/61/environ", "A=1\0RAY_AUTH_MODE=token\0B=2")
    closed = [Listener(60, "127.0.0.1", 6379), Listener(61, "::1", 8265), Listener(9, "0.0.0.0", 22)]
    assert verdicts(exposure.judged(host(fake), closed)) == [OK]
    opened = [*closed, *(Listener(60, "::", port) for port in range(9)), Listener(61, "10.0.0.1", 8265)]
    wrong, warning = exposure.judged(host(fake), opened)
    assert (wrong.verdict, warning.verdict) == (WRONG, WARNING)
    assert "9 ports" in wrong.what
    assert wrong.where.endswith("and 3 more")
    assert warning.where == "10.0.0.1:8265"


def test_a_ray_that_is_joined_without_a_token_is_named(fake: FakeMachine) -> None:
    """By the environment that the server would have."""
    joined = host(fake, fleet={"ray_address": "10.0.0.1:6379"})
    assert WARNING in verdicts(exposure.of_ray(joined))


def test_public_binds_and_networks_of_everybody_are_named(fake: FakeMachine) -> None:
    """Private ones are not."""
    assert verdicts(exposure.public(host(fake))) == [OK]
    assert verdicts(exposure.public(host(fake, server={"host": "192.168.0.1"}))) == [OK]
    public = host(fake, server={"host": "0.0.0.0"}, access={"networks": ["0.0.0.0/0", "::/0"]})
    assert verdicts(exposure.public(public)) == [WARNING, WARNING]


def test_a_token_that_others_can_read_is_wrong(fake: FakeMachine) -> None:
    """None at all is fine: nothing can be changed then."""
    assert verdicts(configuration.tokens(host(fake))) == [OK]
    fake.write("token", "a-token-of-24-characters")
    file = fake.root / "token"
    file.chmod(0o644)
    assert verdicts(configuration.tokens(host(fake, web={"token_file": str(file)}))) == [WRONG]
    file.chmod(0o600)
    assert verdicts(configuration.tokens(host(fake, web={"token_file": str(file)}))) == [OK]


def test_models_of_a_hub_are_named(fake: FakeMachine) -> None:
    """The first start would need the network."""
    assert verdicts(configuration.models(host(fake))) == [OK, OK]
    assert verdicts(configuration.models(host(fake, speech={"whisper": {"model": "small"}}))) == [WARNING, OK]
    several = {"whisper": {"models": {"en": "tiny.en", "pt": "bundled"}}}
    assert verdicts(configuration.models(host(fake, speech=several))) == [OK, WARNING, OK, OK]
    assert verdicts(configuration.models(host(fake, fleet={"ray_address": "10.0.0.1:6379"}))) == [OK]


def test_folders_are_compared_with_what_may_be_written(fake: FakeMachine) -> None:
    """The cache's own limit, records, and the object store of a private Ray."""
    folder = {"directory": str(fake.root / "cache")}
    assert verdicts(storage.phrases(host(fake, cache=folder))) == [OK]
    assert verdicts(storage.phrases(host(fake, cache={**folder, "disk_bytes": 1 << 50}))) == [WARNING]
    assert verdicts(storage.phrases(host(fake, cache={"disk_bytes": 0}))) == [OK]
    assert verdicts(storage.records(host(fake))) == []
    assert verdicts(storage.records(host(fake, records={"file": str(fake.root / "calls")}))) == [OK]
    (fake.root / "dev/shm").mkdir(parents=True)
    assert verdicts(storage.object_store(host(fake))) == [OK]
    assert verdicts(storage.object_store(host(fake, fleet={"backend": "local"}))) == []
    assert verdicts(storage.object_store(host(fake, fleet={"object_store_bytes": 1 << 50}))) == [WARNING]


def test_a_look_that_fails_is_a_finding(fake: FakeMachine, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the others go on."""

    def fail(host: Host) -> Iterable[Finding]:
        raise PermissionError("not yours")

    monkeypatch.setitem(LOOKS, "asterisk", fail)
    found = list(examine(host(fake), without=frozenset(LOOKS) - {"asterisk", "clock"}))
    assert {finding.subject for finding in found} == {"asterisk", "clock"}
    assert found[0].verdict is WARNING
    assert "PermissionError: not yours" in found[0].what
