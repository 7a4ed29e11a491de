# SPDX-License-Identifier: EUPL-1.2
"""The legal record with real guests, NAT and the kernel's own events; and what happens when it can't be written."""

import os
import subprocess

import pytest
from nacl.encoding import HexEncoder
from nacl.public import PrivateKey

from edge_core import clock, legal
from edge_core.errors import StoreError
from gateway_agent import legal_export, legal_vault

from .conftest import Zone, until

pytestmark = [pytest.mark.netns, pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def recorded(namespaces_allowed, tmp_path_factory):
    """A zone that records, its legal folder on a small file system of its own, and the investigator's key."""
    bare_zone = Zone(tmp_path_factory.mktemp("legal"))
    key = PrivateKey.generate()
    (bare_zone.folder / "key.pub").write_bytes(key.public_key.encode(HexEncoder))
    bare_zone.write_config(f'[legal]\nrecord = "on"\ninvestigator = "{bare_zone.folder}/key.pub"\n')
    place = legal.folder(bare_zone.settings)
    place.mkdir(parents=True)
    size = legal_vault.RESERVE + (8 << 20)
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none", place], check=False)
    if mounted.returncode:
        pytest.skip("mounting is not permitted here")
    try:
        bare_zone.start()
        until(lambda: legal.state(bare_zone.settings) == legal.RECORDING, 30, "the recorder")
        yield bare_zone, key
    finally:
        if "agent" in bare_zone.processes:
            bare_zone.kill("agent", 15)
        bare_zone.tear_down()
        subprocess.run(["umount", "-l", place], check=False)


def opened(zone, key, path):
    """Export all and open it."""
    path.unlink(missing_ok=True)
    days = legal_vault.days(legal.folder(zone.settings))
    if not days:
        return legal_export.Opened({}, [], [], 0)
    legal_export.export(zone.settings, days, "essai", path, clock.now())
    by = legal_export.signer(zone.settings).verify_key.encode(HexEncoder).decode()
    return legal_export.read(path, key, by)


def test_a_connection_is_recorded_with_its_nat_and_nothing_else_is(recorded, tmp_path):
    """Who, from which address and port, as which: of a guest with a grant alone, and not where it went to."""
    zone, key = recorded
    guest, other = zone.guest().join(), zone.guest().join()
    grant = zone.grant(guest)
    with guest.connect(zone.WEB4, 7777) as line, guest.connect(zone.WEB6, 7777) as line6:
        for each in (line, line6):
            each.sendall(b"x")
            assert each.recv(1) == b"x"
        (inside, port), inside6 = line.getsockname(), line6.getsockname()
    other.get(f"http://{zone.WEB4}/")
    zone.end(guest)

    def ended():
        rows = [row for row in opened(zone, key, tmp_path / "x.tar").connections if row["end"]]
        return rows if {port, inside6[1]} <= {row["source_port"] for row in rows} else None

    rows = until(ended, 30, "both ends")
    (row,) = [row for row in rows if row["source_port"] == port and row["protocol"] == 6 and row["source"] == inside]
    assert (row["outside"], row["terminal"], row["session"]) == ("192.0.2.2", guest.mac, grant.session)
    assert row["start"] <= row["end"] <= clock.now()
    assert inside6[0] in {row["source"] for row in rows}
    assert not any(row["source"] == other.address for row in rows)
    data = b"".join(file.read_bytes() for file in legal.folder(zone.settings).rglob("*") if file.is_file())
    assert guest.mac.encode() not in data
    assert bytes(map(int, inside.split("."))) + port.to_bytes(2, "big") not in data


def test_a_full_disk_stops_new_sessions_and_the_gap_is_recorded(recorded, tmp_path):
    """With the policy "stop"; when there is room again, what was not written for ten minutes is still there."""
    zone, key = recorded
    place = legal.folder(zone.settings)
    guest = zone.guest().join()
    zone.grant(guest)
    ballast = place / "ballast"
    with ballast.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, 16 << 20)
    with guest.connect(zone.WEB4, 7777) as line:
        port = line.getsockname()[1]
    until(lambda: legal.state(zone.settings) == legal.FULL, 30, "the full disk")
    with pytest.raises(StoreError, match="legal record"):
        legal.require_open(zone.settings, clock.now())
    ballast.unlink()
    until(lambda: legal.state(zone.settings) == legal.RECORDING, 30, "room again")
    legal.require_open(zone.settings, clock.now())
    ports = until(
        lambda: {row["source_port"] for row in opened(zone, key, tmp_path / "x.tar").connections}, 30, "the rows"
    )
    assert port in ports


def test_a_killed_recorder_comes_back_and_says_since_when_it_was_away(recorded, tmp_path):
    """The time in between is a gap in the record, and flows that were open are found again."""
    zone, key = recorded
    guest = zone.guest().join()
    zone.grant(guest)
    with guest.connect(zone.WEB4, 7777) as line:
        line.sendall(b"x")
        port = line.getsockname()[1]
        until(lambda: port in ports(zone, key, tmp_path), 30, "the first rows")
        pattern = f"gateway_agent record --config {zone.config}"
        (pid,) = subprocess.run(["pgrep", "-f", pattern], capture_output=True, text=True, check=True).stdout.split()
        os.kill(int(pid), 9)
        until(lambda: opened(zone, key, tmp_path / "x.tar").gaps, 60, "the gap")
    found = opened(zone, key, tmp_path / "x.tar")
    assert any(gap.get("absent") and gap["from"] <= gap["until"] for gap in found.gaps)
    assert port in {row["source_port"] for row in found.connections}


def ports(zone, key, folder):
    return {row["source_port"] for row in opened(zone, key, folder / "x.tar").connections}
