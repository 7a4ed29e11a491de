# SPDX-License-Identifier: EUPL-1.2
"""The roads that content arrives by, and one verifier for all: a web server, neighbours on the LAN, a stick.

What comes is only as large as was promised, and is believed only when its SHA-256 is the one asked for. So nobody on a
road is trusted, and a file that the site already holds is taken from next door.
"""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING, TypeVar, cast

import urllib3
from tuf.api.exceptions import DownloadError, DownloadHTTPError, DownloadLengthMismatchError

from edge_core import durable, logs
from edge_core.errors import ContentError, NetworkError
from sync.downlink.http import BusyError, HttpFetcher

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from tuf.ngclient import FetcherInterface

    from sync.downlink.http import Resumable
    from sync.downlink.repository_format import FileRef

_RESUMED = 256 << 10  # bytes: what is smaller is fetched whole, what is larger never stands in memory
Taken = TypeVar("Taken")
_log = logs.get(__name__)


class ServerBusyError(NetworkError):
    """The server asks to come back in `wait` seconds."""

    def __init__(self, url: str, wait: float) -> None:
        super().__init__(f"{url} asks to come back later.", remedy=f"It is asked again in {wait:.0f} s.")
        self.wait = wait


class Road:
    """Fetches the files of one repository. `neighbours` are tried first, for files that are named by their digest.

    `keep`: a folder where small files stay after they were fetched, for neighbours to ask for.
    `octets`: bytes that came from the repository itself; `spared`: bytes that came from neighbours.
    """

    def __init__(
        self,
        url: str,
        fetcher: FetcherInterface | None = None,
        *,
        neighbours: Sequence[str] = (),
        keep: Path | None = None,
    ) -> None:
        """Fetch below `url`; empty: from neighbours only."""
        self.neighbours = tuple(each.rstrip("/") for each in neighbours)
        self.url = url.rstrip("/") or (self.neighbours[0] if self.neighbours else "")
        self.fetcher = fetcher if fetcher is not None else HttpFetcher()
        self.octets = 0
        self.spared = 0
        self._keep = keep
        self._away: set[str] = set()

    def fetch(self, path: str, file: FileRef) -> bytes:
        """Return a small file, verified. Raises NetworkError or ContentError."""
        data = self._nearest(path, lambda url: self._fetch(url, file), file)
        if self._keep is not None:
            _write(self._keep / path, data)
        return data

    def fetch_to(self, path: str, file: FileRef, target: Path) -> None:
        """Put a file at `target`, verified and on disk before it bears its name. Raises as `fetch`, and OSError."""
        target.parent.mkdir(parents=True, exist_ok=True)
        if file.bytes < _RESUMED:
            durable.replace(target, self._nearest(path, lambda url: self._fetch(url, file), file))
            return
        self._nearest(path, lambda url: self._fetch_large(url, file, target), file)

    def is_behind(self, base: str, timestamp: bytes) -> bool:
        """Tell whether a neighbour answers, and has not verified this timestamp yet."""
        if base in self._away or base == self.url:
            return False
        try:
            return self.fetcher.download_bytes(f"{base}/metadata/timestamp.json", 1 << 20) != timestamp
        except (DownloadError, urllib3.exceptions.HTTPError):
            return False

    def _nearest(self, path: str, take: Callable[[str], Taken], file: FileRef) -> Taken:
        """Have `take` get a file from somebody of the site, or where nobody holds it, from the repository."""
        for base in self.neighbours:
            if base in self._away or base == self.url:
                continue
            try:
                taken = take(f"{base}/{path}")
            except (NetworkError, ContentError) as error:
                if not isinstance(error.__cause__, DownloadHTTPError):  # it is away, or lies: not again in this look
                    self._away.add(base)
                    _log.warning("neighbour_passed_over", reason=str(error))
            else:
                self.spared += file.bytes
                return taken
        return take(f"{self.url}/{path}")

    def _fetch(self, url: str, file: FileRef) -> bytes:
        try:
            with self.fetcher.download_file(url, file.bytes) as stream:
                data: bytes = stream.read()
        except (DownloadError, urllib3.exceptions.HTTPError) as error:
            raise explain(error, url) from error
        if len(data) != file.bytes or hashlib.sha256(data).hexdigest() != file.sha256:
            raise _damaged(url, len(data), file)
        self._count(url, len(data))
        return data

    def _fetch_large(self, url: str, file: FileRef, target: Path) -> None:
        """Fetch a file piece by piece to the disk, whatever its size; from the repository where the last try was cut.

        What a neighbour gives stands apart: one that lies must not cost what came from the repository.
        """
        partial = target.with_name(f".{target.name}.{'partial' if self._is_own(url) else 'near'}")
        held = partial.stat().st_size if self._is_own(url) and partial.is_file() else 0
        try:
            begins, pieces = self._pieces(url, held if held < file.bytes else 0)
            self._take(pieces, partial, begins, file, url)
        except (DownloadError, urllib3.exceptions.HTTPError) as error:
            raise explain(error, url) from error
        found, size = _digest(partial)
        if found != file.sha256:
            partial.unlink()
            raise _damaged(url, size, file)
        partial.replace(target)

    def _pieces(self, url: str, offset: int) -> tuple[int, Iterator[bytes]]:
        if hasattr(self.fetcher, "fetch_from"):
            return cast("Resumable", self.fetcher).fetch_from(url, offset)
        return 0, self.fetcher.fetch(url)

    def _is_own(self, url: str) -> bool:
        return url.startswith(f"{self.url}/")

    def _count(self, url: str, size: int) -> None:
        if self._is_own(url):
            self.octets += size

    def _take(self, pieces: Iterator[bytes], partial: Path, begins: int, file: FileRef, url: str) -> None:
        with partial.open("r+b" if begins else "wb") as out:
            out.seek(begins)
            for piece in pieces:
                self._count(url, len(piece))
                if out.tell() + len(piece) > file.bytes:
                    out.truncate(0)
                    raise _damaged(url, out.tell() + len(piece), file)
                out.write(piece)
            out.flush()
            os.fsync(out.fileno())


def _write(target: Path, data: bytes) -> None:
    """Put a file where neighbours ask for it; whoever takes it verifies it, so it needn't be on the disk."""
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.partial")
    partial.write_bytes(data)
    partial.replace(target)


def _digest(path: Path) -> tuple[str, int]:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest(), file.tell()


def _damaged(url: str, size: int, file: FileRef) -> ContentError:
    return ContentError(
        f"{url} is not the file that was signed ({size} bytes of {file.bytes}).",
        remedy="Restore it on the server, or publish again.",
    )


def explain(error: Exception, url: str) -> ContentError | NetworkError:
    """Return the error of a download in words."""
    if isinstance(error, BusyError):
        return ServerBusyError(url, error.wait)
    if isinstance(error, DownloadHTTPError):
        return NetworkError(
            f"The server answers {error.status_code} for {url}.",
            remedy="Check [content] url, and that the whole repository is on the server.",
        )
    if isinstance(error, DownloadLengthMismatchError):
        return ContentError(
            f"{url} is larger than what was signed ({error}).", remedy="Restore it on the server, or publish again."
        )
    reason = error.__cause__ or error
    return NetworkError(
        f"{url} can't be fetched ({type(reason).__name__}).",
        remedy="Check the uplink; what is here is served meanwhile.",
    )
