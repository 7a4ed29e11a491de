# SPDX-License-Identifier: EUPL-1.2
"""What leaves is valid JSON, in order, complete, and never larger than agreed."""

import json
import zlib

from hypothesis import given
from hypothesis import strategies as st

from sync.batches import MAX_BODY, flaw, pack
from sync.uplink import Limits


def body(number, filler=""):
    return json.dumps({"id": str(number), "type": "t", "time": "now", "data": {"filler": filler}})


def read(batch):
    raw = batch.payload()
    return json.loads(zlib.decompress(raw) if raw[0] == 0x78 else raw)


def number(steps):
    seq, rows = 0, []
    for step, klass, size in steps:
        seq += step
        rows.append((seq, klass, body(seq, "é" * size)))
    return rows


rows_of = st.lists(
    st.tuples(st.integers(1, 3), st.sampled_from(["usage", "order", "presence"]), st.integers(0, 3000))
).map(number)


@given(rows_of, st.integers(0, 6), st.integers(1, 7))
def test_batches_are_an_exact_prefix(rows, slots, events):
    """What fits in the slots is a prefix of the rows: none left out in between, none twice, in order in a class."""
    limits = Limits(events=events, octets=16384)
    packed = pack(rows, "/site/device", "epoch-01", slots, limits)
    told = [(event["seq"], batch.klass) for batch in packed.batches for event in read(batch)]
    expected = [(seq, klass) for seq, klass, _ in rows if seq <= packed.upto]
    assert sorted(told) == expected
    assert len(packed.batches) <= slots
    for batch in packed.batches:
        seqs = [event["seq"] for event in read(batch)]
        assert seqs == sorted(seqs)
        assert batch.last == seqs[-1]
        assert len(seqs) <= events
    if slots and rows:
        assert packed.batches, "with a slot and a row something always leaves"


@given(rows_of)
def test_message_size_is_bounded(rows):
    """Characters are bounded by 64 KiB; with two-byte letters the message stays below twice that."""
    for batch in pack(rows, "/site/device", "epoch-01", 50, Limits()).batches:
        assert sum(map(len, batch.parts)) + len(batch.parts) + 1 <= 65536


def test_events_carry_where_they_come_from():
    """Source, epoch and sequence are added; what was recorded stays as it was."""
    packed = pack([(7, "usage", body(7, "œ"))], "/site/device", "epoch-01", 1, Limits())
    assert read(packed.batches[0]) == [
        {
            "source": "/site/device", "epoch": "epoch-01", "seq": 7,
            "id": "7", "type": "t", "time": "now", "data": {"filler": "œ"},
        }
    ]  # fmt: skip


def test_damaged_row_ends_the_packing_and_is_named():
    """A row that is no JSON object never leaves; what stands before it does."""
    rows = [(1, "usage", body(1)), (2, "usage", body(2)[:-2]), (3, "usage", body(3))]
    packed = pack(rows, "/s/d", "epoch-01", 5, Limits())
    assert (packed.upto, packed.poisoned, len(packed.batches)) == (1, 2, 1)


def test_class_that_would_change_the_topic_never_leaves():
    """A class with a slash or a wildcard is a damaged row."""
    packed = pack([(1, "usage/#", body(1))], "/s/d", "epoch-01", 5, Limits())
    assert packed.poisoned == 1


def test_flaws_are_named():
    """Each way in which a row can be damaged is told apart; a sound one has none."""
    sound = body(1).encode()
    assert flaw(b"usage", sound) == ""
    assert flaw(b"us/age", sound) == "class"
    assert flaw(b"\xff", sound) == "class"
    assert flaw(b"usage", b'{"id": "\xff"}') == "json"
    assert flaw(b"usage", b"{" * 50000) == "json"
    assert flaw(b"usage", b'{"a": NaN}') == "json"
    assert flaw(b"usage", b"[]") == "form"
    assert flaw(b"usage", b"{}") == "event"
    assert flaw(b"usage", sound[:-1] + b',"seq":4}') == "member"
    assert flaw(b"usage", sound[:-1] + b" " * MAX_BODY + b"}") == "size"
