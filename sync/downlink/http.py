# SPDX-License-Identifier: EUPL-1.2
"""HTTP(S) as the downlink speaks it: bounded in time, resumed where it was cut, and quiet when nothing is new.

A server that stalls, drips byte by byte, or asks for patience (`Retry-After`, RFC 9110, 10.2.3) costs a device seconds,
never a day.
"""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urljoin

import urllib3
import urllib3.connection
from tuf.api import exceptions
from tuf.ngclient import FetcherInterface

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TIMEOUT = 10.0  # seconds without a byte before the road counts as cut
GRACE = 30.0  # seconds that any file may take, and the head of any answer
SLOWEST = 4096  # bytes/s; on average and after the grace, a slower server is given up
_MOST_PATIENCE = 6 * 3600.0  # seconds; no server can keep a device away for longer
_REVALIDATED = "timestamp.json"  # the one file that is asked for again and again
_REDIRECTS = 3


class BusyError(exceptions.DownloadHTTPError):
    """The server asks to come back later: `wait` seconds."""

    def __init__(self, status: int, wait: float) -> None:
        super().__init__(f"HTTP error occurred with status {status}", status)
        self.wait = wait


class Resumable(Protocol):
    """A fetcher that can begin in the middle of a file."""

    def fetch_from(self, url: str, offset: int) -> tuple[int, Iterator[bytes]]:
        """Return where the answer begins (0 or `offset`), and its pieces."""


class _Connection(urllib3.connection.HTTPConnection):
    """Hangs up on a head that drips: each of its bytes would put the socket's own timeout off."""

    def getresponse(self) -> urllib3.HTTPResponse:  # type: ignore[override]  # as urllib3 itself has it
        late = threading.Event()
        timer = threading.Timer(GRACE, _hang_up, [self.sock, late])
        timer.daemon = True
        timer.start()
        try:
            answer = super().getresponse()
            if late.is_set():  # what has come until then would pass for a whole head
                answer.close()
                raise TimeoutError("the head of the answer took too long")
            return answer
        finally:
            timer.cancel()


class _TlsConnection(_Connection, urllib3.connection.HTTPSConnection):
    """The same over TLS."""


class _Pool(urllib3.HTTPConnectionPool):
    ConnectionCls = _Connection


class _TlsPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


def _hang_up(connected: socket.socket, late: threading.Event) -> None:
    late.set()
    with suppress(OSError):
        connected.shutdown(socket.SHUT_RDWR)


class HttpFetcher(FetcherInterface):
    """Fetches over HTTP(S); keeps the tag of the file that is asked for most, so that an idle look costs a header."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Open nothing yet. `clock` is monotonic, in seconds."""
        self._pool = urllib3.PoolManager(num_pools=8, headers={"User-Agent": "parvis"})
        self._pool.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}
        self._clock = clock
        self._tagged: dict[str, tuple[str, bytes]] = {}
        self.unchanged = 0

    def _fetch(self, url: str) -> Iterator[bytes]:
        """Yield a file's pieces. Raises tuf's DownloadError, or urllib3's HTTPError."""
        if not url.endswith(_REVALIDATED):
            return self.fetch_from(url, 0)[1]
        return iter([self._revalidated(url)])

    def fetch_from(self, url: str, offset: int) -> tuple[int, Iterator[bytes]]:
        """Return where the answer begins and its pieces: at `offset` where the server can, else at 0."""
        response = self._open(url, {"Range": f"bytes={offset}-"} if offset else {})
        if response.status == 416:  # the file there is shorter than what we hold
            response.close()
            response = self._open(url, {})
        self._require_good(response)
        begins = offset if response.status == 206 and _begins_at(response, offset) else 0
        if response.status == 206 and not begins and offset:
            response.close()
            raise exceptions.DownloadError("the server answered another range than the one asked for")
        return begins, self._pieces(response)

    def _revalidated(self, url: str) -> bytes:
        tag, held = self._tagged.get(url, ("", b""))
        response = self._open(url, {"If-None-Match": tag} if tag else {})
        if response.status == 304 and tag:
            response.close()
            self.unchanged += 1
            return held
        self._require_good(response)
        data = bytearray()
        for piece in self._pieces(response):
            data += piece
            if len(data) > 1 << 20:
                raise exceptions.DownloadLengthMismatchError("a timestamp of more than 1 MiB")
        found = response.headers.get("ETag", "")
        if found and len(found) < 200:
            self._tagged = {url: (found, bytes(data))}
        return bytes(data)

    def _open(self, url: str, headers: dict[str, str]) -> urllib3.BaseHTTPResponse:
        """Ask, and follow redirections; not as urllib3 does, which reads the whole body of each, however long."""
        timeout = urllib3.Timeout(connect=TIMEOUT, read=TIMEOUT)
        for _ in range(1 + _REDIRECTS):
            response = self._pool.request(
                "GET", url, headers=headers, preload_content=False, timeout=timeout, retries=False, redirect=False
            )
            elsewhere = response.get_redirect_location()
            if not elsewhere:
                return response
            response.close()
            url = urljoin(url, elsewhere)
        raise exceptions.DownloadError(f"more than {_REDIRECTS} redirections")

    def _require_good(self, response: urllib3.BaseHTTPResponse) -> None:
        if response.status in (200, 206):
            return
        response.close()
        if response.status in (429, 503):
            raise BusyError(response.status, _wait(response.headers.get("Retry-After", "")))
        raise exceptions.DownloadHTTPError(f"HTTP error occurred with status {response.status}", response.status)

    def _pieces(self, response: urllib3.BaseHTTPResponse) -> Iterator[bytes]:
        """Yield what comes as it comes, so that the time can be looked at between any two bytes.

        As it is on the server: some call a file that is compressed an encoding, and what is signed is the file.
        """
        begun, received = self._clock(), 0
        try:
            while piece := response.read1(65536, decode_content=False):
                received += len(piece)
                yield piece
                if self._clock() - begun > GRACE + received / SLOWEST:
                    raise exceptions.SlowRetrievalError(f"{received} bytes in {self._clock() - begun:.0f} s")
            length = response.headers.get("Content-Length", "")
            if length.isdecimal() and received < int(length):
                raise exceptions.DownloadError(f"the connection was cut after {received} of {length} bytes")
        finally:
            response.close()


def _begins_at(response: urllib3.BaseHTTPResponse, offset: int) -> bool:
    return response.headers.get("Content-Range", "").startswith(f"bytes {offset}-")


def _wait(value: str) -> float:
    """Return the seconds that a Retry-After asks for; a minute where it is absent or makes no sense."""
    try:
        seconds = float(value) if value.strip().isdecimal() else _until(value)
    except (ValueError, TypeError, OverflowError):
        seconds = 60.0
    return min(max(seconds, 1.0), _MOST_PATIENCE)


def _until(value: str) -> float:
    moment = parsedate_to_datetime(value)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() - datetime.now(UTC).timestamp()
