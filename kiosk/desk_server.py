# SPDX-License-Identifier: EUPL-1.2
"""`python -m kiosk.desk_server --config FILE`: the reception desk on the LAN, on `[desk] listen`, by TLS."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge_core.web import alone

if TYPE_CHECKING:
    from edge_core.settings import Settings


def certificate(found: Settings) -> list[str]:
    """Return gunicorn's words for the certificate of `[desk]`, if it has one."""
    desk = found.desk
    if desk.certificate and desk.key:
        return ["--certfile", str(desk.certificate), "--keyfile", str(desk.key)]
    return []


def main() -> None:
    """Say what is wrong and end, or never return."""
    alone.become("desk", "kiosk.desk_wsgi:app", "python -m kiosk.desk_server: the reception desk", certificate)


if __name__ == "__main__":
    main()
