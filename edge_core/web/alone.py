# SPDX-License-Identifier: EUPL-1.2
"""Becomes gunicorn on the address that a section's `listen` gives, for services that hold their own port."""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING, NoReturn

from edge_core import settings
from edge_core.errors import ParvisError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from edge_core.settings import Settings


def become(
    section: str, application: str, description: str, more: Callable[[Settings], Sequence[str]] = lambda _: ()
) -> NoReturn:
    """Read `--config`, then be gunicorn with `application`; `more` are its further words. Ends with what is wrong."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--config", default="/etc/parvis/parvis.toml")
    try:
        found = settings.load(parser.parse_args().config)
    except ParvisError as error:
        sys.exit(str(error))
    listen: tuple[str, int] | None = getattr(found, section).listen
    if listen is None:
        sys.exit(
            f"{found.source}: [{section}] listen is empty\n  → Give it an address and a port, or stop this service."
        )
    host, port = listen
    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    words = ["--config", "python:edge_core.web.server", "--name", f"parvis-{section}", "--bind", address, *more(found)]
    os.environ["PARVIS_CONFIG"] = str(found.source)
    os.execv(sys.executable, [sys.executable, "-m", "gunicorn", *words, application])  # noqa: S606  no shell
