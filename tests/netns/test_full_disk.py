# SPDX-License-Identifier: EUPL-1.2
"""A state folder without any room: who is online stays online, and the rules go on being judged and mended."""

from __future__ import annotations

import os
import time

import pytest

from .conftest import run, until

pytestmark = [
    pytest.mark.netns,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a small file system"),
]


@pytest.fixture
def small(bare_zone):
    """A zone whose state folder is a file system of 4 MB."""
    state = bare_zone.folder / "state"
    state.mkdir()
    run("mount", "-t", "tmpfs", "-o", "size=4m", "parvis-test", str(state))
    try:
        yield bare_zone.start()
    finally:
        run("umount", "--lazy", str(state))


def fill(zone):
    """Leave no room in the state folder; return the file that took it."""
    ballast = zone.folder / "state" / "ballast"
    with pytest.raises(OSError, match="No space left"), ballast.open("wb") as file:
        while True:
            file.write(bytes(4096))
    return ballast


def test_a_full_disk_ends_neither_the_agent_nor_a_session(small):
    """The very agent that met the full disk mends the rules, and lets new guests in once there is room again."""
    guest = small.guest().join()
    small.grant(guest)
    guest.connect(small.WEB4, 80).close()
    agent, ballast = small.processes["agent"], fill(small)
    time.sleep(8)  # two looks at all flows, several turns of the loop
    assert agent.poll() is None
    guest.connect(small.WEB4, 80).close()
    small.nft("delete", "element", "inet", "parvis", "grant6", f"{{ {guest.mac} }}")
    until(lambda: guest.mac in small.nft("list", "map", "inet", "parvis", "grant6").stdout, 60, "the mended element")
    ballast.unlink()
    other = small.guest().join()
    small.grant(other)
    other.connect(small.WEB4, 80).close()
    assert agent.poll() is None


def fill_page_of_leases(zone):
    """Let the file of leases fill its block of 4 KiB, so that one more needs another; dnsmasq starts with it."""
    zone.kill("dnsmasq")
    path = zone.settings.leases_file
    ours, ends = path.read_bytes(), int(time.time()) + 3600
    others, number = b"", 0
    while len(ours) + len(others) + 60 < 4096:
        number += 1
        others += b"%d 02:51:00:00:00:%02x 10.77.2.%d device-%03d *\n" % (ends, number, number, number)
    path.write_bytes(ours + others)
    zone.start_dnsmasq()


def test_leases_cut_short_by_a_full_disk_cost_nobody_the_way(small):
    """dnsmasq can't write all leases again: whoever is online keeps IPv4, with this agent and with the next one."""
    guest = small.guest().join()
    small.grant(guest)
    guest.connect(small.WEB4, 80).close()
    fill_page_of_leases(small)
    ballast = fill(small)
    for _ in range(3):
        small.guest().join()
    until(lambda: guest.mac not in small.settings.leases_file.read_text(), 20, "the file cut short")
    for _ in range(2):
        deadline = time.monotonic() + 3  # some turns of the loop
        while time.monotonic() < deadline:
            assert f"{guest.mac} . {guest.address}" in small.nft("list", "map", "inet", "parvis", "grant4").stdout
        guest.connect(small.WEB4, 80).close()
        small.kill("agent")
        small.start_agent()
    ballast.unlink()
