# SPDX-License-Identifier: EUPL-1.2
"""The internet's web server: answers every host, and the well-known probes as their owners' servers do.

`python -m lab.net.web CERTIFICATE KEY ADDRESS…`: HTTP on port 80 and HTTPS on 443 of those addresses.
"""

import socket
import ssl
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_APPLE = b"<HTML><HEAD><TITLE>Success</TITLE></HEAD><BODY>Success</BODY></HTML>\n"
_FIREFOX = b'<meta http-equiv="refresh" content="0;url=https://support.mozilla.org/kb/captive-portal"/>'
_HTML = "text/html; charset=utf-8"

# What each system must read before it believes that it is online: (status, content type, body).
Answer = tuple[int, str, bytes]
PROBES: dict[tuple[str, str], Answer] = {
    ("captive.apple.com", "/hotspot-detect.html"): (200, "text/html", _APPLE),
    ("www.apple.com", "/library/test/success.html"): (200, "text/html", _APPLE),
    ("connectivitycheck.gstatic.com", "/generate_204"): (204, "", b""),
    ("www.google.com", "/generate_204"): (204, "", b""),
    ("clients3.google.com", "/generate_204"): (204, "", b""),
    ("detectportal.firefox.com", "/canonical.html"): (200, "text/html", _FIREFOX),
    ("detectportal.firefox.com", "/success.txt"): (200, "text/plain", b"success\n"),
    ("nmcheck.gnome.org", "/check_network_status.txt"): (200, "text/plain", b"NetworkManager is online\n"),
    ("network-test.debian.org", "/nm"): (200, "text/plain", b"NetworkManager is online\n"),
    ("www.msftconnecttest.com", "/connecttest.txt"): (200, "text/plain", b"Microsoft Connect Test"),
}

_PAGE = (
    b'<!doctype html><html lang="fr"><meta charset="utf-8"><title>Une page lointaine</title>'
    b"<h1>Une page lointaine</h1><p>Cette page vient du serveur du laboratoire : la connexion passe.</p></html>"
)


def answer(host: str, path: str) -> Answer:
    """Return the probe's success for its host and path; a plain page for everything else."""
    return PROBES.get((host.partition(":")[0].lower(), path.partition("?")[0]), (200, _HTML, _PAGE))


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        status, kind, body = answer(self.headers.get("Host", ""), self.path)
        self.send_response(status)
        if kind:
            self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    do_HEAD = do_GET  # noqa: N815

    def log_message(self, *_: object) -> None:
        """Say nothing: who asked for what is nobody's business, not even in a lab."""


class _Server(ThreadingHTTPServer):
    request_queue_size = 256
    daemon_threads = True

    def __init__(self, address: str, port: int, context: ssl.SSLContext | None = None) -> None:
        """Listen on an address of either family; with a context, by TLS."""
        self.address_family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self._context = context
        super().__init__((address, port), _Handler)

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Shake hands in the connection's own thread, so that a client that says nothing blocks nobody."""
        if self._context is None:
            return super().finish_request(request, client_address)
        try:
            wrapped = self._context.wrap_socket(request, server_side=True)
        except OSError:
            return None
        with wrapped:
            _Handler(wrapped, client_address, self)
        return None


def main() -> None:
    """Serve until ended."""
    certificate, key, *addresses = sys.argv[1:]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    ports = ((80, None), (443, context))
    servers = [_Server(address, port, used) for address in addresses for port, used in ports]
    threads = [threading.Thread(target=server.serve_forever) for server in servers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main()
