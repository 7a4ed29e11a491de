# SPDX-License-Identifier: EUPL-1.2
"""Loads and removes our table with the `nft` program, in one transaction; the only code that starts it."""

from __future__ import annotations

import os
import subprocess

from edge_core.errors import NetworkError
from gateway_agent.nft_ruleset import TABLE

_SECONDS = 30


def load(text: str) -> None:
    """Give `text` to `nft -f -`. Raises NetworkError with what nft said; then nothing was changed."""
    _run(["nft", "-f", "-"], text)


def remove() -> None:
    """Delete our table if it is there; other tables are not ours. Raises NetworkError."""
    _run(["nft", "-f", "-"], f"table inet {TABLE}\ndelete table inet {TABLE}\n")


def _run(words: list[str], text: str) -> None:
    environment = {**os.environ, "PATH": f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"}
    try:
        done = subprocess.run(
            words, input=text, capture_output=True, text=True, timeout=_SECONDS, check=False, env=environment
        )
    except FileNotFoundError:
        raise NetworkError(
            "The program nft is not installed; without it nobody can be kept out.",
            remedy="Install it: apt install nftables.",
        ) from None
    except subprocess.TimeoutExpired as error:
        raise NetworkError(f"nft did not answer within {_SECONDS} s.", remedy="Try again; see dmesg.") from error
    if done.returncode == 0:
        return
    said = done.stderr.strip().splitlines()[:1] or ["no reason given"]
    if "Operation not permitted" in done.stderr:
        raise NetworkError(
            "nftables may not be changed: this process lacks CAP_NET_ADMIN.",
            remedy="Run it as root, inside `unshare -Urnm`, or with AmbientCapabilities=CAP_NET_ADMIN.",
        )
    raise NetworkError(f"nft refused our rules: {said[0]}.", remedy="`nft --version` must be 1.0.6 or newer.")
