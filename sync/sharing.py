# SPDX-License-Identifier: EUPL-1.2
"""Lets the other devices of a site take content from this one: a small read-only server of what was verified here.

Nobody needs to trust it: whoever asks verifies every file as if it came from anywhere. It serves the repository's own
layout, from the files that the downlink keeps; nothing else of the device can be named.
"""

from __future__ import annotations

import re
import socket
import socketserver
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Self

from edge_core import logs
from sync.downlink.repository_format import INDEX, RELEASES
from sync.release.carry import carried

if TYPE_CHECKING:
    from pathlib import Path

    from edge_core.settings import Settings

_MOST_AT_ONCE = 16
_TIMEOUT = 20.0  # seconds that a reader may keep a connection without taking anything
_PIECE = 256 << 10
_SHA = "[0-9a-f]{64}"
_MIRRORED = re.compile(rf"(snapshots|segments)/{_SHA}\.jsonl\.zst")
_BLOB = re.compile(rf"blobs/({_SHA})")
_METADATA = re.compile(r"metadata/(?:(\d{1,10})\.)?([a-z0-9][a-z0-9_-]{0,99})\.json")
_INDEX = re.compile(rf"targets/((?:publishers/[a-z0-9][a-z0-9_-]{{0,99}}/)?){_SHA}\.{re.escape(INDEX)}")
_RELEASES = re.compile(rf"targets/releases/{_SHA}\.releases\.json")
_BUNDLE = re.compile(rf"releases/({_SHA}\.tar)")
_log = logs.get(__name__)


def located(name: str, settings: Settings) -> Path | None:
    """Return the file that stands for `name` of the repository, or None; it may be absent or of another version."""
    if _MIRRORED.fullmatch(name):
        return mirror(settings) / name
    if blob := _BLOB.fullmatch(name):
        return settings.blobs_dir / blob[1]
    if meta := _METADATA.fullmatch(name):
        folder = settings.tuf_dir / "metadata"
        if meta[2] == "root" and meta[1]:
            return folder / "root_history" / f"{meta[1]}.root.json"
        return folder / f"{meta[2]}.json" if meta[1] or meta[2] == "timestamp" else None
    if index := _INDEX.fullmatch(name):
        return settings.tuf_dir / "targets" / urllib.parse.quote(f"{index[1]}{INDEX}", "")
    return _of_releases(name, settings)


def _of_releases(name: str, settings: Settings) -> Path | None:
    if _RELEASES.fullmatch(name):
        return settings.tuf_dir / "targets" / urllib.parse.quote(RELEASES, "")
    bundle = _BUNDLE.fullmatch(name)
    return carried(settings) / bundle[1] if bundle else None


def mirror(settings: Settings) -> Path:
    """Return the folder where snapshots and segments stay for neighbours."""
    return settings.tuf_dir / "mirror"


class Sharing:
    """The server, in threads of its own, while the `with` block lasts."""

    def __init__(self, settings: Settings) -> None:
        """Take where to listen from [content] share."""
        host, port = settings.content.share or ("127.0.0.1", 0)
        handler = type("Handler", (_Handler,), {"settings": settings})
        self._server = _Server((host, port), handler, family=socket.AF_INET6 if ":" in host else socket.AF_INET)

    @property
    def port(self) -> int:
        """Return the TCP port."""
        return int(self._server.server_address[1])

    def start(self) -> Self:
        """Serve."""
        threading.Thread(target=self._server.serve_forever, name="sharing", daemon=True).start()
        return self

    def stop(self) -> None:
        """Serve no more."""
        self._server.shutdown()
        self._server.server_close()


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 64

    def __init__(self, address: tuple[str, int], handler: type[_Handler], *, family: socket.AddressFamily) -> None:
        self.address_family = family
        self._free = threading.BoundedSemaphore(_MOST_AT_ONCE)
        super().__init__(address, handler)

    def process_request(self, request: socket.socket | tuple[bytes, socket.socket], client_address: object) -> None:
        if self._free.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(
        self, request: socket.socket | tuple[bytes, socket.socket], client_address: object
    ) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: object, client_address: object) -> None:  # noqa: ARG002
        _log.debug("reader_left")


class _Handler(BaseHTTPRequestHandler):
    """Answers GET and HEAD for files of the repository; everything else is 404 or 501."""

    settings: Settings
    protocol_version = "HTTP/1.1"
    server_version = "parvis"
    sys_version = ""
    timeout = _TIMEOUT

    def do_GET(self) -> None:
        """Send a file."""
        self._answer(send=True)

    def do_HEAD(self) -> None:
        """Send what a file is, without it."""
        self._answer(send=False)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Keep a neighbour's address out of the log."""

    def _answer(self, *, send: bool) -> None:
        path = located(self.path.lstrip("/"), self.settings)
        try:
            file = path.open("rb") if path is not None and path.is_file() else None
        except OSError:
            file = None
        if file is None:
            self.send_error(404)
            return
        with file:
            self.send_response(200)
            self.send_header("Content-Length", str(file.seek(0, 2)))
            self.send_header("Content-Type", "application/octet-stream")
            self.end_headers()
            file.seek(0)
            while send and (piece := file.read(_PIECE)):
                self.wfile.write(piece)
