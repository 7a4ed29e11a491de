# SPDX-License-Identifier: EUPL-1.2
"""The checks of `parvis doctor`: each looks at one thing and answers with a Finding."""

from __future__ import annotations

import http.client
import shutil
import socket
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from edge_core import broker, clock, control, roles, settings_zones
from edge_core.certificate import judge
from edge_core.doctor import root, wear
from edge_core.doctor.finding import Finding
from edge_core.errors import ParvisError
from edge_core.store import database, outbox
from edge_core.store.replica import Replica

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge_core.settings import Settings

_CAP_NET_ADMIN = 12


def privilege(_: Settings) -> Finding:
    """CAP_NET_ADMIN is what rules, addresses and neighbours need (capabilities(7))."""
    held = 0
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("CapEff:"):
            held = int(line.split()[1], 16)
    if held >> _CAP_NET_ADMIN & 1:
        return Finding("privilege", "ok", "CAP_NET_ADMIN is held")
    return Finding("privilege", "failed", "CAP_NET_ADMIN is not held", "Run as root, or as the agent's systemd unit.")


def installed(settings: Settings) -> Finding:
    """The programs that a gateway starts are there."""
    needed = {"nft": "nftables", "dnsmasq": "dnsmasq-base", "ip": "iproute2"}
    missing = [package for program, package in needed.items() if not shutil.which(program)]
    if missing:
        return Finding("programs", "failed", f"not installed: {', '.join(missing)}", f"apt install {' '.join(missing)}")
    if not settings.mqtt.url and broker.kind() != "mosquitto":
        return Finding(
            "programs", "warning", "Mosquitto is not installed: a slower broker stands in", "apt install mosquitto"
        )
    return Finding("programs", "ok", "nft, dnsmasq, ip and a broker are installed")


def interfaces(settings: Settings) -> Finding:
    """The guests' interfaces and the Internet's exist and are up."""
    guests = [(settings_zones.label(zone), zone.interface) for zone in settings.zones] or [("lan", "")]
    for section, name in (*guests, ("wan", settings.wan.interface)):
        folder = Path("/sys/class/net") / name
        if not name or not folder.exists():
            there = ", ".join(sorted(path.name for path in Path("/sys/class/net").iterdir())) or "none"
            return Finding(
                "interfaces",
                "failed",
                f"[{section}] interface: there is no {name or '(empty)'}",
                f"There are: {there}.",
            )
        if (folder / "operstate").read_text(encoding="ascii").strip() == "down":
            return Finding(
                "interfaces",
                "warning",
                f"{name} is down",
                "Check the cable, and that what is at its other end has power.",
            )
    names = ", ".join(zone.interface for zone in settings.zones)
    return Finding("interfaces", "ok", f"{names} (guests) and {settings.wan.interface} are up")


def agent(settings: Settings) -> Finding:
    """The agent answers on its socket."""
    status = control.ask(settings.agent_socket, {"op": "counts"})
    if status and status.get("ok"):
        return Finding("agent", "ok", f"{status.get('online', 0)} of {status.get('guests', 0)} guests are online")
    return Finding(
        "agent",
        "failed",
        f"nobody answers on {settings.agent_socket}",
        "Start `parvis run gateway` (or parvis.target). Rules that were set stay; sessions run out their time.",
    )


def store(settings: Settings) -> Finding:
    """The database opens, has this version's schema, and its loss account balances."""
    try:
        connection = database.open_edge(settings.edge_db)
    except ParvisError as error:
        return Finding("store", "failed", error.message, error.remedy)
    account = outbox.account(connection)
    connection.close()
    words = f"created {account.created} = acked {account.acked} + pending {account.pending} + dropped {account.dropped}"
    if not account.balanced:
        return Finding(
            "store",
            "failed",
            f"the loss account does not balance: {words}",
            "Nothing has to be done at once; send the file that `parvis support-bundle` writes.",
        )
    return Finding("store", "ok", words)


def disk(settings: Settings) -> Finding:
    """The state folder's file system has room."""
    try:
        usage = shutil.disk_usage(settings.device.state_dir)
    except OSError as error:
        return Finding("disk", "failed", f"{settings.device.state_dir}: {error.strerror}", "Check [device] state_dir.")
    free = f"{usage.free / 1e6:.0f} MB free"
    if usage.free < 50e6:
        remedy = "Free some (journalctl --vacuum-size=50M; apt clean): below 50 MB new requests may be refused."
        return Finding("disk", "failed", free, remedy)
    return Finding("disk", "ok", free)


def card(settings: Settings) -> Finding:
    """The card under the state folder is written slowly enough to last."""
    found = wear.of(settings.device.state_dir, clock.monotonic())
    if found is None:
        return Finding("card", "ok", "the state is on no block device of its own: nothing wears")
    if found.daily is not None and found.daily > found.budget:
        remedy = "See what writes (iotop, journald's storage); or take an industrial card or an SSD."
        return Finding("card", "warning", f"{found.name}: {found.told()}", remedy)
    return Finding("card", "ok", f"{found.name}: {found.told()}")


def root_(_: Settings) -> Finding:
    """The root file system is as open, or as closed, to writing as it should be."""
    return root.check()


def portal(settings: Settings) -> Finding:
    """The portal answers what every phone may ask it (RFC 8908)."""
    addresses = roles.portal_addresses(settings)
    remedy = "Start `parvis run gateway` (or parvis.target); if it was: parvis logs --process portal."
    if not addresses:
        return Finding("portal", "failed", "it has no address to answer on", "Set [lan] ipv4.")
    return _serves("portal", addresses[0], settings.portal.port, "/api/captive", remedy)


def kiosk(settings: Settings) -> Finding:
    """The kiosk answers a request for its health."""
    return _serves(
        "kiosk", settings.kiosk.bind, settings.kiosk.port, "/health", "Start `parvis run kiosk` (or parvis.target)."
    )


def mqtt(settings: Settings) -> Finding:
    """The broker that this device uses accepts connections."""
    url = urlsplit(settings.mqtt.url or f"mqtt://{settings.broker.bind}:{settings.broker.port}")
    port = url.port or (8883 if url.scheme == "mqtts" else 1883)
    remedy = "Events wait in the outbox; nothing is lost. Check the broker, its address and the way there."
    return _listens("broker", url.hostname or "", port, remedy)


def content(settings: Settings) -> Finding:
    """Content was applied."""
    version = Replica(settings.content_db).version()
    if version:
        return Finding("content", "ok", f"version {version} is served")
    remedy = "Set [content] url and root, or plug in a stick with signed content."
    return Finding(
        "content",
        "warning",
        "there is no content yet",
        remedy
        if not settings.content.url
        else "It is fetched again and again: `parvis logs --process sync` says what is in the way.",
    )


def certificate(settings: Settings) -> Finding:
    """The portal's certificate is valid for another week (RFC 8908 is HTTPS only)."""
    if settings.portal.tls_certificate is None:
        return Finding(
            "certificate",
            "warning",
            "none: phones learn of the portal by probes only",
            "Set [portal] tls_certificate and tls_key.",
        )
    verdict = judge(settings.portal.tls_certificate, settings.portal.hostname, clock.now())
    if verdict.usable:
        return Finding("certificate", "ok", verdict.reason)
    remedy = "Install a valid chain; until then phones are not told of the portal's API, and learn of it by probes."
    return Finding("certificate", "failed", verdict.reason, remedy)


def time_(_: Settings) -> Finding:
    """The clock is synchronised; events say so themselves where it isn't."""
    if clock.synchronised():
        return Finding("clock", "ok", "synchronised")
    return Finding(
        "clock",
        "warning",
        "not synchronised",
        "Events say so, and the platform dates them again. Is systemd-timesyncd there, and a time server within reach?",
    )


def _serves(check: str, address: str, port: int, path: str, remedy: str) -> Finding:
    connection = http.client.HTTPConnection(address, port, timeout=2)
    try:
        connection.request("GET", path, headers={"Host": "localhost"})
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        return Finding(check, "failed", f"{address}, port {port}: {error or type(error).__name__}", remedy)
    finally:
        connection.close()
    if status != http.HTTPStatus.OK:
        seen = f"{address}, port {port}: answers with {status}"
        return Finding(check, "failed", seen, f"See why: parvis logs --process {check}")
    return Finding(check, "ok", f"answers on {address}, port {port}")


def _listens(check: str, address: str, port: int, remedy: str) -> Finding:
    try:
        socket.create_connection((address, port), timeout=2).close()
    except OSError as error:
        reason = error.strerror or str(error)
        return Finding(check, "failed", f"{address}, port {port}: {reason}", remedy)
    return Finding(check, "ok", f"answers on {address}, port {port}")


GATEWAY: tuple[Callable[[Settings], Finding], ...] = (privilege, installed, interfaces, agent, portal, certificate)
ALWAYS: tuple[Callable[[Settings], Finding], ...] = (store, disk, card, root_, mqtt, content, time_)
