# SPDX-License-Identifier: EUPL-1.2
"""A database put back from an old copy, or copied to another machine, goes on under a new epoch."""

import shutil
from types import SimpleNamespace

import pytest

from edge_core import events
from edge_core.store import database, lives, outbox, requests


@pytest.fixture
def place(tmp_path):
    settings = SimpleNamespace(edge_db=tmp_path / "edge.db")
    database.migrate(settings)
    return settings.edge_db


def tell(edge, count):
    with database.write(edge):
        for _ in range(count):
            outbox.append(edge, events.Up(version="1", role="kiosk"), 1.0)


def settle(path, hardware="serial-1"):
    edge, witness = database.open_edge(path), lives.Witness(path.with_name("edge.witness"), hardware)
    with database.write(edge):
        reason = lives.settle(edge, witness)
    witness.keep(outbox.epoch(edge), outbox.last_seq(edge), exact=True)
    return edge, witness, reason


def test_an_ordinary_restart_keeps_the_epoch(place):
    """Start, events, restart, crash: the epoch stays."""
    edge, _, reason = settle(place)
    epoch = outbox.epoch(edge)
    assert reason is None
    tell(edge, 1200)
    edge.close()
    edge, _, reason = settle(place)
    assert (reason, outbox.epoch(edge)) == (None, epoch)
    tell(edge, 10)
    edge, _, reason = settle(place)
    assert (reason, outbox.epoch(edge)) == (None, epoch)


def test_an_old_copy_is_noticed(place):
    """A backup that is put back goes on under a new epoch, and what it holds is numbered from 1."""
    edge, _, _ = settle(place)
    tell(edge, 30)
    with database.write(edge):
        outbox.acknowledge(edge, 20)
    edge.close()
    shutil.copy(place, place.with_name("backup"))
    edge, witness, _ = settle(place)
    before = outbox.epoch(edge)
    request = requests.create(edge, kind="room", subject="s", data={}, place="kiosk", now=1.0)
    tell(edge, 600)
    witness.keep(before, outbox.last_seq(edge), exact=True)
    edge.close()
    for suffix in ("-wal", "-shm"):
        place.with_name(place.name + suffix).unlink(missing_ok=True)
    shutil.copy(place.with_name("backup"), place)
    edge, _, reason = settle(place)
    assert reason == "restored"
    assert outbox.epoch(edge) != before
    assert [row[0] for row in edge.execute("SELECT seq FROM outbox ORDER BY seq")] == list(range(1, 11))
    assert outbox.account(edge) == outbox.Account(created=10, acked=0, pending=10, dropped=0)
    tell(edge, 1)
    assert outbox.last_seq(edge) == 11
    assert requests.get(edge, request.id) is None


def test_a_copied_card_is_noticed(place):
    """The same files in another machine are another device's life; without a serial number nothing is assumed."""
    edge, _, _ = settle(place)
    epoch = outbox.epoch(edge)
    edge.close()
    edge, _, reason = settle(place, hardware="")
    assert reason is None
    edge, _, reason = settle(place, hardware="serial-1")
    edge.close()
    edge, _, reason = settle(place, hardware="serial-2")
    assert (reason, outbox.epoch(edge) != epoch) == ("cloned", True)


def test_what_waits_keeps_its_request(place):
    """After a new epoch a request still knows whether its event has left."""
    edge, _, _ = settle(place)
    tell(edge, 5)
    request = requests.create(edge, kind="room", subject="s", data={}, place="kiosk", now=1.0)
    with database.write(edge):
        outbox.acknowledge(edge, 4)
        outbox.append(edge, events.Gap(first=1, last=2, count=2, reason="budget"), 1.0)
        lives.begin_anew(edge)
    assert not requests.has_left(edge, request.id)
    assert outbox.account(edge).created == 2, "a gap of the earlier epoch says nothing in the new one"
    with database.write(edge):
        outbox.acknowledge(edge, 2)
    assert requests.has_left(edge, request.id)


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"epoch":1}', "\0"])
def test_a_damaged_witness_is_no_witness(place, text):
    """What can't be read accuses nobody."""
    place.with_name("edge.witness").write_text(text)
    assert settle(place)[2] is None
