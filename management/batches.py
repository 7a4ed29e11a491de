# SPDX-License-Identifier: EUPL-1.2
"""Makes, prints and revokes vouchers by the `parvis vouchers` command, whose package this one may not import."""

from __future__ import annotations

import base64
import hashlib
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from flask import Response

from edge_core.errors import ParvisError

if TYPE_CHECKING:
    from edge_core.settings import Settings

MOST, LONGEST = 500, 366
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 _.-]{0,39}")
_SECONDS = 120


def make(settings: Settings, *, count: int, days: int, batch: str) -> Response:
    """Return a page to print with `count` codes, to be used first within `days`. Raises ParvisError."""
    if not 1 <= count <= MOST or not 1 <= days <= LONGEST:
        raise ParvisError(f"{count} codes for {days} days can't be made.", remedy=f"1 to {MOST}, and 1 to {LONGEST}.")
    words = ["--count", str(count), "--days", str(days), *(["--batch", _named(batch)] if batch else [])]
    with tempfile.TemporaryDirectory() as folder:
        codes, sheet = Path(folder) / "codes.csv", Path(folder) / "sheet.html"
        _run(settings, "make", *words, "--output", str(codes))
        _run(settings, "print", str(codes), "--output", str(sheet))
        body = sheet.read_text(encoding="utf-8")
    return Response(body, headers={"Content-Security-Policy": policy(body), "Cache-Control": "no-store"})


def revoke(settings: Settings, batch: str) -> None:
    """Revoke a batch. Raises ParvisError."""
    _run(settings, "revoke", "--batch", _named(batch))


def policy(page: str) -> str:
    """Return a policy that lets in the page's own style, by its hash (CSP 3, 8.4), and nothing else."""
    styles = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    hashes = [base64.b64encode(hashlib.sha256(each.encode()).digest()).decode() for each in styles]
    allowed = " ".join(f"'sha256-{each}'" for each in hashes) or "'none'"
    return f"default-src 'none'; style-src {allowed}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"


def _named(batch: str) -> str:
    if not _NAME.fullmatch(batch):
        raise ParvisError(
            f"{batch[:40]!r} can't name a batch.", remedy="Letters, digits, blanks and -_. up to 40, a letter first."
        )
    return batch


def _run(settings: Settings, action: str, *words: str) -> None:
    command = [sys.executable, "-m", "edge_core.cli", "vouchers", action, "--config", str(settings.source), *words]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ParvisError("The command for vouchers didn't answer.", remedy="Try `parvis vouchers`.") from error
    if done.returncode:
        said = " ".join(done.stderr.split()) or "no reason was given"
        raise ParvisError(said.removeprefix("parvis: "))
