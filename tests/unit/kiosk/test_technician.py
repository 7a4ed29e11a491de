# SPDX-License-Identifier: EUPL-1.2
"""Technician mode opens for a signed pass of this site, this device and this time, and for nothing else."""

import dataclasses
import time
from contextlib import closing

import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from edge_core import technician
from edge_core.store import database
from edge_core.technician import Pass, PassError
from kiosk.app import create_app
from kiosk.devices.board import Board
from kiosk.devices.door import Door
from kiosk.technician_commands import technician as command

NOW = 1_770_000_000.0
KEY = Ed25519PrivateKey.generate()
GOOD = Pass("parc", "kiosk-1", int(NOW) + 3600)


def check(text, now=NOW, key=KEY, site="parc", device="kiosk-1"):
    return technician.check(text, key.public_key(), site, device, now)


def test_a_good_pass_is_good():
    """For its device, and for all where it says so."""
    assert check(technician.make(GOOD, KEY)) == GOOD
    assert check(technician.make(dataclasses.replace(GOOD, device="*"), KEY), device="another")


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"now": NOW + 3600}, "over"),
        ({"now": NOW - 80 * 3600}, "over"),  # made for longer than a pass may be, or the clock is wrong
        ({"site": "other"}, "other_site"),
        ({"device": "kiosk-2"}, "other_device"),
        ({"key": Ed25519PrivateKey.generate()}, "forged"),
    ],
)
def test_another_time_site_device_or_key(given, why):
    """Each is refused for its reason."""
    with pytest.raises(PassError, match=why):
        check(technician.make(GOOD, KEY), **given)


def test_no_letter_can_be_changed():
    """A pass with any one letter replaced opens nothing."""
    text = technician.make(GOOD, KEY)
    begin = len("PARVIS:parc:K:")
    for place in range(begin, len(text) - 1):  # the last letter holds two bits that base64 doesn't use
        other = text[:place] + ("A" if text[place] != "A" else "B") + text[place + 1 :]
        with pytest.raises(PassError):
            check(other)
    for text in ("", "PARVIS:parc:K:", "PARVIS:parc:K:.", "PARVIS:parc:K:é.é", "PARVIS:parc:V:K7PM", "x" * 512):
        with pytest.raises(PassError):
            check(text)


@pytest.fixture
def opened(settings, tmp_path):
    """A kiosk that knows technicians, its client, its board, and what makes passes for it."""
    assert CliRunner().invoke(command, ["key", str(tmp_path / "keys")]).exit_code == 0
    known = dataclasses.replace(settings.kiosk, technicians=tmp_path / "keys" / "technicians.pub.pem")
    settings = dataclasses.replace(settings, kiosk=known)
    database.migrate(settings)
    board = Board()
    door = Door(settings.devices_socket, board)
    door.start()
    secret = load_pem_private_key((tmp_path / "keys" / "technicians.pem").read_bytes(), None)

    def make(**changes):
        given = Pass(settings.site.id, settings.device.id, int(time.time()) + 60)
        return technician.make(dataclasses.replace(given, **changes), secret)

    yield create_app(settings).test_client(), board, make, settings
    door.shutdown()
    door.server_close()


def scan(client, board, text):
    board.scanned("scanner", text)
    return client.post(f"/fr/scan/{client.get('/fr/devices?life=&after=-1').json['scan']}").json


def test_a_scan_opens_it_and_a_test_is_printed(opened):
    """The page tells what doctor tells; its button adds one ticket that opens nothing."""
    client, board, make, settings = opened
    board.tell("printer", state="cover")
    href = scan(client, board, make())["href"]
    assert "Close it until it clicks." in client.get(href).text
    assert client.post(f"{href}/print").status_code == 303
    with closing(database.open_edge(settings.edge_db)) as connection:
        assert [row["state"] for row in connection.execute("SELECT state FROM print_jobs")] == ["waiting"]


def test_without_a_good_pass_there_is_no_such_page(opened):
    """A bad pass opens nothing; a guessed address does not exist; the last pass closes the one before."""
    client, board, make, _ = opened
    for bad in (make(until=int(time.time()) - 1), make(device="kiosk-other"), make(site="other"), make()[:-9]):
        assert "technician" not in scan(client, board, bad).get("href", "")
    assert client.get("/fr/technician/x").status_code == 404
    assert client.get("/fr/technician/").status_code == 404
    first = scan(client, board, make())["href"]
    second = scan(client, board, make())["href"]
    assert client.get(first).status_code == 404
    assert client.get(second).status_code == 200


def test_the_command_makes_a_pass(tmp_path):
    """A QR code in a file, or in the terminal; a key is never replaced."""
    run = CliRunner()
    folder = str(tmp_path / "keys")
    assert run.invoke(command, ["key", folder]).exit_code == 0
    assert run.invoke(command, ["key", folder]).exit_code != 0
    made = run.invoke(command, ["pass", folder, "--site", "parc", "--output", str(tmp_path / "pass.svg")])
    assert made.exit_code == 0
    assert "<svg" in (tmp_path / "pass.svg").read_text()
    assert (tmp_path / "keys" / "technicians.pem").stat().st_mode & 0o077 == 0
