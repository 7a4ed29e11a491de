# SPDX-License-Identifier: EUPL-1.2
"""`parvis run gateway` as a whole: kill -9 of any single process loses no acknowledged event and no session."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading

import pytest

from edge_core import clock, control
from edge_core.settings import load
from edge_core.store import grants, outbox, requests

from .conftest import until

pytestmark = [pytest.mark.netns, pytest.mark.timeout(240)]
PYTHON = (sys.executable, "-m")
PLATFORM_PORT, BROKER_PORT = 8090, 1884
PROCESSES = ("agent", "dnsmasq", "advertiser", "portal", "front", "broker", "sync")
FETCH = "import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1], timeout=5).read().decode())"


class Whole:
    """The product by its own command, the reference platform behind its uplink, and what each of them says."""

    def __init__(self, zone):
        self.zone = zone
        zone.write_config(f'[broker]\nbridge = "mqtt://{zone.WEB4}:{BROKER_PORT}"\n[presence]\nwindow = 2\n')
        self.settings = load(zone.config, {})
        zone.start_internet()
        conf = zone.folder / "platform-broker.conf"
        conf.write_text(f"listener {BROKER_PORT} {zone.WEB4}\nallow_anonymous true\nuser root\n")
        zone.spawn("platform-broker", zone.internet, "mosquitto", "-c", str(conf))
        self.start_platform()
        self.start_gateway()

    def start_platform(self):
        words = ("--store", str(self.zone.folder / "platform.db"), "--broker", f"mqtt://{self.zone.WEB4}:{BROKER_PORT}")
        place = ("--repository", str(self.zone.folder), "--bind", self.zone.WEB4, "--port", str(PLATFORM_PORT))
        self.zone.spawn("platform", self.zone.internet, *PYTHON, "lab.platform", *words, *place)

    def start_gateway(self):
        self.zone.spawn(
            "run", self.zone.gateway, *PYTHON, "edge_core.cli", "run", "gateway", "--config", str(self.zone.config)
        )
        until(lambda: set(self.pids()) >= set(PROCESSES), 30, "every process")

    def pids(self):
        """Return the newest pid of each process of the gateway."""
        with contextlib.suppress(FileNotFoundError):
            lines = (self.settings.run_dir / "gateway.pids").read_text().splitlines()
            return {entry["name"]: entry["pid"] for entry in map(json.loads, lines)}
        return {}

    def kill(self, name):
        """Kill a process without a word and wait until there is another in its place."""
        if name in ("run", "platform"):
            old = dict(self.pids())
            # `ip netns exec` replaces itself by the program, so this is the program's own pid.
            self.zone.kill(name)
            if name == "run":
                self.start_gateway()
                until(lambda: all(self.pids().get(one, old[one]) != old[one] for one in PROCESSES), 30, "new processes")
            else:
                self.start_platform()
            return
        old = self.pids()[name]
        os.kill(old, signal.SIGKILL)
        until(lambda: self.pids().get(name, old) != old, 20, f"a new {name}")

    def platform(self):
        """Return what the platform says of itself, asked inside its network; None while it is away."""
        url = f"http://{self.zone.WEB4}:{PLATFORM_PORT}/api/state"
        command = ["ip", "netns", "exec", self.zone.internet, sys.executable, "-c", FETCH, url]
        done = subprocess.run(command, capture_output=True, text=True, timeout=15, check=False)
        return json.loads(done.stdout) if done.returncode == 0 else None

    def events(self, kind):
        """Return how many events of a kind the platform holds, and how many of them came more than once there."""
        with contextlib.closing(sqlite3.connect(self.zone.folder / "platform.db")) as store:
            sql = "SELECT count(*), count(*) - count(DISTINCT id) FROM events WHERE type = ?"
            return store.execute(sql, [kind]).fetchone()

    def account(self):
        """Return the device's loss account."""
        with contextlib.closing(self.zone.store()) as store:
            return outbox.account(store)

    def sessions(self):
        """Return the sessions that hold."""
        with contextlib.closing(self.zone.store()) as store:
            return [grant.session for grant in grants.active(store, clock.now())]


@pytest.fixture
def whole(bare_zone):
    """A gateway that runs, with a platform that acknowledges."""
    if not shutil.which("mosquitto"):
        pytest.skip("mosquitto is not installed")
    return Whole(bare_zone)


@contextlib.contextmanager
def asking(zone):
    """Record requests all the while, as people do; yield the list of ids that were acknowledged to a person."""
    done, ids = threading.Event(), []

    def ask():
        store = zone.store()
        while not done.wait(0.02):
            one = requests.create(store, kind="message", subject="accueil", data={}, place="portal", now=clock.now())
            ids.append(one.id)
        store.close()

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield ids
    finally:
        done.set()
        thread.join()


@contextlib.contextmanager
def streaming(guest, zone):
    """Hold one TCP connection through the gateway; yield a function that says whether it still echoes."""
    connection = guest.connect(zone.WEB4, 7777)

    def echoes():
        connection.settimeout(60)
        connection.sendall(b"still here")
        return connection.recv(100) == b"still here"

    with connection:
        yield echoes


def parvis(zone, *words, check=True):
    """Run a `parvis` command about the gateway, as a technician would."""
    command = ["ip", "netns", "exec", zone.gateway, *PYTHON, "edge_core.cli", *words, "--config", str(zone.config)]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=check)


def listing(zone):
    """Return what a technician's script reads of the sessions."""
    return json.loads(parvis(zone, "session", "list", "--json").stdout)


def test_kill_of_any_process_loses_no_event_and_no_session(whole):
    """Each process is killed in turn while people ask and a guest is online: all is there afterwards, once."""
    zone = whole.zone
    guest = zone.guest().join()
    until(lambda: guest.get(f"http://{zone.WEB4}/")[0] == 302, 20, "the redirect to the portal")
    granted = zone.grant(guest)
    until(lambda: control.nudge(whole.settings.agent_socket), 60, "the agent")
    until(lambda: guest.get(f"http://{zone.WEB4}/")[0] == 200, 60, "the Internet")
    with streaming(guest, zone) as echoes, asking(zone) as ids:
        for name in (*PROCESSES, "platform", "run"):
            whole.kill(name)
            assert echoes(), f"killing {name} broke a connection"
            assert granted.session in whole.sessions(), f"killing {name} lost the session"
            assert guest.get(f"http://{zone.WEB4}/")[0] == 200, f"after killing {name} no new connection passes"
    assert len(ids) > 50
    until(lambda: whole.account().pending == 0, 60, "every acknowledgement")
    account = whole.account()
    assert account.balanced
    assert account.dropped == 0
    assert whole.events("eu.parvis.request.created.v1") == (len(ids), 0)
    (device,) = until(whole.platform, 60, "the platform")["devices"]
    assert device["missing_undeclared"] == 0
    assert device["acked_seq"] >= account.created  # a window of presence may have come since


def test_stopping_stays_closed_and_keeps_sessions(whole):
    """After SIGTERM the rules stay: who has a session goes on, who has none stays out; the next start takes over."""
    zone = whole.zone
    online, outside = zone.guest().join(), zone.guest().join()
    zone.grant(online)
    until(lambda: control.nudge(whole.settings.agent_socket), 60, "the agent")
    until(lambda: online.get(f"http://{zone.WEB4}/")[0] == 200, 60, "the Internet")
    (listed,) = listing(zone)
    assert (listed["mac"], listed["address"]) == (online.mac, online.address)
    until(lambda: listing(zone)[0]["down_bytes"] > 0, 60, "the count of what was read")
    refused = parvis(zone, "gateway", "clear", check=False)
    assert refused.returncode == 1
    assert "End it first" in refused.stderr, "clearing under a gateway that works would cut its guests"
    with streaming(online, zone) as echoes:
        zone.kill("run", signal.SIGTERM)
        assert echoes()
        with pytest.raises(ConnectionRefusedError):
            outside.connect(zone.WEB4, 443)
        whole.start_gateway()
        assert echoes()
        until(lambda: outside.get(f"http://{zone.WEB4}/")[0] == 302, 60, "the portal again")
