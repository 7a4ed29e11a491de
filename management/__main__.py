# SPDX-License-Identifier: EUPL-1.2
"""`python -m management --config FILE`: becomes gunicorn, on the address of `[management] listen`."""

from __future__ import annotations

from edge_core.web import alone


def main() -> None:
    """Say what is wrong and end, or never return."""
    alone.become("management", "management.wsgi:app", "python -m management: metrics and health of this device")


if __name__ == "__main__":
    main()
