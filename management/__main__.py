# SPDX-License-Identifier: EUPL-1.2
"""`python -m management --config FILE`: becomes gunicorn, on the address of `[management] listen`."""

from __future__ import annotations

import argparse
import os
import sys

from edge_core import settings
from edge_core.errors import ParvisError


def main() -> None:
    """Say what is wrong and end with 2, or never return."""
    parser = argparse.ArgumentParser(prog="python -m management", description=__doc__)
    parser.add_argument("--config", default="/etc/parvis/parvis.toml")
    try:
        found = settings.load(parser.parse_args().config)
    except ParvisError as error:
        sys.exit(str(error))
    if found.management.listen is None:
        sys.exit(
            f"{found.source}: [management] listen is empty\n  → Give it an address and a port, or stop this service."
        )
    host, port = found.management.listen
    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    words = ["--config", "python:edge_core.web.server", "--name", "parvis-management", "--bind", address]
    os.environ["PARVIS_CONFIG"] = str(found.source)
    os.execv(sys.executable, [sys.executable, "-m", "gunicorn", *words, "management.wsgi:app"])  # noqa: S606  no shell


if __name__ == "__main__":
    main()
