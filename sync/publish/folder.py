# SPDX-License-Identifier: EUPL-1.2
"""A repository's folder on disk: every file appears whole or not at all, and one publisher writes at a time."""

from __future__ import annotations

import fcntl
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING

from edge_core import durable
from edge_core.errors import ContentError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

_KEPT = 86_400  # seconds that a file which is no longer named stays, for devices that fetch it at this moment
_SWEPT = ("snapshots", "segments", "blobs", "targets", "targets/publishers/*")
_OLD_METADATA = re.compile(r"\d+\.(targets|snapshot)\.json")


class Folder:
    """One repository's folder."""

    def __init__(self, path: Path) -> None:
        """Take the folder, which need not exist yet."""
        self.path = path

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other publishers out. Raises ContentError when one is at work."""
        self.path.mkdir(parents=True, exist_ok=True)
        with (self.path / ".lock").open("w", encoding="ascii") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise ContentError(
                    f"Another publisher is writing {self.path}.", remedy="Wait for it, or end it."
                ) from error
            yield

    def read(self, name: str) -> bytes:
        """Return a file's content. Raises OSError."""
        return (self.path / name).read_bytes()

    def write(self, files: Mapping[str, bytes], progress: Callable[[str, int, int], None] | None = None) -> int:
        """Write files in order, each on disk before the next, and return the bytes written. Raises ContentError."""
        written = 0
        for done, (name, data) in enumerate(files.items()):
            if progress is not None:
                progress("writing", done, len(files))
            try:
                written += self._write(self.path / name, data)
            except OSError as error:
                raise ContentError(
                    f"{self.path / name} can't be written ({error.strerror}).",
                    remedy="Check the free space and the owner of the folder; what was published before still stands.",
                ) from error
        return written

    def _write(self, path: Path, data: bytes) -> int:
        if path.is_file() and path.stat().st_size == len(data) and path.read_bytes() == data:
            return 0
        path.parent.mkdir(parents=True, exist_ok=True)
        durable.replace(path, data)
        durable.settle(path.parent)
        return len(data)

    def sweep(self, named: Iterable[str], snapshot_version: int, now: float) -> int:
        """Take away files that nothing names any more and that are a day old; return how many."""
        keep = {self.path / name for name in named}
        keep |= {self.path / "metadata" / f"{snapshot_version}.{role}.json" for role in ("targets", "snapshot")}
        among = [path for folder in _SWEPT for path in self.path.glob(f"{folder}/*")]
        among += [path for path in (self.path / "metadata").glob("*.json") if _OLD_METADATA.fullmatch(path.name)]
        return _forget(among, keep, now)

    def sweep_bundles(self, named: Iterable[str], now: float) -> int:
        """Take away the bundles of releases that nothing names any more and that are a day old; return how many."""
        return _forget(self.path.glob("releases/*.tar"), {self.path / name for name in named}, now)


def _forget(among: Iterable[Path], keep: set[Path], now: float) -> int:
    old = [each for each in among if each not in keep and each.is_file() and each.stat().st_mtime < now - _KEPT]
    for path in old:
        path.unlink()
    return len(old)
