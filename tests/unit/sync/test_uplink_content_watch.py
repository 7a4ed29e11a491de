# SPDX-License-Identifier: EUPL-1.2
"""Looking for content: whatever a download does, the next one comes and the uplink never notices."""

from types import SimpleNamespace

from edge_core.errors import ContentError
from sync.content_watch import ContentWatch


def test_version_is_what_is_served():
    """The version of the last good look is told, also when that look brought an error."""
    good = SimpleNamespace(changed=True, version=3, error=None)
    results = iter([good, SimpleNamespace(changed=False, version=3, error="x")])
    watch = ContentWatch(lambda: next(results), 60)
    watch.look()
    watch.look()
    assert watch.version == 3


def test_failures_end_nothing():
    """An expected error, a lost disk and a defect leave what was served before."""
    watch = ContentWatch(lambda: SimpleNamespace(changed=True, version=5, error=None), 60)
    watch.look()
    for failure in (ContentError("unsigned"), OSError("gone"), RuntimeError("defect")):
        watch._check = _raiser(failure)
        watch.look()
    assert watch.version == 5


def _raiser(error):
    def check():
        raise error

    return check
