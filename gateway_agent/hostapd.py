# SPDX-License-Identifier: EUPL-1.2
"""Writes the configuration of hostapd for a gateway that is its own access point; starts no radio.

The network is open, as guests expect it, and beside it hidden the same one with Opportunistic Wireless Encryption
(RFC 8110): systems that know OWE move there by themselves (transition mode), others stay where they are.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from typing import TYPE_CHECKING

from edge_core.errors import ConfigurationError, NetworkError

if TYPE_CHECKING:
    from pathlib import Path

    from edge_core.settings import Settings

_SECONDS = 20
_FIRST_OF_5_GHZ = 32
_LONGEST_SSID = 32
_NO_DRIVER = "driver=parvis-reads-only"
_ERROR = re.compile(r"Line \d+: .*|.*is not configured.*|.*errors? found in configuration.*")


def path_of(settings: Settings) -> Path:
    """Return where the file is."""
    return settings.generated_dir / "hostapd.conf"


def interfaces(settings: Settings) -> list[str]:
    """Return the interfaces of the radio's networks; none where this gateway is no access point."""
    radio = settings.access_point.interface
    return [] if not radio else [radio, hidden(radio)] if settings.access_point.owe else [radio]


def hidden(radio: str) -> str:
    """Return the interface of the encrypted network."""
    return f"{radio}-owe"


def write(settings: Settings) -> None:
    """Write the file, whole or not at all, once hostapd has read it without complaint; none where there is no radio.

    Raises NetworkError where hostapd is missing, ConfigurationError with what it says.
    """
    path = path_of(settings)
    if not settings.access_point.interface:
        path.unlink(missing_ok=True)
        return
    text, draft = render(settings), path.with_suffix(".new")
    path.parent.mkdir(parents=True, exist_ok=True)
    draft.write_text(text.replace("driver=nl80211", _NO_DRIVER), encoding="ascii")
    if said := complaints(draft):
        draft.unlink()
        raise ConfigurationError(f"hostapd refuses [access_point]: {said[0]}.", remedy="See docs/settings.md.")
    draft.write_text(text, encoding="ascii")
    draft.replace(path)


def render(settings: Settings) -> str:
    """Return the file's text."""
    own = settings.access_point
    bridge = next(zone.interface for zone in settings.zones if zone.id == own.zone)
    lines = [
        "# Written by Parvis at each start; changes here are lost.",
        f"interface={own.interface}",
        "driver=nl80211",
        f"bridge={bridge}",
        f"ctrl_interface={settings.run_dir / 'hostapd'}",
        f"country_code={own.country}",
        "ieee80211d=1",
        f"hw_mode={'a' if own.channel >= _FIRST_OF_5_GHZ else 'g'}",
        f"channel={own.channel}",
        "ieee80211n=1",
        "wmm_enabled=1",
        *_network(own.ssid),
        "wpa=0",
    ]
    if own.owe:
        name = hidden(own.interface)
        lines += [
            f"owe_transition_ifname={name}",
            f"bss={name}",
            f"bridge={bridge}",
            *_network(own.ssid.encode()[: _LONGEST_SSID - 4].decode(errors="ignore") + "-owe"),
            "ignore_broadcast_ssid=1",
            "wpa=2",
            "wpa_key_mgmt=OWE",
            "rsn_pairwise=CCMP",
            "ieee80211w=2",
            f"owe_transition_ifname={own.interface}",
        ]
    return "\n".join([*lines, ""])


def complaints(path: Path) -> list[str]:
    """Return what hostapd finds wrong in a file whose driver line is the one that it can't know.

    hostapd has no way to read a file and stop. With an unknown driver it tells that line, all other mistakes beside
    it, and ends before it touches any radio.
    """
    program = shutil.which("hostapd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if program is None:
        raise NetworkError(
            "The program hostapd is not installed; [access_point] needs it.", remedy="Install it: apt install hostapd."
        )
    try:
        done = subprocess.run([program, str(path)], capture_output=True, text=True, timeout=_SECONDS, check=False)
    except subprocess.TimeoutExpired as error:
        raise NetworkError(f"hostapd did not read {path} within {_SECONDS} s.", remedy="Try again.") from error
    said = [line.strip() for line in (done.stdout + done.stderr).splitlines() if _ERROR.fullmatch(line.strip())]
    return [line for line in said if "driver" not in line and not line.startswith("1 errors found")]


def _network(name: str) -> list[str]:
    # As hexadecimal digits, no name can be read as anything else. Guests are kept from each other on the radio.
    return [f"ssid2={name.encode().hex()}", "utf8_ssid=1", "auth_algs=1", "ap_isolate=1"]
