# SPDX-License-Identifier: EUPL-1.2
"""What is read of the uplink's state."""

import pytest

from edge_core import uplink


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ('{"up": false, "since": 12.5}', uplink.Uplink(up=False, since=12.5)),
        ('{"up": true, "since": 0, "more": 1}', uplink.Uplink(up=True, since=0.0)),
        ('{"up": 1, "since": 0}', None),
        ('{"up": true}', None),
        ('{"up": true, "since": -1}', None),
        ("{" * 5000, None),
        ("\\xff", None),
    ],
)
def test_only_what_is_right_is_believed(tmp_path, written, read):
    """A file that is none of ours says nothing, and costs nothing."""
    (tmp_path / uplink.NAME).write_text(written)
    assert uplink.read(tmp_path) == read


def test_no_file_says_nothing(tmp_path):
    """Where nobody watches the uplink, nobody is told anything."""
    assert uplink.read(tmp_path / "nowhere") is None
