# SPDX-License-Identifier: EUPL-1.2
"""Who this device is since `parvis enroll`: reads the identity folder, and says which settings follow from it.

`state_dir/identity/current` is a link to a folder with `identity.json`, `device.key`, `device.pem`, `ca.pem` and
`root.json`. The link is replaced whole, so that key and certificate always belong together. `revoked.pem` is beside it.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from edge_core.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

FOLDER, CURRENT, FACTS, REVOKED = "identity", "current", "identity.json", "revoked.pem"
RENEWED = "renewed"  # an empty file, replaced once the link is: what a watcher of files can see
_LARGEST = 65536


@dataclass(frozen=True)
class Identity:
    """`bridge`: this device's own broker speaks for the site. `desk`: HOST:PORT of where certificates are renewed."""

    site: str
    site_name: str
    device: str
    bridge: bool
    broker: str
    content: str
    desk: str
    salt: str = ""
    machine: str = ""

    def written(self) -> bytes:
        """Return it as `identity.json` holds it."""
        return json.dumps(asdict(self), ensure_ascii=False, indent=1).encode()


def folder(state_dir: Path) -> Path:
    """Return the folder of all identities of a device."""
    return state_dir / FOLDER


def files(state_dir: Path) -> Path:
    """Return the folder of the present identity's files."""
    return state_dir / FOLDER / CURRENT


def read(state_dir: Path) -> Identity | None:
    """Return the identity; None where the device was never enrolled. Raises ConfigurationError for a damaged one."""
    file = files(state_dir) / FACTS
    try:
        with file.open("rb") as opened:
            raw = json.loads(opened.read(_LARGEST))
        return Identity(**{key: raw[key] for key in Identity.__dataclass_fields__})
    except (FileNotFoundError, NotADirectoryError):  # a file for a folder: whoever opens the store says so
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigurationError(f"{file}: can't be read ({error}).", remedy="Enrol again with a new code.") from error


def layer(state_dir: Path, sections: dict[str, Any]) -> dict[str, Any]:
    """Return the sections of a configuration file with what the identity adds where the file says nothing.

    Raises ConfigurationError where the file is another device's.
    """
    found = read(state_dir)
    if found is None:
        return sections
    place, whole = files(state_dir), {name: dict(rows) for name, rows in sections.items() if isinstance(rows, dict)}
    for section, ours in (("site", found.site), ("device", found.device)):
        if whole.get(section, {}).get("id") not in (None, ours):
            raise ConfigurationError(
                f"[{section}] id is {whole[section]['id']!r}; this device was enrolled as {found.site}/{found.device}.",
                remedy="Correct the configuration, or give this device a new code: parvis enroll --replace.",
            )
    _add(whole, "broker" if found.bridge else "mqtt", {"bridge" if found.bridge else "url": found.broker})
    own = {"ca": place / "ca.pem", "certificate": place / "device.pem", "key": place / "device.key"}
    _add_together(whole, "broker" if found.bridge else "mqtt", own)
    if whole.get("broker", {}).get("lan"):
        more = {"lan_revoked": state_dir / FOLDER / REVOKED} if (state_dir / FOLDER / REVOKED).exists() else {}
        _add_together(whole, "broker", {f"lan_{key}": path for key, path in own.items()} | more)
    if found.content:
        _add_together(whole, "content", {"url": found.content, "root": place / "root.json"})
    return {**sections, **whole}


def _add(sections: dict[str, Any], section: str, values: dict[str, Any]) -> None:
    given = sections.setdefault(section, {})
    for key, value in values.items():
        given.setdefault(key, str(value))


def _add_together(sections: dict[str, Any], section: str, values: dict[str, Any]) -> None:
    """Add values that belong to each other, only where the file has none of them."""
    if not set(values) & set(sections.setdefault(section, {})):
        _add(sections, section, values)
