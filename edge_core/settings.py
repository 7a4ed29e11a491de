# SPDX-License-Identifier: EUPL-1.2
"""The settings of a device: one row each, parsed once from a TOML file and the environment, then frozen.

The environment wins over the file: `PARVIS_<SECTION>_<KEY>`, such as `PARVIS_PORTAL_PORT=8080`.
"""

from __future__ import annotations

import os
import tomllib
from dataclasses import MISSING, Field, dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge_core import desired, identity, settings_together, settings_zones
from edge_core.errors import ConfigurationError
from edge_core.settings_sections import (
    Access,
    AccessPoint,
    Broker,
    Content,
    Desired,
    Desk,
    Device,
    Enforcement,
    Ha,
    Kiosk,
    Lan,
    Legal,
    Mail,
    Management,
    Mqtt,
    Portal,
    Presence,
    SignIn,
    Site,
    Uplink,
    WalledGarden,
    Wan,
    Zone,
)

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All settings of a device, checked. `source` is the file that they came from."""

    source: Path
    site: Site
    device: Device
    lan: Lan
    access_point: AccessPoint
    wan: Wan
    ha: Ha
    uplink: Uplink
    portal: Portal
    kiosk: Kiosk
    desk: Desk
    management: Management
    mqtt: Mqtt
    broker: Broker
    content: Content
    desired: Desired
    access: Access
    walled_garden: WalledGarden
    sign_in: SignIn
    mail: Mail
    presence: Presence
    legal: Legal
    enforcement: Enforcement
    further: tuple[Zone, ...] = ()

    @cached_property
    def zones(self) -> tuple[Zone, ...]:
        """The networks of guests, the one of [lan] first."""
        return settings_zones.all_of(self.lan, self.further, isolation=self.enforcement.isolation)

    @property
    def edge_db(self) -> Path:
        """What happens here: grants, requests, outbox."""
        return self.device.state_dir / "edge.db"

    @property
    def content_db(self) -> Path:
        """The replica of the platform's content."""
        return self.device.state_dir / "content.db"

    @property
    def blobs_dir(self) -> Path:
        """Images and plans, each named by its SHA-256."""
        return self.device.state_dir / "blobs"

    @property
    def tuf_dir(self) -> Path:
        """Trusted metadata of the content repository."""
        return self.device.state_dir / "tuf"

    @property
    def run_dir(self) -> Path:
        """Sockets and what else a reboot may forget."""
        return self.device.state_dir / "run"

    @property
    def agent_socket(self) -> Path:
        """Where the gateway agent listens."""
        return self.run_dir / "agent.sock"

    @property
    def advertiser_socket(self) -> Path:
        """Unix socket of the process that advertises the gateway to guests."""
        return self.run_dir / "advertiser.sock"

    @property
    def front_socket(self) -> Path:
        """Unix socket on which the portal's front tells what it turned away."""
        return self.run_dir / "front.sock"

    @property
    def portal_socket(self) -> Path:
        """Unix socket on which the front hands requests to the portal."""
        return self.run_dir / "portal.sock"

    @property
    def devices_socket(self) -> Path:
        """Unix socket on which the kiosk's device service tells of scans and devices."""
        return self.run_dir / "devices.sock"

    @property
    def leases_file(self) -> Path:
        """Leases as dnsmasq writes them."""
        return self.device.state_dir / "dnsmasq.leases"

    @property
    def hosts_file(self) -> Path:
        """Leases that the other gateway of the pair gave, as dnsmasq reads them."""
        return self.device.state_dir / "dhcp-hosts"

    @property
    def generated_dir(self) -> Path:
        """Configuration files that Parvis writes for other programs."""
        return self.device.state_dir / "generated"

    @property
    def topic_root(self) -> str:
        """First levels of this device's MQTT topics."""
        return f"parvis/1/{self.site.id}/{self.device.id}"


SECTIONS: dict[str, type[Any]] = {
    "site": Site,
    "device": Device,
    "lan": Lan,
    "access_point": AccessPoint,
    "wan": Wan,
    "ha": Ha,
    "uplink": Uplink,
    "portal": Portal,
    "kiosk": Kiosk,
    "desk": Desk,
    "management": Management,
    "mqtt": Mqtt,
    "broker": Broker,
    "content": Content,
    "desired": Desired,
    "access": Access,
    "walled_garden": WalledGarden,
    "sign_in": SignIn,
    "mail": Mail,
    "presence": Presence,
    "legal": Legal,
    "enforcement": Enforcement,
}
_GATEWAY_NEEDS = (("lan", "interface"), ("lan", "ipv4"), ("lan", "dhcp_range"), ("wan", "interface"), ("wan", "dns"))


def load(
    path: Path | str, environ: Mapping[str, str] = os.environ, wished: Mapping[str, int] | None = None
) -> Settings:
    """Read and check the configuration: the file, beneath it the identity, above it what the platform wishes.

    `wished` stands for the wishes that are kept, to try others. Raises ConfigurationError naming the file, the key,
    what is expected and the remedy.
    """
    source = Path(path).absolute()
    raw = _read(source)
    further = _zones(source, raw.pop("zone", []))
    unknown = sorted(set(raw) - set(SECTIONS))
    if unknown:
        raise ConfigurationError(
            f"{source}: there is no section [{unknown[0]}].",
            remedy=f"Known sections: {', '.join(SECTIONS)}, and [[zone]]. Correct its name or remove it.",
        )
    raw = _with_layers(source, raw, environ, wished)
    sections = {name: _section(source, name, kind, raw.get(name, {}), environ) for name, kind in SECTIONS.items()}
    settings = Settings(source=source, further=further, **sections)
    for section, key, what, remedy in settings_together.contradictions(settings):
        raise _refuse(source, section, key, what, remedy)
    return settings


def require_gateway(settings: Settings) -> None:
    """Refuse settings that lack what a gateway needs: [lan] and [wan] whole, and the portal's name."""
    if settings.enforcement.mode == "none":
        return
    for section, key in (*_GATEWAY_NEEDS, ("portal", "hostname")):
        if not getattr(getattr(settings, section), key):
            raise _refuse(settings.source, section, key, "is missing; a gateway needs it", _help(section, key))


def read_file(source: Path) -> dict[str, Any]:
    """Return the sections of a configuration file as they are written, unchecked. Raises ConfigurationError."""
    raw = _read(source)
    return {name: rows for name, rows in raw.items() if isinstance(rows, dict)}


def _with_layers(
    source: Path, raw: dict[str, Any], environ: Mapping[str, str], wished: Mapping[str, int] | None
) -> dict[str, Any]:
    """Add what `parvis enroll` brought, beneath what the file says, and what the platform wishes, above it."""
    device = raw.get("device")
    place = environ.get("PARVIS_DEVICE_STATE_DIR") or (device.get("state_dir") if isinstance(device, dict) else None)
    if not isinstance(place, str) or not place:
        return raw
    state_dir = Path(place).expanduser().absolute()
    try:
        raw = identity.layer(state_dir, raw)
    except ConfigurationError as error:
        raise ConfigurationError(f"{source}: {error.message}", remedy=error.remedy) from error
    wishes = raw.get("desired")
    if isinstance(wishes, dict) and wishes.get("accept") is False:
        return raw
    return desired.layer(desired.in_force(desired.read(state_dir)) if wished is None else wished, raw)


def _read(source: Path) -> dict[str, Any]:
    try:
        with source.open("rb") as file:
            return tomllib.load(file)
    except FileNotFoundError:
        raise ConfigurationError(
            f"{source}: there is no such file.", remedy="Give the configuration's path with --config FILE."
        ) from None
    except UnicodeDecodeError:
        raise ConfigurationError(f"{source}: is not UTF-8 text.", remedy="Save it with the encoding UTF-8.") from None
    except OSError as error:
        raise ConfigurationError(f"{source}: can't be read ({error}).", remedy="Check its mode and owner.") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(
            f"{source}: is not valid TOML: {error}.", remedy="Texts are quoted, sections are [like.this]."
        ) from error


def _section(source: Path, name: str, kind: type[Any], raw: Any, environ: Mapping[str, str]) -> Any:
    if not isinstance(raw, dict):
        raise ConfigurationError(f"{source}: {name} must be a section.", remedy=f"Write [{name}] on a line of its own.")
    rows = {row.name: row for row in fields(kind)}
    for key in raw:
        if key not in rows:
            raise _refuse(source, name, key, "is not a setting", f"Known there: {', '.join(rows)}.")
    for variable in environ:
        if variable.startswith(own := f"PARVIS_{name}_".upper()) and variable.removeprefix(own).lower() not in rows:
            raise _refuse(
                variable, name, variable.removeprefix(own).lower(), "is not a setting", f"Known: {', '.join(rows)}."
            )
    values = {}
    for key, row in rows.items():
        variable = f"PARVIS_{name}_{key}".upper()
        place, given = (variable, environ[variable]) if variable in environ else (str(source), raw.get(key))
        values[key] = _value(place, name, row, given)
    return kind(**values)


def _zones(source: Path, raw: Any) -> tuple[Zone, ...]:
    if not isinstance(raw, list):
        raise ConfigurationError(
            f"{source}: zone must be a table of its own.", remedy="Write [[zone]] with two brackets."
        )
    names = (each.get("id", number) if isinstance(each, dict) else number for number, each in enumerate(raw, 2))
    return tuple(_section(source, f"zone {name}", Zone, each, {}) for name, each in zip(names, raw, strict=True))


def _value(place: str, section: str, row: Field[Any], given: Any) -> Any:
    if given is None or given == "":
        if row.default is MISSING:
            raise _refuse(place, section, row.name, "is missing", row.metadata["help"])
        return row.default
    try:
        return row.metadata["parse"](given)
    except ValueError as error:
        raise _refuse(place, section, row.name, f"is {given!r}", f"It must be {error}.") from None


def _refuse(place: Path | str, section: str, key: str, what: str, remedy: str) -> ConfigurationError:
    return ConfigurationError(f"{place}: [{section}] {key} {what}.", remedy=remedy)


def _help(section: str, key: str) -> str:
    return next(str(row.metadata["help"]) for row in fields(SECTIONS[section]) if row.name == key)
