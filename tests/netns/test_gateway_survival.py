# SPDX-License-Identifier: EUPL-1.2
"""What outlives the agent, and what does not outlive a session."""

import contextlib
import signal
import threading
import time

import pytest

from edge_core import control

from .conftest import BODY, until
from .test_gateway_granted import dies_within, echo, ended, settled, wire

pytestmark = pytest.mark.netns


@contextlib.contextmanager
def live_flow(guest, address="192.0.2.1"):
    """Keep a connection busy from a thread; yields a function that tells how many round trips went well."""
    connection, count, broken = guest.connect(address, 7777), [0], []
    stop = threading.Event()

    def work():
        try:
            while not stop.is_set():
                echo(connection, b"z" * 3000)
                count[0] += 1
        except (OSError, AssertionError) as error:
            broken.append(error)

    worker = threading.Thread(target=work, daemon=True)
    worker.start()
    try:
        yield lambda: count[0]
    finally:
        stop.set()
        worker.join(5)
        connection.close()
    assert not broken, broken


def test_a_killed_agent_breaks_no_flow_and_loses_no_session(zone, guest):
    """kill -9 and a new start: the live connection goes on, its bytes are counted once, the session is kept."""
    grant = zone.grant(guest)
    before = wire(guest)
    with live_flow(guest) as trips:
        until(lambda: trips() > 50)
        for _ in range(2):
            zone.kill("agent")
            at = trips()
            until(lambda at=at: trips() > at + 50, 60, "traffic without the agent")
            zone.start_agent()
        assert guest.get("http://192.0.2.1/")[0] == 200
    until(lambda: settled(guest), 60, "silence")
    carried = [now - then for now, then in zip(wire(guest), before, strict=True)]
    zone.end(guest)
    told = ended(zone, grant)
    assert [told[key] for key in ("up_packets", "down_packets", "up_bytes", "down_bytes")] == carried


def test_a_flow_that_ended_while_the_agent_was_dead_is_counted(zone, guest):
    """What passed and closed between kill and start is in the session's usage: the kernel keeps it long enough."""
    grant = zone.grant(guest)
    zone.kill("agent")
    for _ in range(5):
        assert guest.get("http://192.0.2.1/")[0] == 200
    zone.start_agent()
    zone.end(guest)
    assert ended(zone, grant)["down_bytes"] > 5 * len(BODY)


def test_nobody_gets_in_while_the_agent_is_dead(zone, guest):
    """Without the agent a guest without a grant is still redirected and refused."""
    zone.kill("agent")
    try:
        assert guest.get("http://192.0.2.1/")[0] == 302
        with pytest.raises(ConnectionRefusedError):
            guest.connect("192.0.2.1", 443)
    finally:
        zone.start_agent()


@pytest.mark.parametrize("address", ["192.0.2.1", "2001:db8:1::1"])
def test_the_kernel_ends_a_session_with_the_agent_dead(zone, guest, address):
    """A session runs out in the kernel: live flows stop and new ones are refused with no process of ours."""
    grant = zone.grant(guest, seconds=3)
    with contextlib.closing(guest.connect(address, 7777)) as connection:
        echo(connection)
        zone.kill("agent")
        try:
            assert dies_within(connection, 6.0)
            with pytest.raises(ConnectionRefusedError):
                guest.connect(address, 7777)
        finally:
            zone.start_agent()
    told = ended(zone, grant)
    assert told["reason"] == "expired"
    assert told["up_bytes"] > 1000


def test_a_grant_made_while_the_agent_is_dead_works_at_its_start(zone, guest):
    """A lost nudge costs nothing but time: the store is the wish."""
    zone.kill("agent")
    zone.grant(guest)
    assert guest.get("http://192.0.2.1/")[0] == 302
    zone.start_agent()
    assert guest.get("http://192.0.2.1/")[0] == 200


def test_set_up_again_leaves_a_live_flow_alone(zone, guest):
    """Running the set-up over a working gateway neither breaks a flow nor loads the rules again."""
    zone.grant(guest)
    before = zone.nft("-a", "list", "table", "inet", "parvis").stdout.splitlines()[:2]
    with live_flow(guest) as trips:
        until(lambda: trips() > 20)
        assert "rules_loaded" not in zone.setup().stderr
        until(lambda: trips() > 100)
    assert zone.nft("-a", "list", "table", "inet", "parvis").stdout.splitlines()[:2] == before


def test_another_ruleset_takes_over_without_a_gap(zone, guest):
    """New rules under traffic: the granted flow goes on, a guest without a grant never gets through meanwhile."""
    zone.grant(guest)
    poor = zone.guest().join()
    through, stop = [], threading.Event()

    def try_all_the_time():
        while not stop.is_set():
            with contextlib.suppress(OSError):
                poor.connect("192.0.2.1", 7777, 1).close()
                through.append(time.monotonic())

    intruder = threading.Thread(target=try_all_the_time, daemon=True)
    # As at an upgrade: an agent of the old version would put its own rules back.
    zone.kill("agent")
    with live_flow(guest) as trips:
        intruder.start()
        for portal in (8090, 8091, 8080):
            zone.write_config(f"port = {portal}")
            assert "rules_loaded" in zone.setup().stderr
            at = trips()
            until(lambda at=at: trips() > at + 20)
        zone.start_agent()
        stop.set()
        intruder.join(5)
    assert not through
    assert guest.get("http://192.0.2.1/")[0] == 200


@pytest.mark.parametrize("damage", ["flush ruleset", "flush chain inet parvis forward", "flush set inet parvis live"])
def test_rules_deleted_by_hand_are_repaired(zone, guest, damage):
    """Whoever flushes nftables finds it whole again within 5 s, with the grants in it."""
    zone.grant(guest)
    zone.nft(*damage.split())
    until(lambda: guest.get("http://192.0.2.1/")[0] == 200, 60, "the repaired rules")
    other = zone.guest().join()
    until(lambda: other.get("http://192.0.2.1/")[0] == 302, 60, "the repaired redirect")


def test_sigterm_leaves_the_rules_and_the_sessions(zone, guest):
    """A stop is no opening and no end: sessions live on, others stay out, the socket is gone."""
    zone.grant(guest)
    zone.kill("agent", signal.SIGTERM)
    try:
        assert guest.get("http://192.0.2.1/")[0] == 200
        assert zone.guest().join().get("http://192.0.2.1/")[0] == 302
        assert control.ask(zone.settings.agent_socket, {"op": "status"}) is None
    finally:
        zone.start_agent()
