"""Links on which every turn and call that ends is reported: those of web processes."""

from __future__ import annotations

from actors.errors import LinkError
from ingress.link.link import Link
from ingress.link.messages import CallEnded, TurnFinished


class Followers:
    """Never more than a few links; one that does not read is dropped by the link's own limit."""

    def __init__(self) -> None:
        self._links: set[Link] = set()

    def add(self, link: Link) -> None:
        """Report on this link from now on."""
        self._links.add(link)

    def discard(self, link: Link) -> None:
        """Report on it no more; unknown ones are ignored."""
        self._links.discard(link)

    def report(self, message: TurnFinished | CallEnded) -> None:
        """Send a message on all links."""
        for link in tuple(self._links):
            try:
                link.send(message)
            except LinkError:  # it is gone or does not read; its handler notices
                self._links.discard(link)
