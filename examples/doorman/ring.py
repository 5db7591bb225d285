"""Stands in for Asterisk's ARI, to try the doorman without a PBX: `python examples/doorman/ring.py [PORT]`.

Takes every request for a ringing; the resident is then who joins: `/join` in `raymal chat`, the return leg of
`raymal call --script`.
"""

import sys
from http.server import BaseHTTPRequestHandler, HTTPServer


class Ring(BaseHTTPRequestHandler):
    """Answers POST requests with an empty JSON object, and logs them to standard error."""

    def do_POST(self) -> None:
        """Answer once the request has been read."""
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")


if __name__ == "__main__":
    server = HTTPServer(("127.0.0.1", int(sys.argv[1]) if len(sys.argv) > 1 else 8088), Ring)
    print(f"waiting on port {server.server_port}", flush=True)
    server.serve_forever()
