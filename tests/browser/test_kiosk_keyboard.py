# SPDX-License-Identifier: EUPL-1.2
"""The keyboard of the page in a real Chromium: while it is open, nothing that a visitor needs is behind its keys."""

import pytest

from .kiosk_page import screen

pytestmark = pytest.mark.browser
FORMS = (
    "find", "visit", "visit/oeuvre/-", "invited", "leaving?why=foreign", "service/salle-galet",
    "service/message", "reception/door",
)  # fmt: skip
# Whole, above the keys, and what a finger meets there.
REACHED = """element => {
  const box = element.getBoundingClientRect();
  const met = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
  const keys = document.getElementById("keyboard").getBoundingClientRect();
  const end = keys.height ? keys.top : innerHeight;
  return box.top >= 0 && box.bottom <= end && (met === element || element.contains(met));
}"""
OPEN = "() => !document.getElementById('keyboard').hidden"
CLOSED = "() => document.getElementById('keyboard').hidden"


@pytest.mark.parametrize(("layout", "view"), [("standing", "fr-l"), ("desk", "fr")])
def test_field_and_button_are_reached_with_the_keyboard_open(chromium, base, layout, view):
    """On each form, from each field: the field is seen, and whoever scrolls to the button can press it."""
    hidden = []
    with screen(chromium, layout) as page:
        for path in FORMS:
            page.goto(f"{base}/{view}/{path}")
            for number, field in enumerate(page.locator("[data-keyboard]").all()):
                field.focus()
                page.wait_for_function(OPEN)
                send = field.locator("xpath=ancestor::form").locator("button:not([type=button])")
                if not field.evaluate(REACHED):
                    hidden.append((path, number, "field"))
                send.evaluate("button => button.scrollIntoView({block: 'nearest'})")
                if not send.evaluate(REACHED):
                    hidden.append((path, number, "button"))
                page.evaluate("document.scrollingElement.scrollTop = document.body.scrollTop = 1e6")
                if page.evaluate("document.querySelector('main').getBoundingClientRect().bottom > keyboard.offsetTop"):
                    hidden.append((path, number, "end of the page"))
    assert hidden == []


def test_the_keyboard_opens_for_who_was_quicker_than_it(chromium, base):
    """The field was touched before the script was there: it opens all the same, and later at each touch."""
    with screen(chromium, "standing") as page:
        held = []
        page.route("**/keyboard.*.js", lambda route: held.append(route))  # noqa: PLW0108  a route wants a function
        page.goto(f"{base}/fr/find", wait_until="commit")
        page.locator("#q").click()
        page.wait_for_function("() => document.activeElement.id === 'q'")
        assert page.evaluate(CLOSED)
        while not held:
            page.wait_for_timeout(20)
        held[0].continue_()
        page.wait_for_function(OPEN)
        page.evaluate("keyboard.hidden = true")
        page.locator("#q").click()
        page.wait_for_function(OPEN)


def test_the_last_key_leads_to_the_button(chromium, base):
    """OK goes from field to field, then closes the keyboard at the button that sends; a text has lines instead."""
    with screen(chromium, "desk") as page:
        page.goto(f"{base}/fr-l/visit/oeuvre/-")
        page.locator("#name").tap()
        page.get_by_role("button", name="OK, continuer").tap()
        page.wait_for_function("() => document.activeElement.id === 'people'")
        page.get_by_role("button", name="OK, continuer").tap()
        page.wait_for_function(CLOSED)
        send = page.locator("form.ask button:not([type=button])")
        assert send.evaluate("button => button === document.activeElement")
        assert send.evaluate(REACHED)
        page.goto(f"{base}/fr/service/message")
        page.locator("textarea").first.tap()
        page.get_by_role("button", name="Nouvelle ligne").tap()
        assert page.locator("textarea").first.input_value() == "\n"


def test_the_page_stays_where_it_was(chromium, base):
    """Opened and closed, the keyboard moves nothing under the finger that chooses something else."""
    with screen(chromium, "desk") as page:
        page.goto(f"{base}/fr/visit/oeuvre/-")
        page.locator("#name").tap()
        page.wait_for_function(OPEN)
        page.evaluate("document.body.scrollTop = 250")
        at = "document.querySelector('[name=tickets]').getBoundingClientRect().top"
        before = page.evaluate(at)
        page.locator("[name=tickets]").evaluate("box => box.focus({preventScroll: true})")
        page.wait_for_function(CLOSED)
        assert abs(page.evaluate(at) - before) < 1
