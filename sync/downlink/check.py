# SPDX-License-Identifier: EUPL-1.2
"""One look at the content repository, from the signature to the page; whatever fails, the content before is served on."""

from __future__ import annotations

import fcntl
import sqlite3
import threading
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge_core import clock, logs
from edge_core.errors import ContentError, NetworkError, ParvisError
from sync.downlink import blobs, trust
from sync.downlink.apply import apply_index
from sync.downlink.content_db import ContentDatabase
from sync.downlink.road import Road

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tuf.ngclient import FetcherInterface

    from edge_core.settings import Settings


_NOTED_EVERY = 900  # seconds between two notes that nothing is new: an idle device must not wear out its card
_log = logs.get(__name__)


@dataclass(frozen=True)
class Result:
    """What a look gave: whether something new is served now, which version is, and why nothing new could be taken."""

    changed: bool
    version: int | None
    error: ParvisError | None = None


class Downlink:
    """Keeps this device's content up to date with one repository. `check` may be called from any thread."""

    def __init__(self, settings: Settings, fetcher: FetcherInterface | None = None) -> None:
        """Take where the repository is and where content goes; nothing is opened yet."""
        self._settings = settings
        self._fetcher = fetcher
        self._lock = threading.Lock()

    def check(self) -> Result:
        """Look once: verify, fetch what is new, apply it in one transaction. Never raises for what others do wrong."""
        with self._lock:
            try:
                with self._alone(), closing(ContentDatabase(self._settings.content_db)) as database:
                    return self._checked(database)
            except (ContentError, NetworkError) as error:
                return Result(changed=False, version=None, error=error)
            except OSError as error:
                return Result(changed=False, version=None, error=_disk(error))

    def _checked(self, database: ContentDatabase) -> Result:
        before = database.meta("version")
        try:
            changed = self._settings.content.url != "" and self._look(database)
            after = database.meta("version")
            return Result(changed, None if after is None else int(after))
        except (ContentError, NetworkError) as error:
            problem: ParvisError = error
        except (OSError, sqlite3.Error) as error:
            problem = _disk(error)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            problem = ContentError(
                f"A signed record is malformed ({error!r}).", remedy="Publish again with a current `parvis publish`."
            )
        return Result(changed=False, version=None if before is None else int(before), error=problem)

    def _look(self, database: ContentDatabase) -> bool:
        root = trust.load_root(self._settings.content.root)
        road = Road(self._settings.content.url, self._fetcher)
        index = trust.signed_index(road, self._settings.tuf_dir, root)
        now = clock.now()
        changed = apply_index(database, self._settings.blobs_dir, index, road, now)
        if changed:
            blobs.sweep(self._settings.blobs_dir, database.blobs(), now)
            _log.info("content_applied", version=index.version)
        elif abs(now - float(database.meta("checked_at") or 0)) > _NOTED_EVERY:
            with database.transaction():
                database.set_meta("checked_at", now)
        return changed

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
