"""A server with calls, its metrics, and a real Prometheus with the rules and the dashboard of deploy/."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import AsyncExitStack
from itertools import pairwise
from typing import Any

import pytest
from asterisk_peer import AsteriskPeer
from prometheus_client.parser import text_string_to_metric_families
from prometheus_tools import DASHBOARD, DEPLOY, HAS_PROMETHEUS, dashboard_expressions, needs_prometheus, rules
from running_server import QUICK, SCRIPTED, RunningServer, private_server, wait_until

from benchmarks.harness.server import free_port
from benchmarks.harness.speech_like import recorded_words
from ingress.link.status import ServerStatus

CALLS = 6
SPEAKING = 2


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    """A server with two extensions and a web process."""
    flags = ["--set", "extensions.sales.port=0", "--set", "server.media_workers=1"]
    with private_server(*SCRIPTED, *QUICK, *flags, has_web=True) as running:
        yield running


@pytest.fixture(scope="module")
def prometheus(server: RunningServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A Prometheus with the files of deploy/; yield its port. It scrapes first after 5 s."""
    port, folder = free_port(), tmp_path_factory.mktemp("prometheus")
    for name in ("raymal.rules.yml", "prometheus.yml"):
        text = (DEPLOY / "prometheus" / name).read_text()
        text = text.replace("127.0.0.1:9093", f"127.0.0.1:{server.web_port}")
        text = text.replace("scrape_interval: 15s", "scrape_interval: 1s")
        text = text.replace("scrape_timeout: 5s", "scrape_timeout: 1s")
        (folder / name).write_text(text)
    with (folder / "prometheus.yml").open("a") as file:
        file.write("global: {evaluation_interval: 1s}\n")
    command = [
        "prometheus",
        f"--config.file={folder}/prometheus.yml",
        f"--storage.tsdb.path={folder}/data",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with (folder / "log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        yield port
        process.terminate()
        process.wait(20.0)


@pytest.fixture(scope="module", autouse=True)
def waits_meanwhile(request: pytest.FixtureRequest) -> None:
    """Prometheus waits for its first scrape while the other tests run."""
    if HAS_PROMETHEUS:
        request.getfixturevalue("prometheus")


def scrape(server: RunningServer) -> str:
    """Return the metrics as text."""
    with urllib.request.urlopen(f"http://127.0.0.1:{server.web_port}/metrics", timeout=10) as answer:
        text: str = answer.read().decode()
        return text


def samples(text: str) -> dict[str, dict[tuple[str, ...], float]]:
    """Return the values by metric and labels' values."""
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, {})[tuple(sample.labels.values())] = sample.value
    return found


def disagreements(status: ServerStatus, text: str) -> list[str]:
    """Return what metrics and status say differently of the same moment."""
    found = samples(text)
    assert status.fleet is not None
    healths = [worker.health for worker in status.media_workers if worker.health is not None]
    pools = {"transcription": status.fleet.transcription, "synthesis": status.fleet.synthesis}
    running = {key: count for key, count in found["raymal_calls"].items() if "refused" not in key}
    expected = {
        "calls": (sum(running.values()), status.calls),
        "media calls": (sum(found["raymal_media_calls"].values()), sum(it.calls for it in healths)),
        "places": (found["raymal_places"][()], status.places),
        "level": (found["raymal_level"][()], status.level),
        "ready": (found["raymal_ready"][()], status.is_ready),
        "cache": (found["raymal_cache_misses_total"][()], status.cache_misses),
        "ahead": (found["raymal_transcriptions_begun_ahead_total"][()], status.ahead_begun),
        "admitted": (found["raymal_cluster_calls_admitted_total"][()], status.fleet.admission.admitted),
        **{f"{kind} slots": (found["raymal_slots"][(kind,)], pool.slots) for kind, pool in pools.items()},
        **{
            f"{kind} work": (found["raymal_work_total"][(kind, "done")], pool.tally.count)
            for kind, pool in pools.items()
        },
        **{
            f"calls of {extension.name}": (
                sum(count for key, count in running.items() if extension.name in key),
                extension.calls,
            )
            for extension in status.extensions
        },
    }
    return [f"{what}: {metric} and {known}" for what, (metric, known) in expected.items() if metric != known]


async def test_metrics_and_status_agree_with_calls_up(server: RunningServer) -> None:
    """While calls run, and on what they leave behind; no call's id is in the metrics."""
    before = samples(await asyncio.to_thread(scrape, server))
    async with AsyncExitStack() as stack:
        peers = [await stack.enter_async_context(AsteriskPeer(server.port)) for _ in range(CALLS)]
        for peer in peers:
            peer.identify()
        speech = recorded_words(2) + bytes(32_000)
        await asyncio.gather(*(peer.speak(speech) for peer in peers[:SPEAKING]))

        def agree() -> bool:
            status = server.status()
            assert status is not None
            text = scrape(server)
            found.append((text, disagreements(status, text)))
            return status.calls == CALLS and not found[-1][1]

        found: list[tuple[str, list[str]]] = []
        try:
            await asyncio.to_thread(wait_until, agree, 8.0, "agreement")
        except AssertionError:
            raise AssertionError(found[-1][1]) from None
        text = found[-1][0]
        assert not any(str(peer.call_id) in text for peer in peers)
        for peer in peers:
            peer.writer.write_eof()

    def are_counted() -> bool:
        after = samples(scrape(server))
        return after["raymal_calls_ended_total"] == {("default",): CALLS, ("sales",): 0}

    await asyncio.to_thread(wait_until, are_counted, 8.0, "the calls' ends")
    text = await asyncio.to_thread(scrape, server)
    after = samples(text)
    assert after["raymal_turns_total"][("answered",)] == SPEAKING
    assert after["raymal_turns_total"][("silent",)] == CALLS  # greetings without words
    assert after["raymal_turn_first_answer_seconds_count"][("utterance",)] == SPEAKING
    assert after["raymal_turn_stage_seconds_count"][("transcription",)] == SPEAKING
    assert sum(after["raymal_calls"].values()) == 0
    assert after["raymal_calls"].keys() == before["raymal_calls"].keys()
    assert {key[0] for key in after["raymal_process_resident_memory_bytes"]} == {
        "supervisor", "media-0", "gateway", "web",
    }  # fmt: skip


@needs_prometheus
def test_promtool_finds_nothing_to_complain_about(server: RunningServer) -> None:
    """Names, units, help texts."""
    command = ["promtool", "check", "metrics"]
    result = subprocess.run(command, input=scrape(server), capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_what_alerts_and_dashboard_ask_for_exists(server: RunningServer) -> None:
    """Each metric that an expression names is among the metrics."""
    kinds = dict(re.findall(r"^# TYPE (\w+) (\w+)$", scrape(server), re.MULTILINE))
    names = set(kinds) | {
        f"{name}_{part}"
        for name, kind in kinds.items()
        for part in {"histogram": ("bucket", "sum", "count"), "summary": ("sum", "count")}.get(kind, ())
    }
    for expression in [*dashboard_expressions(), *(rule["expr"] for rule in rules())]:
        assert set(re.findall(r"raymal_\w+", expression)) <= names, expression


@needs_prometheus
def test_a_real_prometheus_scrapes_and_no_alert_fires(prometheus: int) -> None:
    """With the files of deploy/; it can evaluate each expression of rules and dashboard."""

    def ask(path: str, **parameters: str) -> Any:
        url = f"http://127.0.0.1:{prometheus}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        with urllib.request.urlopen(url, timeout=10) as answer:
            return json.load(answer)["data"]

    def query(expression: str) -> list[dict[str, Any]]:
        result: list[dict[str, Any]] = ask("query", query=expression)["result"]
        return result

    def has_scraped() -> bool:
        try:
            return [it["value"][1] for it in query('up{job="raymal"}')] == ["1"]
        except OSError:  # it starts
            return False

    wait_until(has_scraped, 20.0, "a scrape")
    assert query("raymal_build_info")
    assert query('raymal_up{process="gateway"} == 1')
    for expression in dashboard_expressions():
        query(expression.replace("$instance", ".*").replace("$__rate_interval", "1m"))

    def all_rules() -> list[dict[str, Any]]:
        return [rule for group in ask("rules")["groups"] for rule in group["rules"]]

    wait_until(lambda: all(rule["health"] == "ok" for rule in all_rules()), 10.0, "all rules")
    assert [rule["name"] for rule in all_rules()] == [rule["alert"] for rule in rules()]
    assert not [rule["name"] for rule in all_rules() if rule["state"] == "firing"]


def test_the_dashboard_chooses_the_server() -> None:
    """Each expression takes the chosen servers alone, and each panel the chosen Prometheus."""
    dashboard = json.loads(DASHBOARD.read_text())
    assert all('instance=~"$instance"' in expression for expression in dashboard_expressions())
    panels = [panel for panel in dashboard["panels"] if panel["type"] != "row"]
    assert {panel["datasource"]["uid"] for panel in panels} == {"${datasource}"}
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])


async def test_the_web_process_may_die_and_no_call_notices(server: RunningServer) -> None:
    """Its successor knows the running calls again; what they hear has no gap."""
    async with AsyncExitStack() as stack:
        peers = [await stack.enter_async_context(AsteriskPeer(server.port)) for _ in range(2)]
        for peer in peers:
            peer.identify()

        def calls() -> float:
            try:
                return sum(samples(scrape(server))["raymal_calls"].values())
            except (OSError, KeyError):  # it is not there yet
                return -1

        await asyncio.to_thread(wait_until, lambda: calls() == 2, 5.0, "calls")
        heard = [len(peer.arrivals_s) for peer in peers]
        await asyncio.to_thread(lambda: server.child("web").kill())
        await asyncio.to_thread(wait_until, lambda: calls() == 2, 10.0, "the same calls")
        for peer, before in zip(peers, heard, strict=True):
            arrivals_s = peer.arrivals_s[before:]
            assert len(arrivals_s) > 25
            assert max(later - earlier for earlier, later in pairwise(arrivals_s)) < 0.5
            assert not peer.has_ended.is_set()
    assert server.status() is not None
