# SPDX-License-Identifier: EUPL-1.2
"""`python -m sync.stick_watch --config FILE`: takes content from each stick that is plugged in; may mount.

A process of its own, because that right belongs to nothing that speaks to a network. With `--once` it takes what is
there and ends: udev starts it so on devices, and it costs no memory meanwhile.
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
    parser.add_argument("--once", action="store_true", help="take the sticks that are here, and end")
    logs.configure("stick")
    signal.signal(signal.SIGTERM, _end)
    try:
        options = parser.parse_args()
        configuration = settings.load(options.config)
        carrying = Downlink(configuration, carry=lambda said, road: carry(said, configuration, road))
        with closing(carrying) as downlink:

            def tell(change: Change) -> None:
                stick.react(change, configuration, downlink)

            if options.once:
                for plugged in sorted(Hotplug().present()):
                    tell(Change(came=True, device=plugged))
            else:
                Hotplug().follow(tell)
    except ParvisError as error:
        _log.error("refused", reason=str(error))
        return 1
    return 0


def _end(number: int, _frame: FrameType | None) -> None:
    raise SystemExit(0 if number == signal.SIGTERM else 1)


if __name__ == "__main__":
    sys.exit(main())
