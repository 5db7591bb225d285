"""What rings a doorman's resident in place of a PBX: an HTTP server that takes the look-up `ring`."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

DEADLINE_S = 5.0
"""For a request to arrive whole."""
_POLL_S = 0.05
_ANSWER = b"{}"


def _no_one(body: bytes) -> None:
    """Let no resident answer."""


@contextmanager
def ringing(on_ring: Callable[[bytes], None] = _no_one) -> Iterator[str]:
    """Take look-ups until the block ends; yield their URL.

    `on_ring` gets the body of each before it is answered, in another thread.
    """

    class Ring(BaseHTTPRequestHandler):
        timeout = DEADLINE_S

        def do_GET(self) -> None:
            """Say that it rings."""
            on_ring(self.rfile.read(int(self.headers.get("Content-Length", 0))))
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(_ANSWER)))
            self.end_headers()
            self.wfile.write(_ANSWER)

        do_POST = do_GET

        def log_message(self, format: str, *arguments: object) -> None:
            """Print nothing."""

    listener = ThreadingHTTPServer(("127.0.0.1", 0), Ring)
    thread = threading.Thread(target=listener.serve_forever, args=(_POLL_S,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.server_address[1]}/ring"
    finally:
        listener.shutdown()
        listener.server_close()
        thread.join()
