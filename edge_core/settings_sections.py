# SPDX-License-Identifier: EUPL-1.2
"""The sections of a device's configuration: one row for each setting, with its parser, its default and its help."""

from __future__ import annotations

from dataclasses import MISSING, dataclass, field
from typing import TYPE_CHECKING, Any

from edge_core import settings_ha as ha
from edge_core import settings_parse as parse
from edge_core import settings_urls as urls

if TYPE_CHECKING:
    from collections.abc import Callable
    from ipaddress import IPv4Address, IPv4Interface, IPv6Interface
    from pathlib import Path


def _row(parser: Callable[[Any], Any], about: str, *, default: Any = MISSING) -> Any:
    """Declare one setting: how it is parsed, its default (none: required) and what it is for."""
    metadata = {"parse": parser, "help": about}
    return field(metadata=metadata) if default is MISSING else field(default=default, metadata=metadata)


@dataclass(frozen=True, kw_only=True)
class Site:
    """The park that this device serves."""

    id: str = _row(parse.slug, "The site's short name, used in MQTT topics.")
    name: str = _row(parse.text, "The site's name as people read it.")
    key: Path | None = _row(
        parse.path, "Secret that the site's devices share: seals visits, signs WiFi codes.", default=None
    )
    gateway_key: Path | None = _row(
        parse.path, "File with the key that the site's gateways, and nobody else, share.", default=None
    )


@dataclass(frozen=True, kw_only=True)
class Device:
    """This device."""

    id: str = _row(parse.slug, "The device's short name, unique on its site.")
    state_dir: Path = _row(parse.path, "Folder of the databases, leases and generated files.")


@dataclass(frozen=True, kw_only=True)
class Lan:
    """The guests' side of a gateway."""

    interface: str = _row(parse.interface, "Interface on which guests arrive.", default="")
    ipv4: IPv4Interface = _row(parse.ipv4_interface, "The gateway's IPv4 address and prefix there.", default=None)
    ipv6: IPv6Interface | None = _row(parse.ipv6_interface, "The gateway's IPv6 address and /64 there.", default=None)
    dhcp_range: parse.DhcpRange = _row(parse.dhcp_range, "First and last address that DHCP gives.", default=None)
    lease_time: int = _row(parse.seconds, "Seconds that a DHCP lease lasts.", default=3600)
    vlan: int = _row(
        parse.vlan, "VLAN (802.1Q) to make the interface of, named like `eth1.20`; 0: it is there.", default=0
    )
    plans: tuple[str, ...] = _row(parse.slugs, "Ids of the plans offered there; empty: all of the park's.", default=())


@dataclass(frozen=True, kw_only=True)
class Zone(Lan):
    """One network of guests: an interface or a VLAN with its own addresses, plans and isolation."""

    id: str = _row(parse.slug, "The zone's short name, as presence and `parvis sessions list` show it.")
    isolation: bool | None = _row(
        parse.yes_or_no, "Whether its guests are kept from each other; empty: as `[enforcement]` says.", default=None
    )


@dataclass(frozen=True, kw_only=True)
class AccessPoint:
    """A radio of this gateway's own, by hostapd: an open network, and the same one encrypted (OWE)."""

    interface: str = _row(parse.interface, "WiFi interface that is the access point; empty: none.", default="")
    ssid: str = _row(parse.ssid, "The network's name.", default="")
    country: str = _row(parse.country, "Country whose radio rules hold, such as `FR`.", default="")
    channel: int = _row(parse.channel, "Channel: 1 to 13, or from 36 on in the 5 GHz band.", default=6)
    owe: bool = _row(parse.yes_or_no, "Whether to encrypt for systems that can (OWE transition).", default=True)
    zone: str = _row(parse.slug, "Zone of its guests, whose interface is the bridge that it joins.", default="main")


@dataclass(frozen=True, kw_only=True)
class Wan:
    """The Internet's side of a gateway."""

    interface: str = _row(parse.interface, "Interface that leads to the Internet.", default="")
    dns: tuple[parse.Address, ...] = _row(parse.addresses, "DNS servers that the gateway asks.", default=())
    second: str = _row(parse.interface, "Second interface to the Internet, for when the first is shut.", default="")


@dataclass(frozen=True, kw_only=True)
class Ha:
    """Two gateways that stand in for each other: the addresses of [lan] and each [[zone]] are then the pair's own."""

    peer: IPv4Address | None = _row(
        ha.ipv4_address, "The other gateway's address on the link between them; empty: there is no other.",
        default=None,
    )  # fmt: skip
    interface: str = _row(parse.interface, "Interface of that link, which guests can't reach.", default="")
    router_id: int = _row(ha.router_id, "Number of the pair (VRRP), the same on both.", default=77)
    interval: int = _row(
        ha.milliseconds, "Milliseconds between two signs of life; after three the other takes over.", default=200
    )


@dataclass(frozen=True, kw_only=True)
class Uplink:
    """Watching whether the Internet is there."""

    probes: tuple[parse.Probe, ...] = _row(
        parse.probes, "What to ask, such as `dns://192.0.2.53`, `tcp://192.0.2.1:443`; empty: don't watch.", default=()
    )
    interval: int = _row(parse.seconds, "Seconds between two rounds of probes.", default=10)
    patience: int = _row(parse.seconds, "Seconds that an answer may take.", default=2)


@dataclass(frozen=True, kw_only=True)
class Portal:
    """The captive portal."""

    hostname: str = _row(parse.hostname, "Name under which guests reach the portal.", default="")
    tls_certificate: Path | None = _row(parse.path, "Certificate chain (PEM) for that name.", default=None)
    tls_key: Path | None = _row(parse.path, "Private key (PEM) of that certificate.", default=None)
    port: int = _row(parse.port, "Port of the portal; guests' port 80 is redirected to it.", default=8080)
    bind: str = _row(parse.bind, "Address that the portal listens on; empty: the LAN addresses.", default="")


@dataclass(frozen=True, kw_only=True)
class Kiosk:
    """The reception kiosk."""

    port: int = _row(parse.port, "Port of the kiosk's pages.", default=8081)
    bind: str = _row(parse.bind, "Address that the kiosk's pages listen on.", default="127.0.0.1")
    devices: tuple[str, ...] = _row(
        parse.roles, "What should be plugged in, such as `scanner`, `printer`; missed by `parvis doctor`.", default=()
    )
    paper: int = _row(parse.paper, "Millimetres of the ticket printer's paper: 80 or 58.", default=80)
    printer_profile: str = _row(parse.text, "The ticket printer's profile in python-escpos.", default="default")
    screen: bool = _row(parse.yes_or_no, "Whether this device has a screen, whose page is watched.", default=False)
    screen_hours: parse.Hours | None = _row(
        parse.hours, "When the screen is lit, such as `07:00-20:00`; empty: always.", default=None
    )
    public_corner: bool = _row(
        parse.yes_or_no, "Whether visitors may open the content's sites of administrations.", default=False
    )
    technicians: Path | None = _row(
        parse.path, "Public key (PEM) that signs technicians' keys; empty: there is no technician mode.", default=None
    )
    host_patience: int = _row(parse.seconds, "Seconds that a visitor's host has to answer.", default=120)
    company_patience: int = _row(parse.seconds, "Seconds that the company's contact has then.", default=120)
    platform_patience: int = _row(parse.seconds, "Seconds for the news to arrive there; then the desk.", default=20)
    visit_days: int = _row(parse.count, "Days after which a visit is erased.", default=90)


@dataclass(frozen=True, kw_only=True)
class Desk:
    """The reception desk's pages, on the LAN."""

    listen: tuple[str, int] | None = _row(
        parse.listener, "Address and port; empty: on the kiosk's screen only.", default=None
    )
    certificate: Path | None = _row(parse.path, "Certificate chain (PEM) for its name.", default=None)
    key: Path | None = _row(parse.path, "Private key (PEM) of that certificate.", default=None)


@dataclass(frozen=True, kw_only=True)
class Management:
    """What those who look after the device see of it."""

    listen: tuple[str, int] | None = _row(
        parse.listener,
        "Address and port of metrics, health and device page, management side; empty: none.",
        default=None,
    )


@dataclass(frozen=True, kw_only=True)
class Mqtt:
    """The broker that this device talks to."""

    url: str = _row(urls.mqtt_url, "Broker to connect to; empty: the site's own broker, run here.", default="")
    ca: Path | None = _row(parse.path, "Authority (PEM) that signed the broker's certificate.", default=None)
    certificate: Path | None = _row(parse.path, "This device's certificate (PEM).", default=None)
    key: Path | None = _row(parse.path, "Private key (PEM) of that certificate.", default=None)


@dataclass(frozen=True, kw_only=True)
class Broker:
    """The site's own broker, run where `[mqtt] url` is empty."""

    port: int = _row(parse.port, "Port that the site's broker listens on.", default=1883)
    bind: str = _row(parse.bind, "Address that the site's broker listens on.", default="127.0.0.1")
    bridge: str = _row(urls.mqtt_url, "The platform's broker, to which ours is bridged; empty: none.", default="")
    ca: Path | None = _row(parse.path, "Authority (PEM) that signed the platform broker's certificate.", default=None)
    certificate: Path | None = _row(parse.path, "The site's certificate (PEM) for the bridge.", default=None)
    key: Path | None = _row(parse.path, "Private key (PEM) of that certificate.", default=None)
    lan: tuple[str, int] | None = _row(parse.listener, "Address and port for the site's devices, by TLS.", default=None)
    lan_ca: Path | None = _row(parse.path, "Authority (PEM) that signed the devices' certificates.", default=None)
    lan_certificate: Path | None = _row(parse.path, "The broker's certificate (PEM) for them.", default=None)
    lan_key: Path | None = _row(parse.path, "Private key (PEM) of that certificate.", default=None)
    lan_revoked: Path | None = _row(parse.path, "List (CRL, PEM) of devices' certificates revoked.", default=None)


@dataclass(frozen=True, kw_only=True)
class Content:
    """The signed content repository."""

    url: str = _row(urls.http_url, "Where the repository is; empty: serve what is here.", default="")
    root: Path | None = _row(parse.path, "Trusted root of the repository (root.json).", default=None)
    interval: int = _row(parse.seconds, "Seconds between two looks at the repository.", default=60)
    neighbours: tuple[str, ...] = _row(urls.http_urls, "Devices of the site to take content from first.", default=())
    share: tuple[str, int] | None = _row(
        parse.listener, "Address and port to share content at; empty: no.", default=None
    )


@dataclass(frozen=True, kw_only=True)
class Desired:
    """Settings that the platform may change."""

    accept: bool = _row(parse.yes_or_no, "Whether the platform may change the settings on its list.", default=True)
    patience: int = _row(parse.seconds, "Seconds to be well again after such a change; else it is undone.", default=90)


@dataclass(frozen=True, kw_only=True)
class Access:
    """What accepting the terms gives."""

    duration: int = _row(parse.seconds, "Seconds that a session lasts where the park publishes no plan.", default=14400)
    pre_grant: int = _row(parse.seconds, "Seconds online while somebody signs in or reads an e-mail.", default=300)
    idle: int = _row(parse.idle, "Seconds without a packet from a device that end its session; 0: never.", default=0)


@dataclass(frozen=True, kw_only=True)
class Presence:
    """Counting without knowing whom."""

    window: int = _row(parse.seconds, "Seconds of one window of counts.", default=300)
    minimum: int = _row(parse.count, "A group smaller than this is not told.", default=10)
    rounding: int = _row(parse.count, "Counts are rounded to a multiple of this.", default=5)
    queue: str = _row(
        parse.text, "Access point that is where people queue for lunch; empty: no queue is told.", default=""
    )
    queue_place: str = _row(parse.text, "How people call that place; empty: as the access point.", default="")
    queue_hours: parse.Hours | None = _row(
        parse.hours, "When it is told, such as `11:30-14:00`; empty: always.", default=None
    )


@dataclass(frozen=True, kw_only=True)
class Legal:
    """The legal record of connections."""

    record: str = _row(
        parse.record, 'Whether connections are recorded: "off", "on", or under an "injunction".', default="off"
    )
    investigator: Path | None = _row(parse.path, "Public key that the record is sealed to.", default=None)
    when_full: str = _row(
        parse.when_full,
        'When it can\'t be written: "stop" new sessions, or go on and record the "gap".',
        default="stop",
    )


@dataclass(frozen=True, kw_only=True)
class Enforcement:
    """Who judges packets."""

    mode: str = _row(parse.mode, '"nftables", or "none" for a demonstration without enforcement.', default="nftables")
    isolation: bool = _row(parse.yes_or_no, "Whether guests are kept from reaching each other here.", default=True)
    between_zones: bool = _row(parse.yes_or_no, "Whether guests of one zone may reach those of another.", default=False)


@dataclass(frozen=True, kw_only=True)
class WalledGarden:
    """What guests reach before they are online."""

    hosts: tuple[str, ...] = _row(
        parse.places, "Names (with all below them), addresses and networks open before the grant.", default=()
    )


@dataclass(frozen=True, kw_only=True)
class SignIn:
    """Signing in with the platform's OpenID Connect provider."""

    issuer: str = _row(urls.protected_url, "The provider's issuer URL; empty: nobody signs in.", default="")
    client_id: str = _row(parse.text, "Under which id the provider knows this portal.", default="")
    client_secret: Path | None = _row(parse.path, "File that holds the client's secret.", default=None)
    label: str = _row(parse.text, "What the button says people sign in with.", default="")
    ca: Path | None = _row(parse.path, "Authority (PEM) that signed the provider's certificate.", default=None)
    pass_days: int = _row(parse.count, "Days that a device's pass holds without signing in again.", default=7)


@dataclass(frozen=True, kw_only=True)
class Mail:
    """Going online by a link in an e-mail."""

    server: str = _row(urls.smtp_url, "Server that sends the links; empty: this way is not offered.", default="")
    sender: str = _row(parse.mail_address, "Address that the links come from.", default="")
    user: str = _row(parse.text, "User at that server; empty: none is needed.", default="")
    password: Path | None = _row(parse.path, "File that holds that user's password.", default=None)
    ca: Path | None = _row(parse.path, "Authority (PEM) that signed the server's certificate.", default=None)
