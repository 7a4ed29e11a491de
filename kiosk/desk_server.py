# SPDX-License-Identifier: EUPL-1.2
"""`python -m kiosk.desk_server --config FILE`: the reception desk on the LAN, on `[desk] listen`, by TLS."""

from __future__ import annotations

import ssl
import sys
from typing import TYPE_CHECKING

from edge_core.web import alone

if TYPE_CHECKING:
    from edge_core.settings import Settings


def certificate(found: Settings) -> list[str]:
    """Return gunicorn's words for the certificate of `[desk]`, if it has one; ends where it can't be read.

    gunicorn itself would start all the same, and fail at each connection.
    """
    desk = found.desk
    if not desk.certificate or not desk.key:
        return []
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(desk.certificate, desk.key)
    except OSError as error:  # ssl.SSLError is one
        remedy = "Give both in PEM, readable by the group parvis-desk."
        sys.exit(f"{found.source}: [desk] certificate and key can't be used: {error}\n  → {remedy}")
    return ["--certfile", str(desk.certificate), "--keyfile", str(desk.key)]


def main() -> None:
    """Say what is wrong and end, or never return."""
    alone.become("desk", "kiosk.desk_wsgi:app", "python -m kiosk.desk_server: the reception desk", certificate)


if __name__ == "__main__":
    main()
