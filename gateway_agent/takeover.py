# SPDX-License-Identifier: EUPL-1.2
"""Setting the gateway up, taking over from an earlier run without a gap, and taking everything back.

The ruleset comes first, closed; then addresses and kernel settings, forwarding last. A ruleset of the same version is
left alone. Another one is replaced in one transaction that already holds the grants' elements, and live flows keep
their mark in the connection table: no session ends and nobody else gets through.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge_core import clock, logs
from edge_core.errors import NetworkError, ParvisError
from edge_core.netlink import NetlinkError
from edge_core.settings import require_gateway
from edge_core.store import database, grants
from gateway_agent import dnsmasq, network, nft_load, nft_ruleset, reconcile
from gateway_agent.conntrack import Conntrack
from gateway_agent.leases import LeasesFile
from gateway_agent.nft_elements import Table, Value, lines

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from edge_core.settings import Settings
    from gateway_agent.nft_elements import Slot

_log = logs.get(__name__)


def note_of(settings: Settings) -> Path:
    """Return the file that remembers what was changed on this host."""
    return settings.run_dir / "gateway-changes.json"


def setup(settings: Settings) -> None:
    """Make this network namespace a gateway; repeating it changes nothing. Raises ParvisError with the remedy."""
    require_gateway(settings)
    network.require(settings)
    dnsmasq.require()
    ensure_rules(settings, _stored_wish(settings))
    network.prepare(settings, note_of(settings))
    dnsmasq.write(settings)


def ensure_rules(settings: Settings, wanted: Mapping[Slot, Value]) -> bool:
    """Load the ruleset with `wanted` elements unless it is there as it should be; True where it was loaded.

    Raises NetworkError.
    """
    table = Table()
    try:
        if intact(table, settings):
            return False
        now = clock.now()
        nft_load.load(nft_ruleset.render(settings, lines(wanted, now)))
        _log.info("rules_loaded", version=nft_ruleset.version(settings), elements=len(wanted))
    finally:
        table.close()
    return True


def intact(table: Table, settings: Settings) -> bool:
    """Tell whether our table is of this version and none of its rules is missing."""
    try:
        same = table.comment() == f"parvis {nft_ruleset.version(settings)}"
        return same and table.rules() == nft_ruleset.rules(settings)
    except NetlinkError:
        return False


def clear(settings: Settings) -> list[str]:
    """Take back everything that Parvis changed here; return what could not be, in words. Raises NetworkError.

    Forwarding and addresses go before the rules: at no moment does the host forward for guests without them.
    """
    left = network.take_back(note_of(settings))
    nft_load.remove()
    try:
        conntrack = Conntrack()
        for mark in {flow.grant for flow in conntrack.flows(live=False)}:
            conntrack.end(mark)
        conntrack.close()
    except OSError as error:
        raise NetworkError(
            f"Flows of former sessions could not be ended ({error.strerror}).", remedy="Run as root: conntrack -F."
        ) from error
    (settings.generated_dir / "dnsmasq.conf").unlink(missing_ok=True)
    return left


def _stored_wish(settings: Settings) -> dict[Slot, Value]:
    """Return the elements of the grants in the store; none where the store can't be read: closed is the safe side."""
    now = clock.now()
    try:
        store = database.open_edge(settings.edge_db)
    except ParvisError as error:
        _log.warning("store_unread", reason=str(error))
        return {}
    try:
        leases = LeasesFile(settings.leases_file).current().values()
        return reconcile.wish(grants.active(store, now), leases, now)
    finally:
        store.close()
