# SPDX-License-Identifier: EUPL-1.2
"""Puts a plan of the content, an SVG file, inside a page: only shapes and words get through, and places are marked.

A blob is verified by its digest; this is the second lock, as for texts: no script, style, event, link or foreign
reference. Elements keep their `class` and `id`: static/plan.css colours the classes that a plan may use (ground, floor,
shell, place, office, meeting…), for light and dark; a plan may also carry its own colours as attributes.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

from markupsafe import Markup, escape

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_LARGEST = 400_000  # bytes; a plan is drawn, not photographed
_KEPT_WORDS = (
    "svg g path rect circle ellipse line polyline polygon text tspan title desc defs use symbol clipPath "
    "linearGradient radialGradient stop marker pattern"
)
_KEPT = frozenset(_KEPT_WORDS.split())
_ATTRIBUTES_WORDS = (
    "id class d x y x1 y1 x2 y2 cx cy r rx ry width height points viewBox transform fill stroke stroke-width "
    "stroke-linecap stroke-linejoin stroke-dasharray stroke-opacity fill-opacity fill-rule opacity font-size "
    "font-weight font-family text-anchor dominant-baseline dx dy offset stop-color stop-opacity gradientUnits "
    "gradientTransform clip-path marker-end preserveAspectRatio patternUnits"
)
_ATTRIBUTES = frozenset(_ATTRIBUTES_WORDS.split())
_HREFS = frozenset({"href", "{http://www.w3.org/1999/xlink}href"})
_LOCAL_URL = re.compile(r"url\(#[\w-]+\)")
_PIN = "M0 0c-6-8-9-11.500-9-15a9 9 0 0 1 18 0c0 3.500-3 7-9 15z"


def plan(
    svg: bytes,
    label: str,
    places: Iterable[dict[str, Any]] = (),
    chosen: str = "",
    legs: Iterable[Iterable[tuple[float, float]]] = (),
) -> Markup | None:
    """Return the plan as inline SVG named `label`, a marker on each place {id, label, x, y}, the `chosen` one larger.

    `legs` are the parts of a way on this plan, each the corners of a line.
    None where the file is no SVG that can be shown: the page then lists the places in words.
    """
    root = _parse(svg)
    if root is None:
        return None
    shapes = Markup().join(_kept(child, chosen) for child in root)
    markers = Markup().join(_marker(place, chosen) for place in places)
    return Markup('<svg class="plan" viewBox="{}" role="img" aria-label="{}">{}{}{}</svg>').format(
        _view_box(root), label, shapes, way(legs), markers
    )


def way(legs: Iterable[Iterable[tuple[float, float]]]) -> Markup:
    """Return the lines of a way, each twice: a broad one that sets it off from the drawing, and its own."""
    lines = (Markup(" ").join(Markup("{:g},{:g}").format(x, y) for x, y in leg) for leg in legs)
    return Markup().join(
        Markup('<polyline class="way-edge" points="{}"/><polyline class="way" points="{}"/>').format(line, line)
        for line in lines
    )


def _parse(svg: bytes) -> ET.Element | None:
    if len(svg) > _LARGEST or b"<!" in svg.replace(b"<!--", b"") or _encoded_otherwise(svg):
        return None  # a document type may hide entity bombs; nothing here needs one
    try:
        root = ET.fromstring(svg)  # noqa: S314 - without a document type there is nothing to expand
    except ET.ParseError:
        return None
    return root if _name(root) == "svg" else None


def _encoded_otherwise(svg: bytes) -> bool:
    return b"\0" in svg or svg.startswith((b"\xff\xfe", b"\xfe\xff"))


def _name(element: ET.Element) -> str:
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""


def _view_box(root: ET.Element) -> str:
    box = root.get("viewBox", "")
    if re.fullmatch(r"[-\d.\s,e]{7,80}", box):
        return box
    numbers = [re.match(r"[\d.]+", root.get(side, "")) for side in ("width", "height")]
    return "0 0 " + " ".join(found.group() if found else "1000" for found in numbers)


def _kept(element: ET.Element, chosen: str) -> Markup:
    name = _name(element)
    if name not in _KEPT:
        return Markup()
    attributes = Markup().join(Markup(' {}="{}"').format(key, value) for key, value in _safe(element, chosen))
    inside = escape(element.text or "") + Markup().join(
        _kept(child, chosen) + escape(child.tail or "") for child in element
    )
    return Markup("<{}{}>{}</{}>").format(Markup(name), attributes, inside, Markup(name))  # noqa: S704 - from the list


def _safe(element: ET.Element, chosen: str) -> Iterator[tuple[str, str]]:
    attributes = dict(element.attrib)
    if chosen and attributes.get("id") == chosen:
        attributes["class"] = f"{attributes.get('class', '')} chosen".strip()
    for key, value in attributes.items():
        if key in _HREFS and value.startswith("#"):
            yield "href", value
        elif key in _ATTRIBUTES and ("url" not in value.lower() or _LOCAL_URL.fullmatch(value)):
            yield key, value


def _marker(place: dict[str, Any], chosen: str) -> Markup:
    try:
        x, y = float(place["x"]), float(place["y"])
    except (KeyError, TypeError, ValueError):
        return Markup()
    if place.get("id") == chosen:
        pin = Markup('<path d="{}"/><circle cy="-15" r="3.500"/>').format(_PIN)
        # "#here" in an address scrolls to the pin, on both axes and without a script, with some room around it.
        return Markup(
            '<circle id="here" cx="{:g}" cy="{:g}" r="170" fill="none"/>'
            '<g class="marker-pin" transform="translate({:g} {:g}) scale(2.200)">{}</g>'
        ).format(x, y, x, y, pin)
    return Markup('<circle class="marker-dot" cx="{:g}" cy="{:g}" r="6"><title>{}</title></circle>').format(
        x, y, place.get("label", "")
    )
