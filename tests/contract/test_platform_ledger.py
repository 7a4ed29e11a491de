# SPDX-License-Identifier: EUPL-1.2
"""How far the reference platform acknowledges, and its verdict, against a model that is too simple to be wrong."""

from __future__ import annotations

import contextlib
import sqlite3
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.platform import ledger, store, wire
from lab.platform.report import judge

NUMBERS = st.integers(1, 30)
SPANS = st.tuples(NUMBERS, NUMBERS).map(sorted).map(tuple)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("event"), NUMBERS),
        st.tuples(st.just("aside"), NUMBERS),
        st.tuples(st.just("gap"), SPANS),
        st.tuples(st.just("oldest"), NUMBERS),
    ),
    max_size=60,
)


def fresh():
    connection = sqlite3.connect(":memory:", isolation_level=None)
    store._create(connection)
    connection.execute("INSERT INTO devices (id, site, name, seen_at) VALUES (1, 'cite', 'gateway-1', 0)")
    connection.execute("INSERT INTO streams (id, device, epoch) VALUES (1, 1, 'epoch-one')")
    return connection


def put(connection, what, value):
    if what == "event":
        connection.execute(
            "INSERT INTO events (stream, seq, id, class, type, at, boot, monotonic, synchronised, data)"
            " VALUES (1, ?, '', '', '', 0, '', 0, 1, '{}') ON CONFLICT DO NOTHING", [value],
        )  # fmt: skip
    elif what == "aside":
        connection.execute(
            "INSERT INTO dead_letters (device, stream, seq, class, at, reason, body) VALUES (1, 1, ?, '', 0, '', '')"
            " ON CONFLICT DO NOTHING", [value],
        )  # fmt: skip
    elif what == "gap":
        n = connection.execute("SELECT count(*) FROM gaps").fetchone()[0]
        connection.execute("INSERT INTO gaps VALUES (1, ?, ?, ?, 1, 'budget')", [100 + n, *value])
    else:
        connection.execute("UPDATE streams SET oldest = max(oldest, ?)", [value])


@given(STEPS)
def test_the_acknowledgement_is_the_end_of_what_is_settled(steps):
    """After every step, in any order: all up to it is here or declared gone, and the next number is neither (R-202)."""
    connection, settled, oldest = fresh(), set(), 0
    for what, value in steps:
        put(connection, what, value)
        if what in {"event", "aside"}:
            settled.add(value)
        elif what == "gap":
            settled.update(range(value[0], value[1] + 1))
        else:
            oldest = max(oldest, value)
        expected = next(n for n in range(1, 100) if not (n in settled or n < oldest)) - 1
        assert ledger.advance(connection, 1) == expected
    connection.close()


@given(STEPS)
def test_holes_are_counted_once_and_truly(steps):
    """The holes that were passed are exactly the numbers that had not come when they were passed (R-302, R-303)."""
    connection, here, holes, acked = fresh(), set(), set(), 0
    for what, value in steps:
        put(connection, what, value)
        if what in {"event", "aside"}:
            here.add(value)
        reached = ledger.advance(connection, 1)
        holes |= set(range(acked + 1, reached + 1)) - here
        acked = reached
    spans = connection.execute("SELECT first, last FROM holes").fetchall()
    noted = [n for first, last in spans for n in range(first, last + 1)]
    assert sorted(noted) == sorted(holes)
    connection.close()


@pytest.mark.parametrize(
    ("account", "seen", "word"),
    [
        (None, {"acked": 0, "held": 0}, "unknown"),
        ((3, 3, 0, 0), {"acked": 3, "held": 3}, "complete"),
        ((5, 3, 2, 0), {"acked": 3, "held": 3}, "pending"),
        ((9, 5, 0, 4), {"acked": 9, "held": 5}, "declared"),
        ((9, 5, 0, 3), {"acked": 9, "held": 5}, "unbalanced"),
        ((5, 5, 0, 0), {"acked": 5, "held": 4}, "lost"),
        ((5, 5, 0, 0), {"acked": 5, "held": 5, "lost": 1}, "lost"),
        ((5, 5, 0, 0), {"acked": 5, "held": 5, "conflicts": 1}, "conflict"),
    ],
)
def test_the_verdict_names_the_worst(account, seen, word):
    """What the device reports and what is here are compared; red comes before amber before green (R-305)."""
    reported = dict(zip(("created", "acked", "pending", "dropped"), account, strict=True)) if account else None
    assert judge(reported, **{"lost": 0, "conflicts": 0, **seen}).word == word


@given(st.binary(max_size=200))
def test_no_bytes_break_the_reader(payload):
    """Whatever comes is a list or a refusal (R-703)."""
    for data in (payload, zlib.compress(payload), b"\x78" + payload):
        with contextlib.suppress(wire.RefusedError):
            assert isinstance(wire.parse_batch(data), list)
