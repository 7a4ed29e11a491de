# SPDX-License-Identifier: EUPL-1.2
"""The kiosk's pages for real browsers: the sample park, its layouts, an application on loopback, a touch screen."""

import runpy
import threading
from contextlib import contextmanager
from pathlib import Path

from werkzeug.serving import make_server

SAMPLE = runpy.run_path(str(Path(__file__).parents[1] / "unit" / "kiosk" / "sample.py"))
LAYOUTS = {"standing": (1080, 1920), "desk": (1280, 800)}
BROKEN = r"""() => {
  const broken = [], texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node; (node = texts.nextNode());) {
    if (!node.parentElement.checkVisibility() || node.parentElement.closest(".hidden")) continue;
    for (const word of node.data.matchAll(/[\p{L}\p{N}]+/gu)) {
      const range = document.createRange();
      range.setStart(node, word.index);
      range.setEnd(node, word.index + word[0].length);
      const lines = new Set([...range.getClientRects()].map(box => Math.round(box.top)));
      if (lines.size > 1) broken.push(word[0]);
    }
  }
  return broken;
}"""
"""Finds the words of a page that stand on two lines; at a hyphen or an apostrophe a word may break."""


@contextmanager
def serving(app, port=0):
    """Serve an application on loopback, on a free port."""
    server = make_server("127.0.0.1", port, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def screen(chromium, layout="standing", expected=("404", "503"), **options):
    """Open a touch screen; whatever the page says is wrong, or loads from elsewhere, fails the test at its end."""
    width, height = LAYOUTS[layout]
    context = chromium.new_context(viewport={"width": width, "height": height}, has_touch=True, **options)
    page = context.new_page()
    wrong: list[str] = []
    asked: set[str] = set()
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda line: wrong.append(line.text) if line.type == "error" else None)
    page.on("request", lambda request: asked.add(request.url.split("/")[2]))
    try:
        yield page
        assert [line for line in wrong if not any(known in line for known in expected)] == []
        assert len(asked) == 1, asked
    finally:
        context.close()


def press(page, keys):
    """Write on the keyboard of the page, once it is there; a key of its other layer is looked for there."""
    board = page.locator("#keyboard")
    board.locator("button").first.wait_for()
    for key in keys:
        wanted = board.locator(f"button[data-key='{key}']")
        if wanted.count() == 0:
            board.locator("button[data-key='Ⓐ'], button[data-key='Ⓔ']").tap()
        wanted.tap()
