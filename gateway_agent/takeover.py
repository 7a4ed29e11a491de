# SPDX-License-Identifier: EUPL-1.2
"""Setting the gateway up, taking over from an earlier run without a gap, and taking everything back.

The ruleset comes first, closed; then addresses and kernel settings, forwarding last. A ruleset of the same version is
left alone. Another one is replaced in one transaction that already holds the grants' elements, and live flows keep
their mark in the connection table: no session ends and nobody else gets through.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge_core import clock, logs
from edge_core.errors import NetworkError
from edge_core.settings import require_gateway
from gateway_agent import (
    announce,
    dnsmasq,
    failover,
    hostapd,
    keepalived,
    link,
    network,
    nft_load,
    rules,
    shaping,
)
from gateway_agent.conntrack import Conntrack

if TYPE_CHECKING:
    from edge_core.settings import Settings

_log = logs.get(__name__)


def setup(settings: Settings) -> None:
    """Make this network namespace a gateway; repeating it changes nothing. Raises ParvisError with the remedy."""
    require_gateway(settings)
    network.require(settings)
    dnsmasq.require()
    keepalived.require(settings)
    hostapd.write(settings)
    rules.ensure(settings, lambda: rules.stored_wish(settings))
    network.prepare(settings, network.note_of(settings))
    announce.write(settings, announce.address(settings, announce.judge(settings, clock.now())))
    dnsmasq.write(settings)
    keepalived.write(settings)


def clear(settings: Settings) -> list[str]:
    """Take back everything that Parvis changed here; return what could not be, in words. Raises NetworkError.

    Forwarding and addresses go before the rules: at no moment does the host forward for guests without them.
    """
    for zone in settings.zones if settings.ha.peer is None else ():  # of a pair the other goes on, under this address
        if not link.say_farewell(zone):
            _log.warning("farewell_not_said", interface=zone.interface)
    left = network.take_back(network.note_of(settings))
    if settings.ha.peer:
        network.drop(settings)
    failover.lead("")
    shaping.remove([*(zone.interface for zone in settings.zones), settings.wan.interface])
    nft_load.remove()
    try:
        conntrack = Conntrack()
        conntrack.end({flow.grant for flow in conntrack.flows(live=False)})
        conntrack.close()
    except OSError as error:
        raise NetworkError(
            f"Flows of former sessions could not be ended ({error.strerror}).", remedy="Run as root: conntrack -F."
        ) from error
    for written in (
        settings.generated_dir / "dnsmasq.conf",
        announce.options_file(settings),
        hostapd.path_of(settings),
        keepalived.path_of(settings),
    ):
        written.unlink(missing_ok=True)
    return left
