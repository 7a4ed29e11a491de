# SPDX-License-Identifier: EUPL-1.2
"""A scan's way to the page: over the device service's socket to whoever reads it, and words where nobody does."""

import socket
import threading

import pytest

from kiosk import scans
from kiosk.devices.board import Board
from kiosk.devices.door import Door


@pytest.fixture
def board(settings, monkeypatch):
    """A device service without devices."""
    monkeypatch.setattr(scans, "_readers", [])
    board = Board()
    door = Door(settings.devices_socket, board)
    door.start()
    yield board
    door.shutdown()
    door.server_close()


def newest(client):
    return client.get("/fr/devices?life=&after=-1").json["scan"]


def test_who_reads_a_scan_says_where_to_go(client, board):
    """The first topic that knows the text gives the address; the text stands in none of ours."""

    @scans.reader
    def _others(_role, _text):
        return None

    @scans.reader
    def _ours(role, text):
        return f"/fr/seen/{role}" if text == "PARVIS:1:abc" else None

    board.scanned("scanner", "PARVIS:1:abc")
    number = newest(client)
    assert client.post(f"/fr/scan/{number}").json == {"href": "/fr/seen/scanner"}
    assert "once more" in client.post(f"/en/scan/{number}").json["said"]


@pytest.mark.parametrize("text", ["https://elsewhere.example/x", "<script>alert(1)</script>", "x" * 512, "../../etc"])
def test_a_code_of_somebody_else_is_answered_in_words(client, board, text):
    """A text that nobody reads leads nowhere and is not repeated."""
    board.scanned("scanner", text)
    said = client.post(f"/en/scan/{newest(client)}").json
    assert "isn't one of ours" in said["said"]
    assert text not in said["said"]


def test_garbage_is_answered_in_words(client, board):
    """What can't be read is said, in the person's language."""
    board.refused("scanner", "too_long")
    assert "can't be read" in client.post(f"/en/scan/{newest(client)}").json["said"]


def test_states_reach_the_page(client, board):
    """A printer without paper is told."""
    board.tell("printer", state="paper")
    assert client.get("/fr/devices?life=&after=-1").json["devices"]["printer"] == {"state": "paper"}


def test_without_the_service_pages_go_on(client):
    """Nobody there: the page is told so, and asks again later."""
    assert client.get("/fr/devices").json == {"away": True}
    assert client.post("/fr/scan/1").json["said"]


def test_nonsense_over_the_socket_changes_nothing(settings, client, board):
    """Bytes that are no request are answered with nothing; the next caller is served."""
    for raw in (b"\n", b"\xff\xfe\n", b"[" * 5000 + b"\n", b"{}\n"):
        with socket.socket(socket.AF_UNIX) as caller:
            caller.settimeout(20)
            caller.connect(str(settings.devices_socket))
            caller.sendall(raw)
            caller.recv(100)
    board.scanned("badge", "0042")
    assert newest(client) == 1


def test_a_page_waits_for_the_next_scan(client, board):
    """The answer comes with the scan, not with the next look."""
    known = client.get("/fr/devices?life=&after=-1").json
    threading.Timer(0.2, board.scanned, ["scanner", "K7PM"]).start()
    told = client.get(f"/fr/devices?life={known['life']}&after={known['n']}").json
    assert told["scan"] == known["n"] + 1
