# SPDX-License-Identifier: EUPL-1.2
"""Two blank Debians become a pair of gateways by one run: the active one stops, and the other goes on."""

from __future__ import annotations

import json
import os
import time
from functools import partial
from types import SimpleNamespace

import pytest

pytestmark = [pytest.mark.deploy, pytest.mark.timeout(2400)]

SUITE = os.environ.get("PARVIS_SUITE", "bookworm")
UNITS = [f"parvis-{name}" for name in ("keepalived", "dnsmasq", "agent", "advertiser", "portal", "front", "sync")]
PROBE = "http://connectivitycheck.gstatic.com/generate_204"
ELSEWHERE = "http://www.example.org/"
CONFIG = "--config /etc/parvis/parvis.toml"
PAUSE = 120  # seconds in which what is waited for has to come, on a machine that others load, too


@pytest.fixture(scope="module")
def site(settings, keep_logs, tmp_path_factory):
    """Two machines on one network of guests, with a cable between them, as the example inventory has a pair."""
    from lab.machine import cables, guest, machine, operator, provision  # noqa: PLC0415  only where machines can run

    home = provision.ROOT / "build" / "machine"
    folder = tmp_path_factory.mktemp("desk")
    with (
        cables.laid(0) as one,
        cables.laid(1) as two,
        operator.desk(folder, str(one.here), settings.every["parvis_site"]["id"]) as ticket,
        guest.internet(one),
        guest.internet(two),
    ):
        here, there = cables.join_as_pair(one, two)
        with (
            machine.booted(home, one, "gateway-esplanade", suite=SUITE) as first,
            machine.booted(home, two, "gateway-jardin", suite=SUITE) as second,
        ):
            both = {first: (one, here, there), second: (two, there, here)}
            values = {
                box: {
                    **settings.every,
                    "gateway_key": "0123456789abcdef0123456789abcdef0123456789ab",
                    "parvis_lan": settings.lan,
                    "parvis_wan": {"interface": "wan0", "dns": [str(laid.here)]},
                    "parvis_portal": {"hostname": "portal.example.net"},
                    "parvis_ha": {"interface": cables.LINK, "peer": peer},
                }
                for box, (laid, _, peer) in both.items()
            }
            values[first] |= {
                "parvis_broker": {"lan": f"{here}:8883"},
                "sync_ticket": ticket(first.name, bridge=True, names=(here,)),
            }
            values[second] |= {"parvis_mqtt": {"url": f"mqtts://{here}:8883"}, "sync_ticket": ticket(second.name)}
            provision.site(first.folder, "gateway", values)
            run = provision.play(first)
            with guest.here(one, first.folder, folder / "ca.pem") as phone:
                play = partial(provision.play, first)
                yield SimpleNamespace(both=(first, second), run=run, guest=phone, play=play)
            keep_logs(first)
            keep_logs(second)


def until(condition, what):
    """Wait for what a condition returns, and return it."""
    deadline = time.monotonic() + PAUSE
    while not (found := condition()):
        assert time.monotonic() < deadline, f"{what} did not come"
        time.sleep(0.5)
    return found


def has_addresses(box):
    """Tell whether the guests' address is this one's, by its kernel."""
    return "10.77.0.1/20" in box.out("ip -br address show dev lan0")


def settled(site):
    """Wait until one of them has the addresses and both are fit, at two looks; return it and the other."""

    def look():
        active = [box for box in site.both if has_addresses(box)]
        fit = all(box.run("cat /run/parvis/ha-weight", check=False).stdout.strip() == "0" for box in site.both)
        return active[0] if len(active) == 1 and fit else None

    def twice():
        before = look()
        time.sleep(5 if before else 0)
        return before if before and look() is before else None

    active = until(twice, "that one of the two has the addresses and both are fit")
    return active, next(box for box in site.both if box is not active)


def says(box):
    """Return what `parvis status` says of the pair and the gateways that it hears, and `parvis doctor` of the pair."""
    facts = json.loads(box.out(f"parvis status --json {CONFIG}"))
    found = json.loads(box.run(f"parvis doctor --json {CONFIG}", check=False).stdout)
    pair = [(row["state"], row["seen"]) for row in found if row["check"] == "pair"]
    return SimpleNamespace(active=facts["active"], gateways=facts["gateways"], pair=pair)


def knows(box):
    """Return how many sessions a gateway's rules hold."""
    return box.out("nft list map inet parvis grant4").count(" . 10.77.")


def test_two_blank_machines_become_a_pair(site):
    """One run, one gateway after the other: all units active, keepalived too, one has the addresses, both say which."""
    assert site.run.code == 0, site.run.text[-4000:]
    active, other = settled(site)
    for box in site.both:
        assert set(box.out(f"systemctl is-active {' '.join(UNITS)}").split()) == {"active"}
        until(lambda box=box: says(box).gateways, "that the two hear each other")
    assert (says(active).active, says(other).active) == (True, False)
    for box, words in ((active, "this gateway is the active one"), (other, "this gateway stands by")):
        assert {state for state, _ in says(box).pair} == {"ok"}, says(box).pair
        assert any(text.startswith(words) for _, text in says(box).pair), says(box).pair


def test_keepalived_has_only_what_it_needs(site):
    """It runs as a user of its own kind with two capabilities, in a sandbox that lets it move addresses and no more."""
    for box in site.both:
        pid = box.out("systemctl show -p MainPID --value parvis-keepalived")
        assert box.out(f"ps -o user:32= -p {pid}") == "parvis-agent"
        status = dict(line.split(":", 1) for line in box.out(f"cat /proc/{pid}/status").splitlines() if ":" in line)
        assert int(status["CapEff"], 16) == 1 << 12 | 1 << 13  # CAP_NET_ADMIN, CAP_NET_RAW
        assert status["NoNewPrivs"].strip() == "1"


def test_a_reload_moves_no_address(site):
    """`parvis reload` on the active one leaves keepalived alone, and with it the addresses."""
    active, _ = settled(site)
    pid = "systemctl show -p MainPID --value parvis-keepalived"
    before = active.out(pid)
    active.run(f"parvis reload {CONFIG}")
    assert active.out(pid) == before
    assert settled(site)[0] is active


def test_the_active_one_stops_and_the_other_takes_over(site):
    """Stopped as for an update: the other has the addresses, the guest stays online without a click; both say so."""
    active, other = settled(site)
    site.guest.ask("join")
    assert site.guest.ask("fetch", url=PROBE)["status"] == 302
    site.guest.ask("accept", url=PROBE)
    assert site.guest.ask("online", url=ELSEWHERE, seconds=PAUSE)["online"]
    until(lambda: knows(other), "that the other knows the session")
    active.run("systemctl stop parvis.target")
    until(lambda: has_addresses(other), "the other's taking over")
    assert not has_addresses(active)
    assert site.guest.ask("online", url=ELSEWHERE, seconds=PAUSE)["online"]
    assert says(other).active is True
    assert any(text.startswith("this gateway is the active one") for _, text in says(other).pair)
    active.run("systemctl start parvis.target")
    assert settled(site)[0] is other, "who has the addresses keeps them"
    assert any(text.startswith("this gateway stands by") for _, text in says(active).pair)
    assert site.guest.ask("online", url=ELSEWHERE, seconds=PAUSE)["online"]


def test_the_power_of_the_active_one_is_cut(site):
    """Its keepalived and all else end at once: the other takes over; started again, it stands by."""
    active, other = settled(site)
    active.run("ip link set site0 down; ip link set lan0 down; systemctl kill --signal KILL 'parvis-*.service'")
    until(lambda: has_addresses(other), "the other's taking over")
    assert site.guest.ask("online", url=ELSEWHERE, seconds=PAUSE)["online"]
    down = [text for state, text in says(other).pair if state != "ok"]
    assert any("nobody would take over" in text for text in down), says(other).pair
    active.run("ip link set site0 up; ip link set lan0 up")
    assert settled(site)[0] is other


def test_a_second_run_changes_nothing(site):
    """Neither of the two, and the addresses stay where they are."""
    active, _ = settled(site)
    again = site.play("-e", "parvis_serial=2")  # both at once
    assert again.code == 0, again.text[-4000:]
    assert set(again.changes.values()) == {0}, again.text[-4000:]
    assert has_addresses(active)
