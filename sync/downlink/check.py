# SPDX-License-Identifier: EUPL-1.2
"""One look at the content repository, from the signature to the page; whatever fails, the last good content stays."""

from __future__ import annotations

import fcntl
import sqlite3
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge_core import clock, logs
from edge_core.errors import ContentError, NetworkError, ParvisError
from sync.downlink.apply import Progress, Published, apply_index
from sync.downlink.blobs import sweep, sweep_mirror
from sync.downlink.content_db import ContentDatabase, put_aside
from sync.downlink.http import HttpFetcher
from sync.downlink.road import Road
from sync.downlink.soundness import MALFORMED
from sync.downlink.trust import Signed, digest, load_root, signed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tuf.ngclient import FetcherInterface

    from edge_core.settings import Settings


_NOTED_EVERY = 900  # seconds between two notes that nothing is new: an idle device must not wear out its card
_PATIENCE = 5.0  # seconds that a device leaves to a neighbour that shares, before it goes to the repository itself
_log = logs.get(__name__)


@dataclass(frozen=True)
class Result:
    """What a look gave: whether something new is served now, which version is, and why nothing new could be taken."""

    changed: bool
    version: int | None
    error: ParvisError | None = None


class Downlink:
    """Keeps this device's content up to date with one repository. `check` may be called from any thread."""

    def __init__(
        self,
        settings: Settings,
        fetcher: FetcherInterface | None = None,
        neighbours: Callable[[], Sequence[str]] = tuple,
        carry: Callable[[bytes, Road], None] = lambda _said, _road: None,
    ) -> None:
        """Take where the repository is and where content goes; nothing is opened yet.

        `neighbours`: whom to ask now. `carry` hears what the operator says of releases, and on which road.
        """
        self._settings = settings
        self._fetcher = fetcher if fetcher is not None else HttpFetcher()
        self._neighbours = neighbours
        self._carry = carry
        self._lock = threading.Lock()
        self._open: ContentDatabase | None = None

    def check(self, road: Road | None = None, progress: Progress | None = None) -> Result:
        """Look once: verify, fetch what is new, apply it in one transaction. Never raises for what others do wrong.

        `road`: another one than that of the settings, such as a stick.
        """
        with self._lock:
            try:
                with self._alone():
                    return self._checked(self._database(), road, progress)
            except ContentError as error:
                return Result(changed=False, version=None, error=error)
            except OSError as error:
                return Result(changed=False, version=None, error=_disk(error))

    def rollback(self) -> int:
        """Serve the content before the last change again; what was replaced is passed over. Raises ContentError."""
        with self._lock, self._alone():
            database = self._database()
            with database.transaction():
                return database.past.restore(database)

    def resume(self) -> None:
        """Take the newest version again at the next look, after a `rollback`."""
        with self._lock, self._alone():
            database = self._database()
            with database.transaction():
                database.past.resume()

    def close(self) -> None:
        """Close the database; the next look opens it again."""
        if self._open is not None:
            self._open.close()
            self._open = None

    def _database(self) -> ContentDatabase:
        """Return the database, held open between looks: opening and closing a WAL file writes to the card each time."""
        if self._open is not None and not self._open.is_current():
            self.close()
        if self._open is None:
            self._open = ContentDatabase(self._settings.content_db)
        return self._open

    def _checked(self, database: ContentDatabase, road: Road | None, progress: Progress | None) -> Result:
        before: int | None = None
        try:
            before = database.version()
            way = road or self._road()
            changed = way is not None and self._look(database, way, progress)
            return Result(changed, database.version())
        except (ContentError, NetworkError) as error:
            problem: ParvisError = error
        except (OSError, sqlite3.OperationalError) as error:
            problem = _disk(error)
        except sqlite3.DatabaseError as error:
            problem = self._begin_anew(error)
        except MALFORMED as error:
            problem = ContentError(
                f"A signed record is malformed ({error!r}).", remedy="Publish again with a current `parvis publish`."
            )
        return Result(changed=False, version=before, error=problem)

    def _begin_anew(self, error: sqlite3.DatabaseError) -> ContentError:
        """Put a damaged database aside; the next look fetches everything again."""
        self.close()
        put_aside(self._settings.content_db, str(error))
        return ContentError(
            f"The content database was damaged ({error}).", remedy="It is fetched again by itself; check the SD card."
        )

    def _road(self) -> Road | None:
        """Return the road of the settings, or a neighbour's alone; None where there is neither."""
        neighbours, keep = self._neighbours(), self._settings.tuf_dir / "mirror"
        road = Road(self._settings.content.url, self._fetcher, neighbours=neighbours, keep=keep)
        return road if road.url else None

    def _look(self, database: ContentDatabase, road: Road, progress: Progress | None) -> bool:
        root = load_root(self._settings.content.root)
        found = self._signed(road, root)
        for name, error in found.refused.items():
            _log.warning("publisher_refused", publisher=name, reason=str(error))
        if found.index.version != database.version() and self._settings.content.share is None:
            self._await_neighbour(road)
        self._carry(found.releases, road)
        now = clock.now()
        published = Published(found.index, digest(root), found.publishers, frozenset(found.refused))
        changed = apply_index(database, self._settings.blobs_dir, published, road, now, progress)
        if changed:
            sweep(self._settings.blobs_dir, database.past.blobs() | database.blobs(), now)
            sweep_mirror(self._settings.tuf_dir / "mirror", [found.index, *found.publishers.values()])
            _log.info("content_applied", version=found.index.version, octets=road.octets, spared=road.spared)
        elif abs(now - float(database.meta("checked_at") or 0)) > _NOTED_EVERY:
            with database.transaction():
                database.set_meta("checked_at", now)
        return changed

    def _signed(self, road: Road, root: bytes) -> Signed:
        """Ask the repository what is signed; where it can't be reached, a neighbour may know something newer."""
        try:
            return signed(road, self._settings.tuf_dir, root)
        except NetworkError:
            for base in road.neighbours:
                try:
                    return signed(Road(base, self._fetcher), self._settings.tuf_dir, root)
                except (NetworkError, ContentError):
                    continue
            raise

    def _await_neighbour(self, road: Road) -> None:
        """Give a neighbour that shares a few seconds to fetch what is new, so that the site downloads it once."""
        held = (self._settings.tuf_dir / "metadata" / "timestamp.json").read_bytes()
        end = clock.monotonic() + _PATIENCE
        while any(road.is_behind(base, held) for base in road.neighbours) and clock.monotonic() < end:
            threading.Event().wait(_PATIENCE / 10)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep another process (`parvis content check`) out of the same folder."""
        self._settings.tuf_dir.mkdir(parents=True, exist_ok=True)
        with (self._settings.tuf_dir / "lock").open("w", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _disk(error: Exception) -> ContentError:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return ContentError(
        f"New content can't be stored ({reason}).", remedy="Make room on the disk, or mend its file system."
    )
