# SPDX-License-Identifier: EUPL-1.2
"""The guide's pictures: what a terminal said as text, from nobody else's server; each one that is named is there."""

import re
from pathlib import Path
from xml.etree import ElementTree as ET

from lab.guide.terminal import picture

GUIDE = Path(__file__).parents[3] / "docs" / "guides"


def test_a_terminal_s_picture_is_text_and_fetches_nothing():
    """Colours become classes, words stay words, and no font comes from elsewhere."""
    drawn = picture("parvis doctor", "\x1b[32m✔\x1b[0m agent <ok> & well\n", "doctor", 60)
    assert ET.fromstring(drawn).tag.endswith("svg")  # noqa: S314  our own
    assert "agent" in drawn
    assert "url(http" not in drawn
    assert "@font-face" not in drawn


def test_each_picture_of_the_guide_is_there_and_small():
    """A picture that is named exists, says in words what it shows, and is one that a slow line carries."""
    named = re.findall(r"!\[([^\]]*)\]\(([^)]+)\)", (GUIDE / "first-site.md").read_text(encoding="utf-8"))
    assert named
    for words, file in named:
        assert words, file
        assert (GUIDE / file).stat().st_size < 200_000, file
