# SPDX-License-Identifier: EUPL-1.2
"""Lets `python -m edge_core.cli` be the `parvis` command, whether or not it is on the PATH."""

from edge_core.cli.main import main

if __name__ == "__main__":
    main()
