"""The state of the fleet: nodes, workers, ingresses with their calls, decisions. All of it is only read."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request

from actors.api.services import Services

router = APIRouter(prefix="/api/v1", tags=["fleet"])
MAXIMUM_PAGE = 200


def services_of(request: Request) -> Services:
    """Return the replica's services."""
    services: Services = request.app.state.services
    return services


Served = Annotated[Services, Depends(services_of)]


def listed(items: list[dict[str, Any]], next_item: str | None = None) -> dict[str, Any]:
    """Return a list as all lists of the door are written."""
    return {"items": items, "next": next_item}


@router.get("/fleet")
async def fleet(services: Served) -> dict[str, Any]:
    """Return all that the manager knows, as `raymal cluster status --json` prints it."""
    status = await services.status()
    return {"is_ready": status.is_ready, **asdict(status)}


@router.get("/nodes")
async def nodes(services: Served) -> dict[str, Any]:
    """Return the machines of the fleet, with the workers that are planned and ready on each, and why."""
    return listed([asdict(node) for node in (await services.status()).nodes])


@router.get("/workers")
async def workers(services: Served) -> dict[str, Any]:
    """Return groups of equal workers, each of one kind on one node."""
    return listed(
        [
            {"node_id": node.node_id, "address": node.address, **asdict(group)}
            for node in (await services.status()).nodes
            for group in node.groups
        ]
    )


@router.get("/ingresses")
async def ingresses(services: Served) -> dict[str, Any]:
    """Return the servers that use the fleet, with their load."""
    return listed([asdict(ingress) for ingress in (await services.status()).ingress])


@router.get("/calls")
async def calls(
    services: Served,
    limit: Annotated[int, Query(ge=1, le=MAXIMUM_PAGE)] = 100,
    after: Annotated[str, Query(max_length=200)] = "",
) -> dict[str, Any]:
    """Return the calls of all ingresses, by id, and what each has used so far."""
    found = await services.sessions(after, limit + 1)
    page = found[:limit]
    return listed([asdict(call) for call in page], page[-1].session_id if len(found) > limit else None)


@router.get("/door")
async def door(services: Served) -> dict[str, int]:
    """Return what the door counts: speech requests now, and since its start what it refused."""
    return {
        "in_progress": services.in_progress,
        "refused": services.refused,
        "wrong_tokens": services.wrong_tokens,
    }


@router.get("/decisions")
async def decisions(services: Served) -> dict[str, Any]:
    """Return what each ingress has to observe now, and the newest changes of level with their reasons."""
    return asdict(await services.decisions())
