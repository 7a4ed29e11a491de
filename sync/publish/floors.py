# SPDX-License-Identifier: EUPL-1.2
"""Reads floor plans: plan/plans.csv, plan/places.csv, one SVG a floor, let through only when it is a mere drawing.

A page shows the drawing inline, so that it takes the page's colours: the blob is therefore written anew from what was
checked, without comments, processing instructions or CDATA, which an HTML parser would read differently.
"""

from __future__ import annotations

import hashlib
import re
import xml.etree.ElementTree as ET  # writes only: defusedxml parses
from typing import TYPE_CHECKING, Any

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import ParseError, fromstring

from sync.publish import tables, walks
from sync.publish.directory import in_languages, unique

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sync.publish.problems import Problems
    from sync.publish.rows import Row

_SVG = "http://www.w3.org/2000/svg"
_XLINK = "http://www.w3.org/1999/xlink"
# fmt: off
_DRAWING = {
    "svg", "g", "defs", "symbol", "use", "path", "rect", "circle", "ellipse", "line", "polyline", "polygon", "text",
    "tspan", "title", "desc", "style", "linearGradient", "radialGradient", "stop", "clipPath", "mask", "pattern",
    "marker",
}
# fmt: on
_ONLY_TEXT = {"title", "desc", "style"}  # an HTML parser leaves the world of SVG inside the first two
_ELSEWHERE = re.compile(r"url\s*\(\s*['\"]?(?!#)|@import|javascript:|expression\s*\(|\\", re.IGNORECASE)
_LARGEST = 4 << 20  # bytes of one drawing
_REMEDY = "Export it as plain SVG, without scripts, images, fonts or links."


def plans(folder: Path, problems: Problems) -> tuple[list[dict[str, Any]], dict[str, bytes]]:
    """Return the plans' records, and their drawings by SHA-256."""
    here = folder / "plan"
    floors = tables.read(folder, "plan/plans", ["id", "level", "name_fr"], problems, optional=in_languages("name"))
    places = tables.read(
        folder,
        "plan/places",
        ["plan", "id", "name_fr", "x", "y"],
        problems,
        optional=[*in_languages("name"), "kind"],
    )
    blobs: dict[str, bytes] = {}
    found = []
    for row in floors:
        drawing, ids = _drawing(here, row, problems)
        digest = hashlib.sha256(drawing).hexdigest()
        blobs[digest] = drawing
        found.append((row, _plan(row, [each for each in places if each.text("plan") == row.text("id")], ids, drawing)))
    known = {row.text("id") for row in floors}
    for row in places:
        if row.text("plan") not in known:
            row.wrong(f'the plan "{row.text("plan")}" is not in plans.csv.', f"Plans are: {', '.join(sorted(known))}.")
    records = unique(found)
    walks.add(folder, records, problems)
    return records, blobs


def _plan(row: Row, places: list[Row], ids: set[str], drawing: bytes) -> dict[str, Any]:
    digest = hashlib.sha256(drawing).hexdigest()
    return {
        "id": row.slug("id"),
        "name": row.languages("name"),
        "level": row.whole("level", -20, 200) or 0,
        "svg": digest,
        "blobs": {digest: len(drawing)},
        "places": unique([(place, _place(place, ids)) for place in places]),
    }


def _place(row: Row, ids: set[str]) -> dict[str, Any]:
    if ids and row.text("id") not in ids:
        row.wrong(
            f'no element of the drawing has the id "{row.text("id")}".',
            f"Give that id to its group in plan/{row.text('plan')}.svg.",
        )
    kind = row.choice("kind", ("entrance",), required=False)
    return {
        "id": row.slug("id"),
        "name": row.languages("name"),
        "x": row.number("x", -100_000, 100_000),
        "y": row.number("y", -100_000, 100_000),
        **({"kind": kind} if kind else {}),
    }


def _drawing(folder: Path, row: Row, problems: Problems) -> tuple[bytes, set[str]]:
    """Return a floor's drawing as it is published, and the ids in it; empty after a problem."""
    path = folder / f"{row.text('id')}.svg"
    name = f"{folder.name}/{path.name}"
    if not path.is_file():
        row.wrong(f"the drawing {name} is missing.", "Add the file, or take the line away.")
        return b"", set()
    data = path.read_bytes()
    before = len(problems.found)
    root = _parsed(name, data, problems)
    if root is not None:
        for line_hint, message in _strange(root):
            position = data.find(line_hint.encode())
            problems.add(name, data.count(b"\n", 0, position) + 1 if position >= 0 else 0, message, _REMEDY)
    if root is None or len(problems.found) > before:
        return b"", set()
    ET.register_namespace("", _SVG)
    ET.register_namespace("xlink", _XLINK)
    return ET.tostring(root, encoding="utf-8"), {each.get("id", "") for each in root.iter()}


def _parsed(name: str, data: bytes, problems: Problems) -> ET.Element | None:
    if len(data) > _LARGEST:
        problems.add(name, 0, f"it has {len(data)} bytes.", f"Simplify the drawing to less than {_LARGEST}.")
        return None
    try:
        root: ET.Element = fromstring(data, forbid_dtd=True)
    except ParseError as error:
        problems.add(name, error.position[0], f"it is not well-formed XML ({error}).", "Correct this line.")
        return None
    except DefusedXmlException:
        problems.add(name, 1, "it has a <!DOCTYPE … >.", "Remove that line.")
        return None
    if root.tag != f"{{{_SVG}}}svg" or not root.get("viewBox"):
        problems.add(name, 1, "it does not begin with an <svg> that has a viewBox.", _REMEDY)
        return None
    return root


def _strange(root: ET.Element) -> Iterator[tuple[str, str]]:
    """Yield what is more than a drawing, as (words to look for in the file, message)."""
    for element in root.iter():
        namespace, _, tag = str(element.tag).rpartition("}")
        if namespace != f"{{{_SVG}" or tag not in _DRAWING:
            yield f"<{tag}", f"it holds <{tag}>."
        elif tag in _ONLY_TEXT and len(element):
            yield f"<{tag}", f"its <{tag}> holds other elements."
        if tag == "style" and (found := _ELSEWHERE.search(element.text or "")):
            yield found[0], f'its style holds "{found[0]}".'
        for attribute, value in element.attrib.items():
            plain = attribute.rpartition("}")[2]
            if plain.lower().startswith("on"):
                yield f"{plain}=", f'it holds the attribute "{plain}".'
            elif (plain == "href" and not value.startswith("#")) or _ELSEWHERE.search(value):
                yield value, f'its attribute {plain} points outside of it ("{value[:60]}").'
