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


def test_a_full_disk_ends_neither_the_agent_nor_a_session(small):
    """The very agent that met the full disk mends the rules, and lets new guests in once there is room again."""
    guest = small.guest().join()
    small.grant(guest)
    guest.connect(small.WEB4, 80).close()
    agent, ballast = small.processes["agent"], small.folder / "state" / "ballast"
    with pytest.raises(OSError, match="No space left"), ballast.open("wb") as file:
        while True:
            file.write(bytes(4096))
    time.sleep(8)  # two looks at all flows, several turns of the loop
    assert agent.poll() is None
    guest.connect(small.WEB4, 80).close()
    small.nft("delete", "element", "inet", "parvis", "grant6", f"{{ {guest.mac} }}")
    until(lambda: guest.mac in small.nft("list", "map", "inet", "parvis", "grant6").stdout, 15, "the mended element")
    ballast.unlink()
    other = small.guest().join()
    small.grant(other)
    other.connect(small.WEB4, 80).close()
    assert agent.poll() is None
