# SPDX-License-Identifier: EUPL-1.2
"""The portal as guests meet it: one slow phone, many at once, the search, and what axe and Lighthouse find.

The peer of a page is a file of the same bytes served by the same nginx; the limit of a search is the bare FTS5 query.
Other work on the machine shows in every figure: ratios are taken in turns, so that it shows on both sides.
"""

import sys
import tempfile
from pathlib import Path

from lab.bench import portal_eyes, portal_load
from lab.bench.figures import Figure
from lab.bench.portal_stage import stage


def figures() -> list[Figure]:
    """Measure everything; what can't be measured here is said and left out."""
    why = portal_load.possible()
    if why:
        print(f"bench: the portal is not measured: {why}", file=sys.stderr)
        return []
    with tempfile.TemporaryDirectory(prefix="parvis-bench-") as name, stage(Path(name)) as made:
        found = portal_load.search_ratio(made)
        found += portal_load.kept_pages(made) + portal_load.searched_pages(made)
        if not Path(portal_eyes.CHROMIUM).exists():
            print("bench: Chromium is not installed: nothing is seen by eyes", file=sys.stderr)
            return found
        with portal_eyes.chromium() as browser:
            found = portal_eyes.slow_phone(made, browser) + found + portal_eyes.axe(made, browser)
        return found + portal_eyes.lighthouse(made)
