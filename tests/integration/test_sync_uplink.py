# SPDX-License-Identifier: EUPL-1.2
"""`python -m sync` against a real Mosquitto: whatever dies on the way, each event reaches the platform once."""

import random
import shutil
import time

import pytest

from edge_core import events
from edge_core.store import database, outbox, requests
from lab.faults.peer import Peer
from lab.faults.site import until
from lab.ports import free_port

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(
        not shutil.which("mosquitto", path="/usr/sbin:/usr/bin:/usr/local/sbin"), reason="mosquitto is not installed"
    ),
]


@pytest.fixture
def peer(broker):
    """Return a platform that keeps the contract."""
    made = Peer(broker.port).start()
    yield made
    made.stop()


def check_account(device, peer):
    """Created = acked + pending + dropped, and the platform holds each acknowledged sequence once."""
    account = device.account()
    assert account.balanced
    assert account.pending == 0
    held = sorted(seq for name, epoch, seq in peer.held if (name, epoch) == (device.name, device.epoch))
    assert len(held) == account.acked
    assert held == sorted(set(held))
    return account


def test_events_reach_the_platform_and_leave_the_outbox(device, peer):
    """Events of two classes are acknowledged, rows go, the birth tells a balanced account, the state is retained."""
    device.sync.start()
    until(lambda: peer.births.get(device.name), 60, "birth")
    device.tell(3000, order_each=7)
    until(device.empty, 60, "acknowledgement of all")
    assert check_account(device, peer).created == 3001
    topics = {topic for topic, _, _ in peer.messages}
    assert {f"parvis/1/{device.name}/ev/{name}" for name in ("health", "usage", "order")} <= topics
    until(lambda: peer.births[device.name]["account"]["acked"] == 3001, 60, "a birth with the new account")
    assert peer.births[device.name]["oldest"] is None
    assert peer.states[device.name] == {"online": True, "epoch": device.epoch}


def test_appended_event_is_acknowledged_soon(device, peer):
    """An event that is appended while all is quiet is at the platform within a fraction of a second."""
    device.sync.start()
    until(device.empty, 60, "first event")
    until(lambda: peer.births.get(device.name), 60, "birth")
    held, start = len(peer.held), time.monotonic()
    device.tell(1)
    until(lambda: len(peer.held) > held, 60, "the event")
    assert time.monotonic() - start < 1.0


def test_sigterm_says_offline_and_ends_soon(device, peer):
    """SIGTERM: the state becomes offline, the process ends within 2 s with code 0, nothing is lost."""
    device.sync.start()
    until(lambda: peer.states.get(device.name, {}).get("online"), 60, "online")
    device.tell(5000)
    code, seconds = device.sync.terminate()
    assert code == 0
    assert seconds < 2.0
    until(lambda: peer.states[device.name]["online"] is False, 60, "offline")
    assert device.account().balanced
    device.sync.start()
    until(device.empty, 60, "the rest after the next start")
    check_account(device, peer)


def test_killed_process_leaves_its_will(device, peer):
    """kill -9: the broker publishes the last will, and the next start sends what is still there."""
    device.sync.start()
    until(lambda: peer.states.get(device.name, {}).get("online"), 60, "online")
    device.sync.kill()
    until(lambda: peer.states[device.name]["online"] is False, 60, "last will")
    device.tell(10)
    device.sync.start()
    until(device.empty, 60, "the rest")
    check_account(device, peer)


def test_nothing_is_lost_when_broker_sync_and_platform_die_at_random(device, broker, peer):
    """Broker wiped, sync killed and platform away at random moments: in the end each event is held once."""
    dice = random.Random(20250304)
    device.sync.start()
    total = 0
    for _ in range(12):
        device.tell(500, order_each=11)
        total += 500
        time.sleep(dice.uniform(0.0, 0.15))
        what = dice.choice(["broker", "sync", "platform"])
        if what == "broker":
            broker.kill()
            device.tell(200)
            total += 200
            broker.start()
        elif what == "sync":
            device.sync.kill()
            device.sync.start()
        else:
            peer.stop()
            time.sleep(0.1)
            peer.start()
        assert device.account().balanced
    until(device.empty, 60, "everything acknowledged")
    account = check_account(device, peer)
    assert account.dropped == 0
    assert account.created >= total


def test_works_on_without_broker(device, broker, peer):
    """Without a broker the process stays, and sends what was recorded meanwhile when one comes."""
    broker.kill()
    device.sync.start()
    device.tell(100)
    time.sleep(1.0)
    assert device.sync.popen.poll() is None
    broker.start()
    until(device.empty, 30, "acknowledgement after the broker came")
    check_account(device, peer)


def test_platform_that_was_away_is_served_soon_after_it_comes(device, peer):
    """The retained birth brings the platform's first acknowledgement, and that starts the sending again."""
    peer.stop()
    device.sync.start()
    device.tell(2000)
    time.sleep(7.0)
    assert device.account().acked == 0, "a broker's PUBACK deletes nothing"
    peer.start()
    until(device.empty, 60, "acknowledgement soon after the platform came")
    check_account(device, peer)


def test_unbelievable_acknowledgements_delete_nothing(device, peer):
    """Another epoch, more than was sent, and nonsense are refused; a real one still works."""
    peer.stop()
    device.sync.start()
    device.tell(50)
    liar = Peer(peer.port)
    liar._acknowledge = lambda *_: None
    liar.start()
    until(lambda: len(liar.held) == 51, 60, "the events, also for a platform that doesn't greet")
    topic = f"parvis/1/{device.name}/ack"
    for lie in (
        *({"epoch": device.epoch, "seq": seq} for seq in (10**9, -1, True, "51", None)),
        {"epoch": "another-epoch", "seq": 51}, {"epoch": device.epoch}, [], 7, None, b"\xff", b"[" * 60000, b"",
    ):  # fmt: skip
        liar.send(topic, lie)
    liar.send(topic, {"epoch": device.epoch, "seq": 20})
    until(lambda: device.account().acked == 20, 60, "the honest one")
    assert device.account().pending == 31
    liar.stop()


def test_replies_move_requests_and_are_confirmed(device, peer):
    """Replies are applied in order, once; a foreign one is passed over; `replied` tells how far."""
    device.sync.start()
    with_room = requests.create(
        device.store, kind="room", subject="room-1", data={"people": "4"}, place="kiosk", now=time.time()
    )
    until(device.empty, 60, "the order at the platform")
    peer.send(f"parvis/1/{device.name}/reply/9", b"\xffnonsense")
    peer.reply(device.name, 2, with_room.id, "done", "R-0001")
    peer.reply(device.name, 1, with_room.id, "accepted", "R-0001")
    until(lambda: {"epoch": peer.stream, "n": 1} in peer.replied, 60, "replied 1")
    assert requests.get(device.store, with_room.id).state in ("accepted", "done")
    peer.reply(device.name, 2, with_room.id, "done", "R-0001")
    peer.reply(device.name, 3, "0191d2c1-0b10-7d02-8f11-5a6b7c8d9e0f", "accepted")
    until(lambda: {"epoch": peer.stream, "n": 3} in peer.replied, 60, "replied 3")
    found = requests.get(device.store, with_room.id)
    assert (found.state, found.reference) == ("done", "R-0001")
    before = len(peer.replied)
    peer.reply(device.name, 1, with_room.id, "accepted", "R-0001")
    until(lambda: len(peer.replied) > before, 60, "the cursor again")
    assert peer.replied[-1] == {"epoch": peer.stream, "n": 3}


def test_damaged_rows_are_set_aside_and_declared(device, peer):
    """Rows that are no JSON, no UTF-8, or whose class is spoilt are declared lost; all others arrive."""
    device.tell(500)
    device.damage("UPDATE outbox SET body = substr(body, 1, 60) WHERE seq = 3")
    device.damage("UPDATE outbox SET body = CAST(x'7b2261223a2022ff227d' AS TEXT) WHERE seq = 250")
    device.damage("UPDATE outbox SET class = 'us/#' WHERE seq = 400")
    device.damage("UPDATE outbox SET body = '{' || substr(body, 3) WHERE seq = 420")
    device.sync.start()
    until(device.empty, 40, "all others")
    account = device.account()
    assert account.balanced
    assert account.dropped == 4
    spans = {e["data"]["first"] for e in peer.held.values() if e["type"] == events.Gap.type}
    assert spans == {3, 250, 400, 420}
    assert device.store.execute("SELECT count(*) FROM set_aside").fetchone()[0] == 4


def test_declared_gap_behind_a_full_window_blocks_nothing(device, peer):
    """A gap that is declared 20,000 rows later than its hole is told first, so that the acknowledgement can pass."""
    device.tell(30000)
    with database.write(device.store):
        count = outbox.drop(device.store, 2, 9000)
        gap = events.Gap(first=2, last=9000, count=count, reason="room")
        outbox.append(device.store, gap, time.time())
    device.sync.start()
    until(device.empty, 30, "everything that is left")
    account = check_account(device, peer)
    assert account.dropped == 8999


def test_locked_database_is_waited_for(device, peer):
    """While another process holds the write lock nothing is deleted; afterwards it is, and nothing is lost."""
    device.sync.start()
    until(device.empty, 60, "first event")
    device.tell(20)
    device.store.execute("BEGIN IMMEDIATE")
    time.sleep(7.0)
    device.store.execute("ROLLBACK")
    until(device.empty, 60, "acknowledged after the lock")
    check_account(device, peer)


def test_wrong_configuration_is_refused(tmp_path, device):
    """A certificate that is no certificate: exit code 1 and an error that names the file."""
    bad = tmp_path / "ca.pem"
    bad.write_text("nothing\n")
    with device.config.open("a") as file:
        file.write(f'[mqtt]\nurl = "mqtts://127.0.0.1:{free_port()}"\nca = "{bad}"\n')
    device.sync.start()
    assert device.sync.popen.wait(10) == 1
    assert str(bad) in device.sync.log.read_text()


def test_device_that_was_never_migrated_is_refused(device):
    """Without its database: exit code 1 and the command that makes one."""
    device.store.close()
    for part in device.settings.device.state_dir.glob("edge.db*"):
        part.unlink()
    device.sync.start()
    assert device.sync.popen.wait(10) == 1
    assert "parvis migrate" in device.sync.log.read_text()
