"""The end of a dialog that is not used any more: what it keeps open is closed."""

from __future__ import annotations

import asyncio
import logging

from actors.errors import described
from ingress.dialogs.base import Dialog

CLOSE_DEADLINE_S = 1.0

log = logging.getLogger(__name__)


async def close(dialog: Dialog) -> None:
    """Close a dialog within `CLOSE_DEADLINE_S`; what fails is logged."""
    try:
        async with asyncio.timeout(CLOSE_DEADLINE_S):
            await dialog.close()
    except Exception as error:  # somebody else's code
        log.warning("dialog %s: closing it: %s", type(dialog).__name__, described(error))
