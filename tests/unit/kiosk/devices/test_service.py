# SPDX-License-Identifier: EUPL-1.2
"""The whole device service with udev played by hand: what is plugged in works at once, what fails is begun again."""

import os
import queue
import runpy
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest

from edge_core import stick_receipt
from edge_core.doctor import kiosk as doctor
from edge_core.hotplug import Change, Plugged
from edge_core.store import database, print_jobs
from edge_core.store.database import write
from kiosk import scans
from kiosk.devices import readers
from kiosk.devices.service import Service
from lab.printer import Printer

HERE = Path(__file__)
TYPED = runpy.run_path(str(HERE.with_name("test_wedge.py")))["typed"]
TICKET = runpy.run_path(str(HERE.with_name("test_printing.py")))["TICKET"]
SOON = 30.0


class Cables:
    """Plays edge_core.hotplug; `broken` is how often it fails before it works, as a monitor that ran over does."""

    def __init__(self, broken=0):
        self.plugged, self.broken = queue.Queue(), broken

    def __call__(self):
        return self

    def changes(self, wait):
        if self.broken:
            self.broken -= 1
            raise OSError("buffer ran over")
        try:
            return [self.plugged.get(timeout=min(wait, 0.1))] if wait else []
        except queue.Empty:
            return []

    def plug(self, role, node, came=True):
        self.plugged.put(Change(came=came, device=Plugged(role, node, "Fictive")))


@pytest.fixture
def cables(settings, monkeypatch):
    """A running service, and what is plugged into it."""
    monkeypatch.setattr(readers.fcntl, "ioctl", lambda *_: 0)  # a pipe can't be grabbed
    monkeypatch.setattr(scans, "_readers", [lambda role, text: f"/fr/{role}/{len(text)}"])
    database.migrate(settings)
    made = Cables(broken=1)
    service = Service(settings, made)
    running = threading.Thread(target=service.run)
    running.start()
    yield made
    service.stop()
    running.join(SOON)
    assert not running.is_alive()


def until(condition):
    deadline = time.monotonic() + SOON
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.05)
    return None


def states(client):
    return {
        role: its["state"] for role, its in client.get("/fr/devices?life=&after=-1").json.get("devices", {}).items()
    }


def test_plugged_in_scanned_printed_pulled_out(cables, client, settings, tmp_path):
    """A scanner's text reaches the page, a ticket the paper; a foreign keyboard is refused; pulled is absent."""
    scanner = tmp_path / "event9"
    os.mkfifo(scanner)
    keyboard = tmp_path / "event3"
    os.mkfifo(keyboard)
    printer = Printer()
    end = os.open(scanner, os.O_RDWR)
    other = os.open(keyboard, os.O_RDWR)
    node = printer.plug()
    for role, path in (("scanner", str(scanner)), ("keyboard", str(keyboard)), ("printer", node)):
        cables.plug(role, path)
    wanted = {"scanner": "ready", "keyboard": "refused", "printer": "ready"}
    assert until(lambda: wanted.items() <= states(client).items()), states(client)

    os.write(end, TYPED("PARVIS:1:abc"))
    number = until(lambda: client.get("/fr/devices?life=&after=-1").json["scan"])
    assert client.post(f"/fr/scan/{number}").json == {"href": "/fr/scanner/12"}

    with closing(database.open_edge(settings.edge_db)) as connection:
        with write(connection):
            print_jobs.add(connection, "t1", TICKET.as_json(), time.time())
        assert until(lambda: print_jobs.get(connection, "t1").state == "printed")
    assert printer.paper.codes().count(TICKET.check_out) == 1

    for role, path in (("scanner", str(scanner)), ("keyboard", str(keyboard)), ("printer", node)):
        cables.plug(role, path, came=False)
    assert until(lambda: set(states(client).values()) == {"absent"}), states(client)
    printer.pull()
    os.close(end)
    os.close(other)


def test_what_becomes_of_a_stick_is_said_on_the_screen(cables, client, settings):
    """How far it is; refused content in words, its reason for the technician; plugged in again, it begins anew."""

    def stick_is(state):
        return until(lambda: states(client).get("stick") == state)

    def said():
        return client.get("/fr/devices?life=&after=-1").json["devices"]["stick"].get("said", "")

    node = "/dev/sda1"
    cables.plug("stick", node)
    assert stick_is("ready")
    stick_receipt.write(settings.run_dir, stick_receipt.Receipt(node, "reading", "", time.time(), 40))
    assert until(lambda: "lecture\N{NO-BREAK SPACE}: 40\N{NO-BREAK SPACE}%" in said())
    receipt = stick_receipt.Receipt(node, "rejected", "the signature is wrong", time.time())
    stick_receipt.write(settings.run_dir, receipt)
    assert stick_is("rejected")
    assert "refusé" in said()
    found = next(one for one in doctor.checks(settings) if one.check == "stick")
    assert (found.state, "the signature is wrong" in found.seen) == ("warning", True)
    cables.plug("stick", node, came=False)
    assert stick_is("absent")
    cables.plug("stick", node)
    assert stick_is("ready")
    stick_receipt.write(settings.run_dir, stick_receipt.Receipt(node, "taken", "", time.time()))
    assert stick_is("taken")
    assert "peut être retirée" in said()
    cables.plug("stick", node, came=False)
    assert stick_is("absent")
    assert said() == ""  # it was told before
    cables.plug("stick", node)
    assert stick_is("ready")
    cables.plug("stick", node, came=False)
    assert stick_is("absent")
    stick_receipt.write(settings.run_dir, stick_receipt.Receipt(node, "rejected", "pulled out", time.time()))
    assert until(lambda: "trop tôt" in said())


def test_what_went_while_nobody_looked_is_absent(cables, client, tmp_path):
    """udev's monitor fails and is made anew: a scanner that was pulled out meanwhile is not taken to be there."""
    os.mkfifo(tmp_path / "a")
    end = os.open(tmp_path / "a", os.O_RDWR)
    cables.plug("scanner", str(tmp_path / "a"))
    assert until(lambda: states(client).get("scanner") == "ready")
    cables.broken = 1
    assert until(lambda: states(client).get("scanner") == "absent")
    os.close(end)


def test_two_of_a_kind(cables, client, tmp_path):
    """With two scanners, one may go: the role is still there."""
    ends = []
    for name in ("a", "b"):
        os.mkfifo(tmp_path / name)
        ends.append(os.open(tmp_path / name, os.O_RDWR))
        cables.plug("scanner", str(tmp_path / name))
    assert until(lambda: states(client).get("scanner") == "ready")
    cables.plug("scanner", str(tmp_path / "a"), came=False)
    cables.plug("badge", str(tmp_path / "nothing"))
    assert until(lambda: states(client).get("badge") == "absent")
    assert states(client)["scanner"] == "ready"
    for end in ends:
        os.close(end)
