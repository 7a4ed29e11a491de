# SPDX-License-Identifier: EUPL-1.2
"""A page of labels to print, one for each box: name, QR code of its ticket, and what to do with it. Pure."""

from __future__ import annotations

import html
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import segno

from edge_core.errors import ConfigurationError
from sync.enrolment.ticket import parse

if TYPE_CHECKING:
    from collections.abc import Iterable

_PAGE = """<!doctype html>
<!-- SPDX-License-Identifier: EUPL-1.2 -->
<html lang="en"><meta charset="utf-8"><title>Parvis labels</title>
<style>
@page {{ size: A4; margin: 10mm }}
body {{ font: 10pt/1.35 sans-serif; margin: 0; display: grid; grid-template-columns: 1fr 1fr; gap: 4mm }}
section {{ border: .3mm dashed #888; padding: 4mm; break-inside: avoid }}
section {{ display: grid; grid-template-columns: 38mm 1fr; gap: 4mm }}
svg {{ width: 38mm; height: 38mm }}
h1 {{ font-size: 14pt; margin: 0 0 1mm; overflow-wrap: anywhere }}
p {{ margin: 0 0 1.5mm }}
code {{ font-size: 6.5pt; overflow-wrap: anywhere; grid-column: 1 / 3 }}
</style>
{labels}
</html>
"""
_LABEL = """<section>{code}<div><h1>{device}</h1><p>{site}</p><p>On this device: <b>parvis enroll</b>,
then scan this code. It works once, on one machine.</p></div><code>{ticket}</code></section>
"""


@dataclass(frozen=True)
class Label:
    """One box."""

    site: str
    device: str
    ticket: str


def read(lines: Iterable[str]) -> list[Label]:
    """Read labels, one JSON object a line; ConfigurationError names the line."""
    found = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            raw = json.loads(line)
            label = Label(*(str(raw[key]) for key in ("site", "device", "ticket")))
            parse(label.ticket)
        except (ValueError, KeyError, TypeError) as error:
            raise ConfigurationError(
                f"Line {number} is no ticket ({type(error).__name__}).",
                remedy='Each line is {"site": …, "device": …, "ticket": …}, as the desk prints it with --json.',
            ) from error
        except ConfigurationError as error:
            raise ConfigurationError(f"Line {number}: {error.message}", remedy=error.remedy) from error
        found.append(label)
    if not found:
        raise ConfigurationError("There is no ticket in it.", remedy="Have the desk print some with --json.")
    return found


def sheet(found: Iterable[Label]) -> str:
    """Return the page (HTML with SVG inside; nothing is loaded from elsewhere)."""
    return _PAGE.format(labels="".join(_label(each) for each in found))


def _label(label: Label) -> str:
    code = segno.make(label.ticket, error="m", micro=False).svg_inline(omitsize=True, border=2)
    return _LABEL.format(
        code=code, device=html.escape(label.device), site=html.escape(label.site), ticket=html.escape(label.ticket)
    )
