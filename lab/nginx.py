# SPDX-License-Identifier: EUPL-1.2
"""The portal role's own nginx configuration, moved to where tests and benches run it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from jinja2 import Environment

if TYPE_CHECKING:
    from collections.abc import Mapping

_ROLE = Path(__file__).parents[1] / "ansible/roles/portal"


def configuration(folder: Path, lan: str, *, port: int = 8080, **variables: Any) -> str:
    """Return nginx's configuration for guests at `lan`, an interface's address; all its files are in `folder`.

    `variables` are the inventory's and the role's, where they aren't as the role has them.
    """
    environment = Environment(autoescape=False)  # noqa: S701  a configuration file, not a page
    environment.filters["split"] = lambda text, separator: text.split(separator)
    template = (_ROLE / "templates/etc/parvis/nginx.conf.j2").read_text(encoding="utf-8")
    given = {**variables_of_role(), "ansible_managed": "", "parvis_lan": {"ipv4": lan}, **variables}
    text = environment.from_string(template).render(given)
    for name in ("front", "portal", "told"):
        text = text.replace(f"/run/parvis-{name}", str(folder))
    return user() + text.replace(":8080 ", f":{port} ")


def user() -> str:
    """Have nginx's workers stay who we are: folders of tests and benches are ours alone."""
    return "user root;\n" if os.geteuid() == 0 else ""


def variables_of_role() -> Mapping[str, Any]:
    """Return the role's defaults and constants, as they are written."""
    found: dict[str, Any] = {}
    for name in ("defaults", "vars"):
        found |= yaml.safe_load((_ROLE / name / "main.yml").read_text(encoding="utf-8"))
    return found
