# SPDX-License-Identifier: EUPL-1.2
"""Icons as inline SVG, drawn for Parvis on a grid of 24, in strokes that take the colour of their text."""

from __future__ import annotations

from markupsafe import Markup

_CLOUD = "M7 14.5h10a4 4 0 0 0 .6-8A6 6 0 0 0 6.2 7.5 3.6 3.6 0 0 0 7 14.5z"
_STROKES = {
    "wifi": "M2.5 9a14 14 0 0 1 19 0M5.8 12.6a9 9 0 0 1 12.4 0M9 16.1a4.4 4.4 0 0 1 6 0M12 19.5h.01",
    "news": "M4 5h12v14H6a2 2 0 0 1-2-2zM16 9h4v8a2 2 0 0 1-4 0M7 9h6M7 12.5h6M7 16h4",
    "events": "M4 6.5h16V20H4zM4 10.5h16M8 4v4M16 4v4M8 14h3v3H8z",
    "companies": "M5 20V5l8-2v17M13 9h6v11M3 20h18M8 8h2M8 12h2M8 16h2M16 12.5h.01M16 16h.01",
    "plan": "M3 6l6-2.5 6 2.5 6-2.5V18l-6 2.5-6-2.5-6 2.5zM9 3.5V18M15 6v14.5",
    "transport": "M5 4.5h14V17H5zM5 11.5h14M7.5 17v2.5M16.5 17v2.5M8.3 14.2h.01M15.7 14.2h.01",
    "services": "M4 17.5h16M6 17.5a6 6 0 0 1 12 0M12 11.5V9M10 9h4M3.5 20.5h17",
    "contacts": "M5 4h4l1.5 4.5L8 10.2a12 12 0 0 0 5.8 5.8l1.7-2.5L20 15v4a1.5 1.5 0 0 1-1.6 1.5A15.5 15.5 0 0 1 "
    "3.5 5.6 1.5 1.5 0 0 1 5 4z",
    "check": "M4.5 12.5l5 5 10-11",
    "clock": "M12 3.5a8.5 8.5 0 1 0 0 17 8.5 8.5 0 0 0 0-17zM12 7.5V12l3 2",
    "next": "M5 12h14M13 6l6 6-6 6",
    "back": "M19 12H5M11 6l-6 6 6 6",
    "search": "M10.5 4a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13zM15.3 15.3L20.5 20.5",
    "place": "M12 21c4.5-5 6.7-8.4 6.7-11.2a6.7 6.7 0 0 0-13.4 0C5.3 12.6 7.5 16 12 21zM12 7.6a2.4 2.4 0 1 0 0 4.8 2.4 "
    "2.4 0 0 0 0-4.8z",
    "mail": "M3.5 6h17v12.5h-17zM3.5 7l8.5 6.5L20.5 7",
    "web": "M12 3.5a8.5 8.5 0 1 0 0 17 8.5 8.5 0 0 0 0-17zM3.8 10h16.4M3.8 14.5h16.4M12 3.5c3 2.6 3.6 5.3 3.6 8.5s-.6 "
    "5.9-3.6 8.5c-3-2.6-3.6-5.3-3.6-8.5s.6-5.9 3.6-8.5",
    "leave": "M14 4.5H5v15h9M10 12h10.5M17 8.5l3.5 3.5-3.5 3.5",
    "face-good": "M12 3.5a8.5 8.5 0 1 0 0 17 8.5 8.5 0 0 0 0-17zM9 9.5h.01M15 9.5h.01M8 14c2 3 6 3 8 0",
    "face-fair": "M12 3.5a8.5 8.5 0 1 0 0 17 8.5 8.5 0 0 0 0-17zM9 9.5h.01M15 9.5h.01M8.5 15h7",
    "face-poor": "M12 3.5a8.5 8.5 0 1 0 0 17 8.5 8.5 0 0 0 0-17zM9 9.5h.01M15 9.5h.01M8 16c2-3 6-3 8 0",
    "info": "M12 3.5a8.5 8.5 0 1 0 0 17 8.5 8.5 0 0 0 0-17zM12 11v5.5M12 7.7h.01",
    "room": "M5 20V4h9v16M14 7h5v13M3 20h18M11 12h.01",
    "desk": "M3 9h18M5 9v10M19 9v10M13 9v5.5h6",
    "lunch": "M7 3.5v7M4.5 3.5V8a2.5 2.5 0 0 0 5 0V3.5M7 10.5v10M17 20.5v-7M17 13.5h-2.5c0-6 1-9 2.5-10z",
    "bike": "M6 12.5a4 4 0 1 0 0 8 4 4 0 0 0 0-8zM18 12.5a4 4 0 1 0 0 8 4 4 0 0 0 0-8zM6 16.5l3.5-7h6l2.5 7M9.5 9.5"
    "l4.5 7M8 9.5h3M14.5 6h2l-1 3.5",
    "ad": "M4 10v4l11 4.5v-13zM15 9.5a3 3 0 0 1 0 5M7 15.2V20h3v-3.6",
    "message": "M4 5h16v11.5h-9L6.5 20v-3.5H4zM8 9.2h8M8 12.5h5",
    "other": "M12 4l2.3 5.2 5.7.5-4.3 3.8 1.3 5.5-5-3-5 3 1.3-5.5L4 9.7l5.7-.5z",
    "home": "M4 11.5L12 4.5l8 7M6 10v9.5h12V10M10 19.5v-5h4v5",
    "download": "M12 4v11M7.5 11l4.5 4.5 4.5-4.5M5 20h14",
    "people": "M9 11.5a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7zM2.5 20c.3-4 2.7-6 6.5-6s6.2 2 6.5 6M16 5a3.3 3.3 0 0 1 0 "
    "6.4M18 14.6c2 .8 3.2 2.5 3.5 5.4",
    "printer": "M7 9V4h10v5M5 9h14v8H5zM8 14h8v6H8z",
    "touch": "M9 12.5V5a1.6 1.6 0 0 1 3.2 0v5.5l5.2 1a2.4 2.4 0 0 1 1.9 2.7l-.6 3.8a3 3 0 0 1-3 2.5h-3a4 4 0 0 1-3-1.4"
    "l-4.2-4.6a1.5 1.5 0 0 1 2.1-2.1zM5.8 7.5a5.2 5.2 0 0 1 9.6-3.3",
    "contrast": "M12 3.5a8.5 8.5 0 1 0 0 17 8.5 8.5 0 0 0 0-17zM12 3.5v17M12 8h6.5M12 12h8.5M12 16h6.5",
    "letters": "M2.5 19L8 5l5.5 14M4.5 14.5h7M14.5 19l3.5-9 3.5 9M15.7 16h4.6",
    "reach": "M12 3.5v12M7 11l5 5 5-5M4 20.5h16",
    "clear": "M12 7.5a4.5 4.5 0 1 0 0 9 4.5 4.5 0 0 0 0-9zM12 2.5v2M12 19.5v2M2.5 12h2M19.5 12h2M5.3 5.3l1.4 1.4M17.3 "
    "17.3l1.4 1.4M5.3 18.7l1.4-1.4M17.3 6.7l1.4-1.4",
    "night": "M19.5 14.5A8 8 0 0 1 9.5 4.5a8 8 0 1 0 10 10z",
    "partly": "M9 5.2V3.5M4.4 7.2L3.2 6M13.6 7.2L14.8 6M5.6 12.2A4 4 0 0 1 12.6 9M8 19.5h9a3.5 3.5 0 0 0 .5-7 5 5 0 0 "
    "0-9.4.7A3.2 3.2 0 0 0 8 19.5z",
    "cloudy": "M7 18.5h10a4 4 0 0 0 .6-8 6 6 0 0 0-11.4 1A3.6 3.6 0 0 0 7 18.5z",
    "fog": f"{_CLOUD}M4 17.5h16M6.5 20.5h11",
    "rain": f"{_CLOUD}M8.5 17.5l-1 3M12.5 17.5l-1 3M16.5 17.5l-1 3",
    "sleet": f"{_CLOUD}M8.5 17.5l-1 3M12 19.5h.01M16.5 17.5l-1 3",
    "snow": f"{_CLOUD}M8 18h.01M12 20.5h.01M12 17.5h.01M16 18.5h.01",
    "thunder": f"{_CLOUD}M12.5 12.5l-2.5 4h3.5L11 21",
    "voice": "M5 9.5h3.5L13 6v12l-4.5-3.5H5zM16 9a4.2 4.2 0 0 1 0 6M18.5 6.5a8 8 0 0 1 0 11",
}


def icon(name: str, label: str = "") -> Markup:
    """Return an icon; with a label it is an image with that name, without it is hidden from assistive technology."""
    path = _STROKES.get(name, _STROKES["other"])
    role = (
        Markup('role="img" aria-label="{}"').format(label) if label else Markup('aria-hidden="true" focusable="false"')
    )
    return Markup('<svg class="icon" viewBox="0 0 24 24" {}><path d="{}"/></svg>').format(role, path)
