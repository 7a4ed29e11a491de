# SPDX-License-Identifier: EUPL-1.2
"""`parvis reload`: every process reads its settings again, and guests notice nothing."""

import contextlib
import sys

import pytest

from edge_core import control
from edge_core.settings import load
from edge_core.store import database
from gateway_agent import nft_ruleset

from .conftest import run, until
from .test_gateway_survival import live_flow

pytestmark = [pytest.mark.netns, pytest.mark.timeout(180)]
GARDEN = '[walled_garden]\nhosts = ["198.51.100.0/24"]\n'


@pytest.fixture
def running(bare_zone):
    """`parvis run gateway` with a guest that has a grant."""
    bare_zone.start_internet()
    words = (sys.executable, "-m", "edge_core.cli", "run", "gateway", "--config", str(bare_zone.config))
    bare_zone.spawn("run", bare_zone.gateway, *words)
    until(lambda: control.ask(bare_zone.settings.agent_socket, {"op": "status"}), 30, "the agent")
    guest = bare_zone.guest().join()
    with contextlib.closing(database.open_edge(bare_zone.settings.edge_db)):
        bare_zone.grant(guest)
    assert control.nudge(bare_zone.settings.agent_socket)
    return bare_zone, guest


def reload(zone, *, check=True):
    return run(sys.executable, "-m", "edge_core.cli", "reload", "--config", str(zone.config), check=check)


def test_a_reload_loses_no_session_and_breaks_no_connection(running):
    """With other settings every process goes over to them; a live connection goes on, the portal answers after."""
    zone, guest = running
    stranger = zone.guest().join()
    until(lambda: stranger.get("http://192.0.2.1/")[0] == 302, 20, "the portal")
    zone.write_config(GARDEN)
    with live_flow(guest) as trips:
        reload(zone)
        until(lambda: "settings_read_again" in zone.log("run"), 20, "the reload")
        version = nft_ruleset.version(load(zone.config))
        until(lambda: version in zone.nft("list", "table", "inet", "parvis").stdout, 60, "the new rules")
        at = trips()
        until(lambda: trips() > at + 100, 60, "traffic after the reload")
        until(lambda: control.ask(zone.settings.agent_socket, {"op": "status"}), 60, "the agent")
        assert stranger.get("http://192.0.2.1:443/")[0] == 0
    assert guest.get("http://192.0.2.1/")[0] == 200
    until(lambda: stranger.get("http://192.0.2.1/")[0] == 302, 20, "the portal")
    assert version in zone.nft("list", "table", "inet", "parvis").stdout


def test_wrong_settings_are_refused_and_change_nothing(running):
    """A reload with a bad value says which, ends with an error, and everything goes on as it was."""
    zone, guest = running
    before = zone.nft("list", "table", "inet", "parvis").stdout.splitlines()[1]
    zone.config.write_text(zone.config.read_text().replace("10.77.0.10-", "nonsense-"))
    done = reload(zone, check=False)
    assert done.returncode == 1
    assert "dhcp_range" in done.stderr
    assert zone.nft("list", "table", "inet", "parvis").stdout.splitlines()[1] == before
    assert guest.get("http://192.0.2.1/")[0] == 200
