# SPDX-License-Identifier: EUPL-1.2
"""Lets threads that want to write at the same moment share one transaction, and so one flush to the memory card."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar, cast

from edge_core.store.database import write

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable

_Result = TypeVar("_Result")


@dataclass
class _Turn:
    """What one thread wants written, and what became of it."""

    work: Callable[[sqlite3.Connection], Any]
    result: Any = None
    error: BaseException | None = None
    over: bool = False


class Together:
    """The queue of one process for one database. Whoever comes while nobody writes, writes for all who wait by then."""

    def __init__(self) -> None:
        self._waiting: list[_Turn] = []
        self._queue = threading.Lock()
        self._writing = threading.Lock()

    def write(self, connection: sqlite3.Connection, work: Callable[[sqlite3.Connection], _Result]) -> _Result:
        """Return what `work` returns, once it is committed. It may be given another thread's connection.

        Raises what `work` raises, with nothing of it written and everybody else's kept; StoreError where the
        transaction as a whole can't be written: then to everybody in it.
        """
        turn = _Turn(work)
        with self._queue:
            self._waiting.append(turn)
        with self._writing:
            if not turn.over:
                self._lead(connection)
        if turn.error is not None:
            raise turn.error
        return cast("_Result", turn.result)

    def _lead(self, connection: sqlite3.Connection) -> None:
        with self._queue:
            turns, self._waiting = self._waiting, []
        try:
            with write(connection):
                for turn in turns:
                    _take(connection, turn)
        except BaseException as error:  # noqa: BLE001  each thread raises it for its own
            for turn in turns:
                turn.error = error
        for turn in turns:
            turn.over = True


def _take(connection: sqlite3.Connection, turn: _Turn) -> None:
    try:
        with write(connection):
            turn.result = turn.work(connection)
    except Exception as error:
        if not connection.in_transaction:  # a full disk undid the others' too
            raise
        turn.error = error
