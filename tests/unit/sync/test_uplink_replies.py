# SPDX-License-Identifier: EUPL-1.2
"""Replies: read with suspicion, applied in order, once each."""

import json

import pytest

from edge_core import settings
from edge_core.store import database, requests
from sync.replies import RefusedReplyError, Replies, Reply, parse

STREAM = "stream-0001"


@pytest.fixture
def store(tmp_path):
    file = tmp_path / "parvis.toml"
    file.write_text(f'[site]\nid = "parc"\nname = "P"\n[device]\nid = "g"\nstate_dir = "{tmp_path}/state"\n')
    loaded = settings.load(file, {})
    database.migrate(loaded)
    connection = database.open_edge(loaded.edge_db)
    yield connection
    connection.close()


def ask(store):
    return requests.create(store, kind="room", subject="s", data={}, place="kiosk", now=1.0).id


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"\xff", b"[]", b"7", b"null", b"{}", b'{"n":1}', b'{"n":0,"epoch":"stream-0001"}',
        b'{"n":true,"epoch":"stream-0001"}', b'{"n":1,"epoch":"a/b"}', b'{"n":1e300,"epoch":"stream-0001"}',
        b"[" * 9999,
    ],
)  # fmt: skip
def test_what_has_no_place_in_a_stream_is_refused(raw):
    """Without a legible stream and number there is nothing to confirm."""
    with pytest.raises(RefusedReplyError):
        parse(raw)


@pytest.mark.parametrize("spoilt", [{"state": "won"}, {"request": 7}, {"reason": "x" * 501}, {"reference": []}])
def test_what_makes_no_sense_keeps_its_place(spoilt):
    """A reply with a place but no sense is read as an empty one, so that it can be passed over."""
    body = {"n": 3, "epoch": STREAM, "request": "r", "state": "done", "reason": None, "reference": None, **spoilt}
    assert parse(json.dumps(body).encode()) == Reply(STREAM, 3)


def test_replies_are_applied_in_order_and_once(store):
    """Out of order and doubled, the result is the same, and the cursor tells how far."""
    request = ask(store)
    replies = Replies(store)
    second = Reply(STREAM, 2, request, "done", None, "R-2")
    first = Reply(STREAM, 1, request, "accepted", None, "R-1")
    assert replies.apply([second, first, first], 2.0) == {STREAM: 2}
    assert replies.apply([first], 3.0) == {STREAM: 2}
    found = requests.get(store, request)
    assert (found.state, found.reference, found.updated_at) == ("done", "R-2", 2.0)


def test_number_that_is_missing_is_waited_for(store):
    """Number 3 is not applied before number 2."""
    request = ask(store)
    replies = Replies(store)
    replies.apply([Reply(STREAM, 1, request, "waitlisted")], 1.0)
    assert replies.apply([Reply(STREAM, 3, request, "done")], 1.0) == {STREAM: 1}
    assert replies.apply([Reply(STREAM, 3, request, "done")], 1.0) == {STREAM: 1}
    assert requests.get(store, request).state == "waitlisted"


def test_unknown_request_is_passed_over_and_confirmed(store):
    """A reply to somebody else's request blocks nothing."""
    replies = Replies(store)
    assert replies.apply([Reply(STREAM, 1, "nobody", "done"), Reply(STREAM, 2)], 1.0) == {STREAM: 2}
    assert replies.unknown == 2


def test_new_database_joins_a_stream_in_its_middle(store):
    """A device that lost its database accepts number 58 once it is plain that nothing below it comes."""
    replies = Replies(store)
    assert replies.apply([Reply(STREAM, 59), Reply(STREAM, 58)], 1.0) == {STREAM: 0}
    assert replies.apply([Reply(STREAM, 58), Reply(STREAM, 59)], 2.0) == {STREAM: 59}


def test_new_stream_begins_again(store):
    """A platform that lost its store counts from 1 in a new stream; the old cursor stays what it was."""
    request = ask(store)
    replies = Replies(store)
    replies.apply([Reply(STREAM, 1, request, "accepted")], 1.0)
    assert replies.apply([Reply("stream-0002", 1, request, "done")], 2.0) == {"stream-0002": 1}
    assert requests.cursor(store, STREAM) == 1
