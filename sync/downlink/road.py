# SPDX-License-Identifier: EUPL-1.2
"""The road that content arrives by: HTTP(S); the only module of the downlink that opens a connection.

What comes is only as large as was promised, and is believed only when its SHA-256 is the one asked for.
"""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

import urllib3
from tuf.api.exceptions import DownloadError, DownloadHTTPError, DownloadLengthMismatchError
from tuf.ngclient.urllib3_fetcher import Urllib3Fetcher

from edge_core.errors import ContentError, NetworkError

if TYPE_CHECKING:
    from pathlib import Path

    from tuf.ngclient import FetcherInterface

    from sync.downlink.repository_format import FileRef

TIMEOUT = 10  # seconds without a byte before the road counts as cut


class Road:
    """Fetches the files of one repository."""

    def __init__(self, url: str, fetcher: FetcherInterface | None = None) -> None:
        """Fetch below `url`."""
        self.url = url.rstrip("/")
        self.fetcher = fetcher if fetcher is not None else Urllib3Fetcher(socket_timeout=TIMEOUT)

    def fetch(self, path: str, file: FileRef) -> bytes:
        """Return a small file, verified. Raises NetworkError or ContentError."""
        try:
            with self.fetcher.download_file(f"{self.url}/{path}", file.bytes) as stream:
                data: bytes = stream.read()
        except (DownloadError, urllib3.exceptions.HTTPError) as error:
            raise explain(error, f"{self.url}/{path}") from error
        if len(data) != file.bytes or hashlib.sha256(data).hexdigest() != file.sha256:
            raise ContentError(
                f"{self.url}/{path} is not the file that was signed ({len(data)} bytes of {file.bytes}).",
                remedy="Restore it on the server, or publish again.",
            )
        return data

    def fetch_to(self, path: str, file: FileRef, target: Path) -> None:
        """Put a file at `target`, verified and on disk before it bears its name. Raises as `fetch`, and OSError."""
        data = self.fetch(path, file)
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_name(f".{target.name}.partial")
        with partial.open("wb") as out:
            out.write(data)
            out.flush()
            os.fsync(out.fileno())
        partial.replace(target)


def explain(error: Exception, url: str) -> ContentError | NetworkError:
    """Return the error of a download in words."""
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
