# SPDX-License-Identifier: EUPL-1.2
"""What the unit parvis-release runs: one round of the installer. Only wires."""

from __future__ import annotations

import argparse
import sys

from edge_core import logs, settings
from edge_core.errors import ContentError, ParvisError
from sync.release.install import run
from sync.release.shelf import Shelf

_log = logs.get(__name__)


def main() -> int:
    """Read the command line; 1 where something must be mended. What isn't here yet is no failure: it may come."""
    parser = argparse.ArgumentParser(prog="python -m sync.release", description=__doc__)
    parser.add_argument("--config", required=True, metavar="FILE", help="the device's configuration (TOML)")
    logs.configure("release")
    try:
        run(settings.load(parser.parse_args().config), Shelf())
    except ContentError as error:
        _log.warning("release_not_taken", reason=str(error))
    except ParvisError as error:
        _log.error("refused", reason=str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
