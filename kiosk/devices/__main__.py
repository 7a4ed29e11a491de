# SPDX-License-Identifier: EUPL-1.2
"""`python -m kiosk.devices --config FILE`: the kiosk's device service, until SIGTERM."""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path

from edge_core import logs, settings
from edge_core.errors import ParvisError
from kiosk.devices.service import Service


def main() -> int:
    """Serve until SIGTERM; 1 where the configuration can't be used, or the socket not be made."""
    parser = argparse.ArgumentParser(prog="python -m kiosk.devices", description=__doc__)
    parser.add_argument("--config", required=True, type=Path, help="the device's configuration (TOML)")
    logs.configure("devices")
    try:
        service = Service(settings.load(parser.parse_args().config))
    except (ParvisError, OSError) as error:
        logs.get(__name__).error("refused", reason=str(error))
        return 1
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, service.stop)
    service.run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
