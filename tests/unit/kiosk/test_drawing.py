# SPDX-License-Identifier: EUPL-1.2
"""What a plan's drawing shows."""

import pytest

from kiosk.drawing import Box, box


@pytest.mark.parametrize(
    ("head", "found"),
    [
        ('<?xml version="1.0"?><svg viewBox="0 0 1200 760">', Box(0, 0, 1200, 760)),
        ("<svg\n viewBox='-10,-5.5 20 .5' width='3'>", Box(-10, -5.5, 20, 0.5)),
        ('<svg width="300px" height="200">', Box(0, 0, 300, 200)),
        ('<svg width="100%" height="100%">', None),
        ('<svg viewBox="0 0 0 0">', None),
        ('<svg viewBox="nan nan 1 1">', None),
        ("", None),
        ("<svg " + "a" * 100_000, None),
    ],
)
def test_the_view_box_is_read_from_the_opening_tag(head, found):
    """A drawing that doesn't say its size is not drawn on; it is no error."""
    assert box(head) == found
