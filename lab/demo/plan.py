# SPDX-License-Identifier: EUPL-1.2
"""What the demo is to be: its ground, folder, ports and addresses, and the configuration of its two devices."""

from dataclasses import dataclass
from pathlib import Path

from edge_core import broker
from lab.net import zone
from lab.net.allowed import Ground

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "content" / "demo"
HOSTNAME = "wifi.parc.example"
PLATFORM_NAME = "plateforme.parvis.example"
WEB_NAME = "www.page-lointaine.example"
WINDOW = 5  # seconds of a window of counts: short, for who watches


@dataclass(frozen=True)
class Ports:
    """Ports of the desktop's 127.0.0.1."""

    portal: int
    kiosk: int
    platform: int


@dataclass(frozen=True)
class Plan:
    """All that is decided before anything starts."""

    ground: Ground
    enforced: bool  # packets are judged: there are network namespaces
    state: Path
    ports: Ports
    brokers: tuple[int, int] = (1883, 1883)  # the platform's, the site's

    @property
    def platform_address(self) -> str:
        """Address on which the platform and its broker listen."""
        return str(zone.PLATFORM) if self.enforced else "127.0.0.1"

    @property
    def platform_port(self) -> int:
        """Port of the platform's page and repository where it runs."""
        return 80 if self.enforced else self.ports.platform

    @property
    def platform_broker(self) -> str:
        """How devices reach the platform's broker."""
        return f"mqtt://{PLATFORM_NAME if self.enforced else '127.0.0.1'}:{self.brokers[0]}"

    @property
    def site_broker(self) -> str:
        """How the kiosk reaches the site's broker; where that can't be bridged, both devices go to the platform's."""
        return f"mqtt://127.0.0.1:{self.brokers[1]}" if broker.kind() == "mosquitto" else self.platform_broker

    @property
    def repository_url(self) -> str:
        """Where devices fetch content."""
        host = PLATFORM_NAME if self.enforced else "127.0.0.1"
        return f"http://{host}:{self.platform_port}/repository/"

    @property
    def portal_url(self) -> str:
        """How a phone reaches the portal."""
        return f"http://{HOSTNAME}" if self.enforced else f"http://127.0.0.1:{self.ports.portal}"

    @property
    def portal_target(self) -> tuple[str, int]:
        """Where the portal listens in the gateway."""
        return (str(zone.LAN.ip), 8080) if self.enforced else ("127.0.0.1", self.ports.portal)

    @property
    def kiosk_target(self) -> tuple[str, int]:
        """Where the kiosk listens."""
        return "127.0.0.1", 8081 if self.enforced else self.ports.kiosk

    def folder(self, device: str) -> Path:
        """Return the state folder of a device."""
        return self.state / device

    def configuration(self, device: str) -> Path:
        """Return the configuration file of a device."""
        return self.state / f"{device}.toml"


def configurations(plan: Plan, certificate: tuple[Path, Path] | None) -> dict[str, str]:
    """Return the TOML of each device, by its name."""
    return {"gateway": _gateway(plan, certificate), "kiosk": _kiosk(plan)}


def _shared(plan: Plan, device: str) -> str:
    return f"""\
[site]
id = "parc-exemple"
name = "Parc Exemple"
key = "{plan.state / "site.key"}"

[device]
id = "{device}"
state_dir = "{plan.folder(device)}"

[content]
url = "{plan.repository_url}"
root = "{plan.state / "root.json"}"
interval = 2
"""


def _gateway(plan: Plan, certificate: tuple[Path, Path] | None) -> str:
    parts = [_shared(plan, "gateway"), _network(plan), f"[presence]\nwindow = {WINDOW}\n"]
    if broker.kind() == "mosquitto":
        parts.append(f'[broker]\nport = {plan.brokers[1]}\nbridge = "{plan.platform_broker}"\n')
    else:
        parts.append(f'[mqtt]\nurl = "{plan.platform_broker}"\n')
    tls = f'tls_certificate = "{certificate[0]}"\ntls_key = "{certificate[1]}"\n' if certificate else ""
    parts.append(f'[portal]\nhostname = "{HOSTNAME}"\nport = {plan.portal_target[1]}\n{tls}')
    if not plan.enforced:
        parts.append('[enforcement]\nmode = "none"\n')
    return "\n".join(parts)


def _network(plan: Plan) -> str:
    if not plan.enforced:
        return ""
    first, last = zone.LAN.ip + 15, zone.LAN.network.broadcast_address - 1
    return f"""\
[lan]
interface = "lan0"
ipv4 = "{zone.LAN}"
ipv6 = "{zone.LAN6}"
dhcp_range = "{first}-{last}"
lease_time = 600

[wan]
interface = "wan0"
dns = ["{zone.PROVIDER.ip}"]

[uplink]
probes = ["dns://{zone.PROVIDER.ip}"]
interval = 2
"""


def _kiosk(plan: Plan) -> str:
    enforcement = "" if plan.enforced else '\n[enforcement]\nmode = "none"\n'
    return f"""\
{_shared(plan, "kiosk")}
[mqtt]
url = "{plan.site_broker}"

[kiosk]
port = {plan.kiosk_target[1]}

[portal]
hostname = "{HOSTNAME}"
{enforcement}"""
