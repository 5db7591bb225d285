"""The files of the live page, and what is answered for paths that nothing has."""

from __future__ import annotations

from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.staticfiles import StaticFiles
from starlette.types import Receive, Scope, Send

from ingress.web.guard import CLOSED_FOLDERS
from ingress.web.problems import problem_response

FOLDER = Path(__file__).parent / "page"


class PageFiles:
    """Answers what no route takes."""

    def __init__(self) -> None:
        self._files = StaticFiles(directory=FOLDER, html=True)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send a file. Raises HTTPException (404, 405)."""
        if scope["type"] != "http":
            await problem_response(404, "there is no WebSocket here")(scope, receive, send)
            return
        if scope["path"].startswith(CLOSED_FOLDERS):
            raise HTTPException(404)
        # Files are sent whole, they are small: a range that is wrong would be answered in plain text.
        headers = [(name, value) for name, value in scope["headers"] if name != b"range"]
        await self._files({**scope, "headers": headers}, receive, send)
