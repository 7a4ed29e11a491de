# SPDX-License-Identifier: EUPL-1.2
"""What guests' devices are told of the captive portal API (RFC 8910), and writing it down for dnsmasq.

Three ways carry the same address: DHCPv4 option 114, DHCPv6 option 103, and option 37 of router advertisements.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge_core import certificate

if TYPE_CHECKING:
    from pathlib import Path

    from edge_core.certificate import Verdict
    from edge_core.settings import Settings

API_PATH = "/api/captive"
"""Path of the RFC 8908 answer."""
_V4, _V6 = 114, 103
"""By number: dnsmasq 2.90 knows no names for these options."""


def judge(settings: Settings, now: float) -> Verdict:
    """Return whether guests may be told at `now`, and why."""
    return certificate.judge(settings.portal.tls_certificate, settings.portal.hostname, now)


def address(settings: Settings, verdict: Verdict) -> str:
    """Return the API's address; "" where it is better not told. Only https is allowed (RFC 8910, 2)."""
    return f"https://{settings.portal.hostname}{API_PATH}" if verdict.usable else ""


def options_file(settings: Settings) -> Path:
    """Return the file that dnsmasq reads again at SIGHUP (its `dhcp-optsfile`)."""
    return settings.generated_dir / "dhcp-options"


def options(url: str) -> str:
    """Return that file's text."""
    lines = [f"{_V4},{url}", f"option6:{_V6},{url}"] if url else []
    return "\n".join(["# Written by Parvis; changes here are lost.", *lines, ""])


def write(settings: Settings, url: str) -> bool:
    """Write the file, whole or not at all; True where it changed. Raises OSError."""
    path, text = options_file(settings), options(url)
    try:
        if path.read_text(encoding="utf-8") == text:
            return False
    except (FileNotFoundError, UnicodeDecodeError):
        pass
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".new")
    draft.write_text(text, encoding="utf-8")
    draft.replace(path)
    return True
