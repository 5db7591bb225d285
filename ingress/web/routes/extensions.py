"""The extension book: read and change it. The supervisor owns it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import JsonValue

from ingress.configuration.extension_book import NAME
from ingress.configuration.extensions import Extension
from ingress.configuration.settings import ExtensionSettings
from ingress.link.messages import ControlReply, ExtensionsRequest, PutExtension, RemoveExtension
from ingress.web.problems import Body, Problem, Responses
from ingress.web.services import Given
from ingress.web.supervisor import ask_supervisor

router = APIRouter(tags=["extensions"])

Name = Annotated[str, Path(pattern=f"^{NAME.pattern}$", description="The extension's name or number.")]
UNKNOWN: Responses = {404: {"description": "There is no such extension."}}
REFUSED: Responses = {422: {"description": "The book would be wrong with it; nothing has changed."}}


class ExtensionBody(Body):
    """One extension as new calls get it, defaults filled in."""

    extension: Extension
    port: int | None
    """That it listens on; null: none of its own."""
    return_port: int | None
    """That it listens on for return legs; null: none."""
    settings: dict[str, JsonValue] | None
    """What is set for it, as in its table `[extensions.NAME]`, to change and PUT; null: the server's own."""
    problem: str | None
    """Why it takes no calls."""


class ExtensionPage(Body):
    """All extensions, the server's own port first."""

    version: int
    """Of the book; grows with every change."""
    items: list[ExtensionBody]
    next: None = None
    """There is one page."""
    source_problem: str | None
    """Why the extensions of the database are not followed; null: they are, or there is no database."""


class ChangeBody(Body):
    """What a change came to."""

    version: int
    """Of the book, from now on."""
    waiting: tuple[str, ...]
    """What only the next start takes up."""


@router.get("/extensions", summary="All extensions")
async def list_extensions(services: Given) -> ExtensionPage:
    """The book as the server has it now."""
    return _page(await ask_supervisor(services, ExtensionsRequest()))


@router.get("/extensions/{name}", summary="One extension", responses=UNKNOWN)
async def read_extension(services: Given, name: Name) -> ExtensionBody:
    """As new calls get it."""
    return _find(await ask_supervisor(services, ExtensionsRequest()), name)


@router.put("/extensions/{name}", summary="Add or replace an extension", responses=REFUSED)
async def put_extension(services: Given, name: Name, settings: ExtensionSettings) -> ChangeBody:
    """Take these settings, as in the table `[extensions.NAME]`, for new calls; running calls keep theirs.

    They are written to the file that has the extension, or new ones. Either all of it is done, or nothing.
    """
    chosen = settings.model_dump(mode="json", exclude_unset=True)
    return _changed(await ask_supervisor(services, PutExtension(name=name, settings=chosen)))


@router.delete("/extensions/{name}", summary="Remove an extension", responses={**UNKNOWN, **REFUSED})
async def remove_extension(services: Given, name: Name) -> ChangeBody:
    """Close its port to new calls and take it from its file; its running calls go on."""
    _find(await ask_supervisor(services, ExtensionsRequest()), name)
    return _changed(await ask_supervisor(services, RemoveExtension(name=name)))


def _page(reply: ControlReply) -> ExtensionPage:
    return ExtensionPage(
        version=reply.book.version,
        items=[_body(reply, name) for name in reply.book.extensions],
        source_problem=reply.source_problem,
    )


def _find(reply: ControlReply, name: str) -> ExtensionBody:
    if name not in reply.book.extensions:
        raise Problem(404, f"there is no extension {name}")
    return _body(reply, name)


def _body(reply: ControlReply, name: str) -> ExtensionBody:
    return ExtensionBody(
        extension=reply.book.extensions[name],
        port=reply.ports.get(name),
        return_port=reply.return_ports.get(name),
        settings=reply.tables.get(name),
        problem=reply.problems.get(name),
    )


def _changed(reply: ControlReply) -> ChangeBody:
    return ChangeBody(version=reply.book.version, waiting=reply.waiting)
