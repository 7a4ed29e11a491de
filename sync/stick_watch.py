# SPDX-License-Identifier: EUPL-1.2
"""`python -m sync.stick_watch --config FILE`: takes content from each stick that is plugged in; may mount.

A process of its own, because that right belongs to nothing that speaks to a network.
"""

from __future__ import annotations

import argparse
import signal
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from edge_core import logs, settings
from edge_core.errors import ParvisError
from edge_core.hotplug import Change, Hotplug
from sync import stick
from sync.downlink import Downlink
from sync.release.carry import carry

if TYPE_CHECKING:
    from types import FrameType

_log = logs.get(__name__)


def main() -> int:
    """Follow sticks until SIGTERM; 1 where the configuration can't be used."""
    parser = argparse.ArgumentParser(prog="python -m sync.stick_watch", description=__doc__)
    parser.add_argument("--config", required=True, type=Path, help="the device's configuration (TOML)")
    logs.configure("stick")
    signal.signal(signal.SIGTERM, _end)
    try:
        configuration = settings.load(parser.parse_args().config)
        carrying = Downlink(configuration, carry=lambda said, road: carry(said, configuration, road))
        with closing(carrying) as downlink:

            def tell(change: Change) -> None:
                stick.react(change, configuration, downlink)

            Hotplug().follow(tell)
    except ParvisError as error:
        _log.error("refused", reason=str(error))
        return 1
    return 0


def _end(number: int, _frame: FrameType | None) -> None:
    raise SystemExit(0 if number == signal.SIGTERM else 1)


if __name__ == "__main__":
    sys.exit(main())
