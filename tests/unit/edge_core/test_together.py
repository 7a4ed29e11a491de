# SPDX-License-Identifier: EUPL-1.2
"""Threads that write at once share transactions, and each gets its own result or its own error."""

import sqlite3
import threading
import time
from contextlib import closing

import pytest

from edge_core.errors import StoreError
from edge_core.store.database import write
from edge_core.store.together import Together

_THREADS = 12


@pytest.fixture
def path(tmp_path):
    found = tmp_path / "edge.db"
    with closing(_open(found)) as made:
        made.execute("PRAGMA journal_mode = WAL")
        made.execute("CREATE TABLE marks (who INTEGER PRIMARY KEY)")
    return found


def _open(path):
    return sqlite3.connect(path, isolation_level=None, check_same_thread=False)


def _marks(path):
    with closing(_open(path)) as reading:
        return [row[0] for row in reading.execute("SELECT who FROM marks ORDER BY who")]


def _mark(who):
    return lambda store: store.execute("INSERT INTO marks VALUES (?) RETURNING who", [who]).fetchone()[0]


def _all_at_once(path, together, work):
    """Let `_THREADS` threads write while the first is held up; return their outcomes by number, and the commits."""
    outcomes, commits, held, go = {}, [], threading.Event(), threading.Event()

    def first(store):
        held.set()
        assert go.wait(30)
        return _mark(0)(store)

    def act(who):
        with closing(_open(path)) as store:
            store.set_trace_callback(lambda words: commits.append(words) if words == "COMMIT" else None)
            try:
                outcomes[who] = together.write(store, first if who == 0 else work(who))
            except Exception as error:
                outcomes[who] = error

    threads = [threading.Thread(target=act, args=[who]) for who in range(_THREADS)]
    threads[0].start()
    assert held.wait(30)
    for thread in threads[1:]:
        thread.start()
    deadline = time.monotonic() + 30
    while len(together._waiting) < _THREADS - 1 and time.monotonic() < deadline:
        time.sleep(0.01)
    go.set()
    for thread in threads:
        thread.join(30)
    return outcomes, len(commits)


def test_those_who_wait_are_written_in_one_transaction(path):
    """Eleven that came while one was writing cost one more commit, and each has its own result."""
    outcomes, commits = _all_at_once(path, Together(), _mark)
    assert outcomes == {who: who for who in range(_THREADS)}
    assert _marks(path) == list(range(_THREADS))
    assert commits == 2


def test_one_that_fails_fails_alone(path):
    """What it had written already is undone; the others' is kept."""

    def work(who):
        def half(store):
            _mark(who + 100)(store)
            raise ValueError(who)

        return half if who == 5 else _mark(who)

    outcomes, _ = _all_at_once(path, Together(), work)
    assert isinstance(outcomes.pop(5), ValueError)
    assert outcomes == {who: who for who in range(_THREADS) if who != 5}
    assert _marks(path) == sorted(outcomes)


def test_a_transaction_that_is_undone_is_told_to_everybody_in_it(path):
    """As a full disk does: SQLite rolls all of it back, so nobody of the batch may believe that it is written."""

    def work(who):
        def undone(store):
            store.execute("ROLLBACK")
            raise sqlite3.OperationalError("database or disk is full")

        return undone if who == 5 else _mark(who)

    outcomes, _ = _all_at_once(path, Together(), work)
    assert outcomes.pop(0) == 0  # it was alone in its transaction
    assert {type(outcome) for outcome in outcomes.values()} == {StoreError}
    assert _marks(path) == [0]


def test_a_write_inside_a_write_is_a_part_of_it(path):
    """Undone by itself when it fails, and with the whole when that fails."""

    def fail(store, who):
        with write(store):
            _mark(who)(store)
            raise ValueError(who)

    with closing(_open(path)) as store:
        with write(store):
            _mark(1)(store)
            with pytest.raises(ValueError, match="2"):
                fail(store, 2)
        with pytest.raises(ValueError, match="3"), write(store), write(store):
            fail(store, 3)
    assert _marks(path) == [1]
