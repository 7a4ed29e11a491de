# SPDX-License-Identifier: EUPL-1.2
"""Writes the configuration of keepalived, which alone decides which gateway of a pair has the addresses (RFC 9568).

The two talk on a link that guests can't reach, each to the other alone: VRRP has no authentication. On the guests' side
the one that stands by has none of the addresses, so that it is silent there whatever its programs do. Both have the
same priority: who has the addresses keeps them, unless it is less fit (`standing`).
"""

from __future__ import annotations

import os
import shutil
from ipaddress import IPv6Interface
from typing import TYPE_CHECKING

from edge_core.errors import NetworkError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from edge_core.settings import Settings

ILL = -50
"""What is taken from the priority of a gateway whose agent or portal doesn't answer."""
SHUT = -20
"""What is taken from it while its way to the Internet is shut."""
_PRIORITY = 100


def require(settings: Settings) -> None:
    """Check that keepalived is installed where there is a pair. Raises NetworkError."""
    if settings.ha.peer and not shutil.which("keepalived", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"):
        raise NetworkError(
            "The program keepalived is not installed; [ha] peer needs it.", remedy="Install it: apt install keepalived."
        )


def path_of(settings: Settings) -> Path:
    """Return the configuration's file."""
    return settings.generated_dir / "keepalived.conf"


def weight_file(settings: Settings) -> Path:
    """Return the file that says what is to be taken from the priority: a number, followed by keepalived.

    By its real name: keepalived's unit doesn't see the state folder, in which the run folder is a link.
    """
    return settings.run_dir.resolve() / "ha-weight"


def write(settings: Settings) -> None:
    """Write the file, whole or not at all; where there is no pair, take it away. Raises OSError."""
    path = path_of(settings)
    if settings.ha.peer is None:
        path.unlink(missing_ok=True)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".new")
    draft.write_text(render(settings), encoding="utf-8")
    draft.replace(path)
    if not weight_file(settings).exists():
        settings.run_dir.mkdir(parents=True, exist_ok=True)
        weight_file(settings).write_text(f"{ILL}\n", encoding="ascii")  # until it has shown that it is well


def link_local(settings: Settings) -> IPv6Interface | None:
    """Return the pair's link-local address, from which its router advertisements come; None without IPv6.

    Made of the virtual router's MAC address (RFC 9568 section 7.3) as a device makes its own (RFC 4291 appendix A).
    """
    if settings.ha.peer is None or not any(zone.ipv6 for zone in settings.zones):
        return None
    return IPv6Interface(f"fe80::200:5eff:fe00:2{settings.ha.router_id:02x}/64")


def render(settings: Settings) -> str:
    """Return the file's text."""
    ha, zones = settings.ha, settings.zones
    # A dedicated cable goes dark with the peer: that must not stop the one that is left. Of an uplink it says that
    # this gateway is cut off.
    lone = [] if ha.interface in (settings.wan.interface, settings.wan.second) else [" dont_track_primary"]
    return "\n".join(
        [
            "# Written by Parvis at each start; changes here are lost.",
            *("global_defs {", f" router_id {settings.device.id}", " vrrp_version 3", "}"),
            *("track_file fitness {", f' file "{weight_file(settings)}"', " weight 1", "}"),
            *("vrrp_instance parvis {", " state BACKUP", f" interface {ha.interface}", *lone),
            *(f" virtual_router_id {ha.router_id}", f" priority {_PRIORITY}", f" advert_int {ha.interval / 1000:.2f}"),
            # From the next machine alone, at the first hop (RFC 5082).
            f" unicast_peer {{\n  {ha.peer} min_ttl 255\n }}",
            # Switches and guests that missed the first word hear it again.
            *(" garp_master_delay 1", " garp_master_refresh 30", " garp_lower_prio_repeat 3"),
            *(" track_interface {", *(f"  {zone.interface}" for zone in zones), " }"),
            " track_file {\n  fitness\n }",
            *(" virtual_ipaddress {", *(f"  {zone.ipv4} dev {zone.interface}" for zone in zones), " }"),
            *(" virtual_ipaddress_excluded {", *_sixth(settings), " }", "}", ""),
        ]
    )


def _sixth(settings: Settings) -> Iterator[str]:
    own = link_local(settings)
    for zone in settings.zones:
        if zone.ipv6:
            yield f"  {zone.ipv6} dev {zone.interface}"
            yield f"  {own} dev {zone.interface}"
