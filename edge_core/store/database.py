# SPDX-License-Identifier: EUPL-1.2
"""Opens the databases, migrates edge.db, and holds the one way to write: a short BEGIN IMMEDIATE."""

from __future__ import annotations

import sqlite3
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sqlite_utils import Database

from edge_core import logs
from edge_core.errors import StoreError
from edge_core.store import lives, schema

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from edge_core.settings import Settings

_log = logs.get(__name__)
_BUSY_MS = 5000
_WHOLE = ("BEGIN IMMEDIATE", "COMMIT", ("ROLLBACK",))
_PART = ("SAVEPOINT part", "RELEASE part", ("ROLLBACK TO part", "RELEASE part"))
_FULL = "There is no room left. Free some on that file system; nothing that was promised is lost."


def migrate(settings: Settings) -> None:
    """Bring edge.db to this version's schema, creating it where it is missing.

    A corrupt file is set aside beside it and a fresh one is started, with a new epoch: a device always boots.
    Raises StoreError where the folder can't be written.
    """
    path = settings.edge_db
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
        _migrate(path)
    except sqlite3.DatabaseError as error:
        if not _is_corruption(error):
            raise _explain(path, error) from error
        _quarantine(path)
        _migrate(path)
    except OSError as error:
        raise StoreError(
            f"{path.parent}: can't be used as the state folder ({error.strerror}).",
            remedy="Make it a folder that this user may write, or change [device] state_dir.",
        ) from error


def open_edge(path: Path) -> sqlite3.Connection:
    """Open edge.db for reading and short writes; raises StoreError where its schema isn't this version's."""
    try:
        connection = _connect(path, "rw")
        missing = _missing(connection)
    except sqlite3.DatabaseError as error:
        raise _explain(path, error) from error
    if missing:
        connection.close()
        raise StoreError(
            f"{path}: has no schema, or an older one ({', '.join(missing)} missing).",
            remedy="Run `parvis migrate --config FILE` first.",
        )
    connection.row_factory = sqlite3.Row
    return connection


@contextmanager
def write(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """Hold the write lock for the block: all of it is committed, or none.

    Inside another `write` it is a part of that one (a savepoint): undone by itself, committed with the whole.
    Raises StoreError where the disk is full or the database stays locked; nothing is written then.
    """
    begin, end, undo = _PART if connection.in_transaction else _WHOLE
    try:
        connection.execute(begin)
        yield connection
        connection.execute(end)
    except BaseException as error:
        if connection.in_transaction:  # a full disk may have undone the whole already
            for words in undo:
                connection.execute(words)
        if isinstance(error, sqlite3.OperationalError):
            raise _explain_write(error) from error
        raise


def empty_log(connection: sqlite3.Connection) -> bool:
    """Bring the write-ahead log into the database and cut it to nothing, so that what was deleted is in neither.

    False where somebody is reading: then again later. Waits for nobody.
    """
    connection.execute("PRAGMA busy_timeout = 20")
    try:
        return bool(connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0)
    finally:
        connection.execute(f"PRAGMA busy_timeout = {_BUSY_MS}")


def _migrate(path: Path) -> None:
    connection = _connect(path, "rwc")
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        _require_sound(connection)
        schema.edge.apply(Database(connection, execute_plugins=False))
        path.chmod(0o660)
        _look_back(path, connection)
    finally:
        connection.close()


def _missing(connection: sqlite3.Connection) -> list[str]:
    """Return the steps of this version's schema that the database has not gone through; a newer one has them all."""
    known = {migration.name for migration in schema.edge._migrations}  # noqa: SLF001  the class offers no list
    try:
        applied = {migration.name for migration in schema.edge.applied(Database(connection, execute_plugins=False))}
    except sqlite3.DatabaseError:
        connection.close()
        raise
    return sorted(known - applied)


def _look_back(path: Path, connection: sqlite3.Connection) -> None:
    """Begin a new epoch where this is an old copy, or another machine's: before any service gives a number again."""
    with write(connection):
        reason = lives.settle(connection, lives.Witness(lives.witness_of(path), lives.machine()))
    if reason is not None:
        _log.error("database_from_another_life", reason=reason)


def _require_sound(connection: sqlite3.Connection) -> None:
    """Read every page once: one that is damaged is found here, and not by the first guest who needs it."""
    found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if found != "ok":
        error = sqlite3.DatabaseError(found)
        error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
        raise error


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"{path.as_uri()}?mode={mode}", uri=True, isolation_level=None, timeout=_BUSY_MS / 1000, check_same_thread=False
    )
    try:
        connection.execute(f"PRAGMA busy_timeout = {_BUSY_MS}")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA secure_delete = ON")  # what is forgotten is overwritten, not only unlinked
    except sqlite3.DatabaseError:
        connection.close()
        raise
    return connection


def _is_corruption(error: sqlite3.DatabaseError) -> bool:
    return error.sqlite_errorcode in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def _quarantine(path: Path) -> None:
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    for suffix in ("", "-wal", "-shm"):
        part = path.with_name(path.name + suffix)
        if part.exists():
            part.rename(path.with_name(f"{path.stem}-corrupt-{stamp}{path.suffix}{suffix}"))
    _log.error("database_quarantined", file=path.name, stamp=stamp)


def _explain(path: Path, error: sqlite3.DatabaseError) -> StoreError:
    if error.sqlite_errorcode == sqlite3.SQLITE_FULL:
        return StoreError(f"{path}: the disk is full.", remedy=_FULL)
    if error.sqlite_errorcode == sqlite3.SQLITE_CANTOPEN:
        return StoreError(
            f"{path}: can't be opened.", remedy="Run `parvis migrate --config FILE`, and check the folder's owner."
        )
    return StoreError(f"{path}: {error}.", remedy="If it is damaged, `parvis migrate` sets it aside and starts anew.")


def _explain_write(error: sqlite3.OperationalError) -> StoreError:
    if getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_FULL:  # some errors of the module carry no code
        return StoreError("The disk is full: this was not recorded.", remedy=_FULL)
    return StoreError(f"The store refused to write ({error}): this was not recorded.", remedy="Try again.")
