# SPDX-License-Identifier: EUPL-1.2
"""No link leads out of the kiosk."""

import pytest

from kiosk import outside


def test_a_link_becomes_words_and_an_address_to_take_away():
    """The link's words stay, its address follows, no element with an address is left."""
    found = outside.without_links('<p>See <a href="https://www.exemple.fr/a?b=1&amp;c=2">here</a>.</p>')
    assert found.html == '<p>See here <span class="address">(exemple.fr/a?b=1&amp;c=2)</span>.</p>'
    assert found.links == ("https://www.exemple.fr/a?b=1&c=2",)


@pytest.mark.parametrize(
    "html",
    [
        '<a href="javascript:alert(1)">x</a>',
        '<a href="file:///etc/passwd">x</a>',
        "<a href=//evil.example>x</a>",
        '<a href="/leave">x</a>',
        '<a><a href="x">x',
        '<img src=x onerror=alert(1)><iframe src="https://a.example"></iframe><svg/onload=alert(1)>',
        '<form action="https://a.example"><input name=q></form>',
        '<p style="x" onclick="y">t',
    ],
)
def test_nothing_that_could_lead_away_is_left(html):
    """Whatever a publisher lets slip, the result holds no address and no handler."""
    found = str(outside.without_links(html).html).lower()
    assert not any(word in found for word in ("<a", "href", "src=", "onerror", "onload", "onclick", "<form", "<iframe"))


@pytest.mark.parametrize("raw", [None, 3, "", "ftp://a.example", "https://", "https://a b", "https://[::1", "x" * 400])
def test_only_a_web_address_makes_a_code(raw):
    """A QR code leads to a page or isn't shown."""
    assert outside.web_address(raw) == ""


def test_a_code_is_plain_inline_svg():
    """The code needs no style, script or image of its own, and isn't read out."""
    svg = outside.code("https://exemple.fr/")
    assert svg.startswith("<svg ")
    assert 'aria-hidden="true"' in svg
    assert "style" not in svg
