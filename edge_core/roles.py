# SPDX-License-Identifier: EUPL-1.2
"""Which programs make up each role, as lists of words; nothing is started here."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING

from edge_core import broker
from edge_core.supervise import Program

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edge_core.settings import Settings

ROLES = ("gateway", "kiosk", "site")
_PYTHON = (sys.executable, "-m")
_GUNICORN = (*_PYTHON, "gunicorn", "--config", "python:edge_core.web.server")


def preparations(role: str, settings: Settings) -> list[Sequence[str]]:
    """Return the commands that must have ended well before the programs start."""
    steps: list[Sequence[str]] = [(*_PYTHON, "edge_core.cli", "migrate", "--config", str(settings.source))]
    if role in ("gateway", "site") and settings.enforcement.mode == "nftables":
        steps.append((*_PYTHON, "gateway_agent", "setup", "--config", str(settings.source)))
    return steps


def programs(role: str, settings: Settings) -> list[Program]:
    """Return the programs of a role in the order in which they start."""
    gateway = role in ("gateway", "site")
    found: list[Program] = []
    if gateway and not settings.mqtt.url:
        found.append(_broker(settings))
    if gateway and settings.enforcement.mode == "nftables":
        found += [_dnsmasq(settings), _agent(settings), _advertiser(settings)]
        found += [_access_point(settings)] if settings.access_point.interface else []
        found += [_keepalived(settings)] if settings.ha.peer else []
    if gateway:
        found += _portal(settings)
    if role in ("kiosk", "site"):
        bind = f"{settings.kiosk.bind}:{settings.kiosk.port}"
        found.append(_web("kiosk", "kiosk.wsgi:app", settings, ["--bind", bind]))
        found.append(_service("devices", "kiosk.devices", settings))
        if settings.desk.listen:
            # gunicorn in the end: it reads its application again on a hang-up
            found.append(replace(_service("desk", "kiosk.desk_server", settings), at_reload="hangup"))
    if settings.management.listen:
        found.append(_service("management", "management", settings))
    return [*found, _service("sync", "sync", settings)]


def listens(role: str, settings: Settings) -> list[tuple[str, str, int, str]]:
    """Return (program, address, TCP port, setting that moves it) of each port that a role needs to be free."""
    found = []
    if role in ("gateway", "site"):
        found += [("portal", address, settings.portal.port, "[portal] port") for address in portal_addresses(settings)]
        if not settings.mqtt.url:
            found.append(("broker", settings.broker.bind, settings.broker.port, "[broker] port"))
    if role in ("kiosk", "site"):
        found.append(("kiosk", settings.kiosk.bind, settings.kiosk.port, "[kiosk] port"))
        if settings.desk.listen:
            found.append(("desk", *settings.desk.listen, "[desk] listen"))
    if settings.management.listen:
        found.append(("management", *settings.management.listen, "[management] listen"))
    return found


def portal_addresses(settings: Settings) -> list[str]:
    """Return the addresses that the portal listens on."""
    if settings.portal.bind:
        return [settings.portal.bind]
    if settings.enforcement.mode == "none":
        return ["127.0.0.1"]
    # Of a pair the guests' addresses are at the active one alone; here both can be asked whether they are well.
    own = ["127.0.0.1"] if settings.ha.peer else []
    return [*own, *(str(address.ip) for zone in settings.zones for address in (zone.ipv4, zone.ipv6) if address)]


def _portal(settings: Settings) -> list[Program]:
    # Whoever may connect to the socket is believed about a guest's address: nobody but the front, which runs as we do.
    words = ["--umask", "0o077", "--bind", f"unix:{settings.portal_socket}"]
    return [_web("portal", "captive_portal.wsgi:app", settings, words), _service("front", "captive_portal", settings)]


def _web(name: str, application: str, settings: Settings, words: list[str]) -> Program:
    return Program(
        name=name,
        command=[*_GUNICORN, "--name", f"parvis-{name}", *words, application],
        environment={"PARVIS_CONFIG": str(settings.source)},
        at_reload="hangup",
    )


def _service(name: str, package: str, settings: Settings) -> Program:
    return Program(name=name, command=[*_PYTHON, package, "--config", str(settings.source)])


def _agent(settings: Settings) -> Program:
    words = (*_PYTHON, "gateway_agent", "--config", str(settings.source))
    return Program(name="agent", command=words, at_reload="hangup")


def _broker(settings: Settings) -> Program:
    # A new start would cut every kiosk's connection: only where its own settings have changed.
    concerns = f"{settings.broker} {settings.mqtt}"
    own = settings.broker
    # Mosquitto reads these again at SIGHUP, and keeps its connections: a renewed certificate is shown to the next one.
    files = [own.lan_revoked, own.lan_certificate, own.lan_key] if own.lan and broker.kind() == "mosquitto" else []
    reread = [file for file in files if file]
    words = broker.command(settings)
    return Program(name="broker", command=words, reread=reread, at_reload="leave", concerns=concerns)


def _dnsmasq(settings: Settings) -> Program:
    configuration = settings.generated_dir / "dnsmasq.conf"
    return Program(
        name="dnsmasq",
        command=["dnsmasq", "--keep-in-foreground", f"--conf-file={configuration}"],
        reread=(settings.generated_dir / "dhcp-options", *([settings.hosts_file] if settings.ha.peer else [])),
    )


def _access_point(settings: Settings) -> Program:
    # A new start drops everybody from the radio for seconds: only where its own settings have changed.
    return Program(
        name="access-point",
        command=["hostapd", str(settings.generated_dir / "hostapd.conf")],
        at_reload="leave",
        concerns=f"{settings.access_point} {[(zone.id, zone.interface) for zone in settings.zones]}",
    )


def _keepalived(settings: Settings) -> Program:
    # A new start hands the addresses over: only where its own settings have changed.
    run, configuration = settings.run_dir, settings.generated_dir / "keepalived.conf"
    words = ["keepalived", "--dont-fork", "--vrrp", "--log-console", "--no-syslog", f"--use-file={configuration}"]
    return Program(
        name="keepalived",
        command=[*words, f"--pid={run}/keepalived.pid", f"--vrrp_pid={run}/keepalived-vrrp.pid"],
        at_reload="leave",
        concerns=f"{settings.ha} {settings.wan} {[(zone.interface, zone.ipv4, zone.ipv6) for zone in settings.zones]}",
    )


def _advertiser(settings: Settings) -> Program:
    words = [*_PYTHON, "gateway_agent", "advertise", "--config", str(settings.source)]
    return Program(name="advertiser", command=words)
