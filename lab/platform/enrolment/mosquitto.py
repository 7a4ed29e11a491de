# SPDX-License-Identifier: EUPL-1.2
"""The rules of the platform's broker, for Mosquitto: each device for itself, each site's bridge for its site."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lab.platform.enrolment.authority import write

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_UP = ("ev/#", "state", "birth", "replied", "reported")
_DOWN = ("ack", "reply/#", "desired")
_RULES = "broker.acl"


def write_rules(folder: Path, shut: Iterable[str]) -> None:
    """Write the rules (R-006). `shut` are names whose certificates are all revoked.

    The list of revoked certificates keeps those from connecting; the rules also silence a connection that stands.
    """
    lines = ["user platform", "topic readwrite parvis/#"]
    for own in ("parvis/1/%u", "parvis/1/%u/+"):  # a device is SITE/DEVICE, a site's bridge SITE
        lines += [f"pattern write {own}/{what}" for what in _UP] + [f"pattern read {own}/{what}" for what in _DOWN]
    lines.append("pattern read parvis/1/%u/feed")
    for name in sorted(shut):
        lines += [f"user {name}", "topic deny parvis/#"]
    write(folder / _RULES, ("\n".join(lines) + "\n").encode())


def configuration(folder: Path, bind: str, port: int) -> str:
    """Return mosquitto.conf(5) of the platform's broker: by TLS alone. SIGHUP has it read them again."""
    return "\n".join(
        [
            f"listener {port} {bind}",
            "allow_anonymous false",
            "require_certificate true",
            "use_identity_as_username true",
            "tls_version tlsv1.2",
            f"cafile {folder / 'ca.pem'}",
            f"certfile {folder / 'server.pem'}",
            f"keyfile {folder / 'server.key'}",
            f"crlfile {folder / 'crl.pem'}",
            f"acl_file {folder / _RULES}",
            "user root",
            "log_dest stderr",
            "max_queued_messages 100000",
            "",
        ]
    )
