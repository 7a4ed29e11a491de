# SPDX-License-Identifier: EUPL-1.2
"""Enrolling a device: a ticket becomes an identity, or the device stays as it was."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.serialization import Encoding

from edge_core import identity, settings, settings_parse
from edge_core.errors import ConfigurationError, ContentError
from edge_core.store import lives
from sync.enrolment import desk, keeping

if TYPE_CHECKING:
    from pathlib import Path

    from edge_core.identity import Identity
    from sync.enrolment.ticket import Ticket

_BEGUN = """\
# Written by `parvis enroll`. Every setting is described in docs/settings.md.
[site]
id = {site}
name = {site_name}

[device]
id = {device}
state_dir = {state_dir}
"""


@dataclass(frozen=True)
class Offer:
    """What a ticket would give; `used`: a machine has it already; `root`: hash of the content's root, or ""."""

    site: str
    site_name: str
    device: str
    bridge: bool
    used: bool
    root: str


def look(ticket: Ticket) -> tuple[desk.Desk, Offer]:
    """Return the desk, whose authority is checked, and what the ticket would give there; nothing is used up."""
    place = desk.known_by(ticket)
    found = place.answer("look", {"code": ticket.code})
    try:
        offer = Offer(
            site=settings_parse.slug(found["site"]["id"]),
            site_name=settings_parse.text(found["site"]["name"]),
            device=settings_parse.slug(found["device"]),
            bridge=settings_parse.yes_or_no(found["bridge"]),
            used=settings_parse.yes_or_no(found["used"]),
            root=found["root"] or "",
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ContentError(f"{ticket.desk} makes no sensible offer ({error}).", remedy="Ask who runs it.") from error
    if offer.root != ticket.root:
        raise ContentError(
            "The root of the content there is not the ticket's. The code is not used up.",
            remedy="Scan the label again, or ask the platform for a new ticket.",
        )
    return place, offer


def require_fit(offer: Offer, config: Path, state_dir: Path, *, replace: bool) -> None:
    """Refuse a ticket that is another device's, before it is used up.

    Raises ConfigurationError naming what the configuration says, or that the device has an identity already.
    """
    present = identity.read(state_dir)
    if present is not None and not replace:
        raise ConfigurationError(
            f"This device is enrolled already, as {present.site}/{present.device}.",
            remedy="`parvis enroll --replace` gives it the new identity.",
        )
    if config.exists():
        known = settings.read_file(config)
        said = "/".join(str(known.get(section, {}).get("id", "")) for section in ("site", "device"))
        if said != f"{offer.site}/{offer.device}":
            raise ConfigurationError(
                f"The ticket is for {offer.site}/{offer.device}, but {config} is {said}'s. The code is not used up.",
                remedy="Use it on the device that it names, or correct [site] id and [device] id.",
            )


def join(ticket: Ticket, place: desk.Desk, state_dir: Path) -> Identity:
    """Make a key here, use the ticket up for it, and keep the identity; on any error the device stays as it was."""
    key = keeping.key_for_asking(identity.folder(state_dir))
    answer = place.answer("device", {"code": ticket.code, "csr": keeping.request_of(key)})
    certificate = keeping.check(answer, key, place.ca, keeping.now())
    facts, root = keeping.identity_of(answer, ticket, lives.machine())
    keeping.keep(state_dir, facts, key, certificate=certificate.public_bytes(Encoding.PEM), ca=place.ca, root=root)
    if facts.bridge:  # its own broker is told of the list at its first start, or it would never read it
        keeping.keep_revoked(state_dir, place.ask("revoked"), place.ca)
    return facts


def begin_configuration(config: Path, facts: Identity, state_dir: Path) -> None:
    """Write the shortest configuration that this device runs with, where it has none."""
    config.parent.mkdir(parents=True, exist_ok=True)
    words = {"site": facts.site, "site_name": facts.site_name, "device": facts.device, "state_dir": str(state_dir)}
    quoted = {key: json.dumps(value, ensure_ascii=False) for key, value in words.items()}  # as TOML's basic strings
    with config.open("x", encoding="utf-8") as file:
        file.write(_BEGUN.format(**quoted))
