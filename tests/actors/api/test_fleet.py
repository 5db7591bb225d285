"""The state of the fleet over HTTP."""

from __future__ import annotations

import asyncio

from door_fixture import open_door

from actors.errors import WorkerLostError
from actors.manager.resource_manager import INGRESS_TIMEOUT_S
from actors.messages import Priority, SessionFigures, SessionStarted, Transcribe, WorkKind


async def test_nodes_workers_ingresses_and_decisions() -> None:
    """What the manager knows, as it says it."""
    async with open_door() as door:
        fleet = (await door.client.get("/api/v1/fleet")).json()
        assert fleet["is_ready"]
        assert fleet["ingresses"] == 1, "the door itself is no ingress"
        nodes = (await door.client.get("/api/v1/nodes")).json()["items"]
        assert [node["hosts_ingress"] for node in nodes] == [True]
        workers = (await door.client.get("/api/v1/workers")).json()["items"]
        assert {(group["kind"], group["ready"]) for group in workers} == {(kind, 2) for kind in WorkKind}
        assert all(group["node_id"] == nodes[0]["node_id"] and group["reason"] for group in workers)
        ingresses = (await door.client.get("/api/v1/ingresses")).json()["items"]
        assert [ingress["ingress_id"] for ingress in ingresses] == ["pbx"]
        decisions = (await door.client.get("/api/v1/decisions")).json()
        assert decisions["current"]["pbx"]["level"] == 0
        assert (await door.client.get("/readyz")).status_code == 200


async def test_calls_of_all_ingresses_by_pages() -> None:
    """By id; the cursor goes on where the page ended, also when calls come and go meanwhile."""
    async with open_door() as door:
        for number in range(5):
            await door.ingress.register_session(
                SessionStarted(f"call-{number}", "pbx", "sales", Priority.HIGH)
            )
        await door.ingress.transcribe(Transcribe("call-0", bytes(16_000), "en"), 5.0)
        door.ingress.note("call-0", SessionFigures(turns=1, has_spoken=True))
        await door.ingress._make_known()
        page = (await door.client.get("/api/v1/calls?limit=2")).json()
        assert [call["session_id"] for call in page["items"]] == ["call-0", "call-1"]
        first = page["items"][0]
        assert (first["extension"], first["priority"], first["ingress_id"]) == ("sales", "high", "pbx")
        assert first["figures"]["turns"] == 1
        async with asyncio.timeout(5.0):
            while not first["transcription"]["count"]:
                first = (await door.client.get("/api/v1/calls?limit=1")).json()["items"][0]
        await door.ingress.unregister_session("call-1")
        page = (await door.client.get(f"/api/v1/calls?limit=2&after={page['next']}")).json()
        assert [call["session_id"] for call in page["items"]] == ["call-2", "call-3"]
        page = (await door.client.get(f"/api/v1/calls?limit=2&after={page['next']}")).json()
        assert [call["session_id"] for call in page["items"]] == ["call-4"]
        assert page["next"] is None


async def test_a_wrong_query_is_the_askers_mistake() -> None:
    """Problem details that name the parameter."""
    async with open_door(has_ingress=False) as door:
        for query in ("limit=0", "limit=1000000", "limit=x", f"after={'x' * 500}"):
            answer = await door.client.get(f"/api/v1/calls?{query}")
            assert answer.status_code == 400
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.json()["detail"].startswith(query.partition("=")[0])


async def test_many_askers_are_one_question_to_the_manager() -> None:
    """A flood of readers reaches the manager once a second."""
    async with open_door() as door:
        asked = 0
        status = door.manager.status

        async def counted() -> object:
            nonlocal asked
            asked += 1
            return await status()

        door.services._status._ask = counted  # type: ignore[assignment]
        await asyncio.gather(*(door.client.get("/api/v1/fleet") for _ in range(50)))
        assert asked <= 2


async def test_without_a_manager_the_door_says_so() -> None:
    """503 with Retry-After for what only the manager knows; the door itself is healthy."""
    async with open_door(has_ingress=False) as door:

        async def nobody() -> object:
            raise WorkerLostError("the resource manager does not answer: test")

        door.services._status._ask = nobody  # type: ignore[assignment]
        answer = await door.client.get("/api/v1/fleet")
        assert answer.status_code == 503
        assert "resource manager" in answer.json()["detail"]
        assert int(answer.headers["retry-after"]) > 0
        assert (await door.client.get("/readyz")).status_code == 503
        assert (await door.client.get("/healthz")).status_code == 200


async def test_a_new_manager_learns_of_the_door() -> None:
    """One that does not know it gets its registration, and the request its lease."""
    async with open_door() as door:
        await door.manager.unregister_ingress("api")
        heard = await door.services.pool.transcribe(Transcribe("api", bytes(16_000), "en"), 5.0)
        assert heard.transcript.text == "hello"


async def test_the_door_is_a_speech_client() -> None:
    """It keeps no workers and no machine, and what it held goes back when it falls silent."""
    async with open_door(has_ingress=False) as door:
        status = await door.manager.status()
        assert (status.ingresses, status.transcription.planned) == (0, 0)
        assert await door.manager.speech() is None
    async with open_door(stt_delay_s=60.0) as door:
        request = Transcribe("api", bytes(16_000), "en")
        work = asyncio.create_task(door.services.pool.transcribe(request, 50.0))
        async with asyncio.timeout(5.0):
            while (await door.manager.status()).transcription.busy != 1:
                await asyncio.sleep(0.01)
        door.manager._speech_clients["api"] -= INGRESS_TIMEOUT_S + 1
        door.manager.tick()
        assert "api" not in door.manager._speech_clients
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
