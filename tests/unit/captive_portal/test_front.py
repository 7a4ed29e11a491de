# SPDX-License-Identifier: EUPL-1.2
"""Whose word about a guest's address is believed."""

from __future__ import annotations

from captive_portal import front


def seen(environ):
    """Return the peer's address and the claim that the application sees."""
    found = []

    def application(inner, _start):
        found.append((inner.get("REMOTE_ADDR"), inner.get("HTTP_X_PARVIS_PEER")))
        return []

    front.behind(application)(environ, None)
    return found[0]


def test_the_front_is_believed_over_the_unix_socket():
    """Over the unix socket the peer is the one that the front names."""
    assert seen({"REMOTE_ADDR": "", "HTTP_X_PARVIS_PEER": "10.77.0.5"}) == ("10.77.0.5", None)


def test_a_guest_is_not_believed_over_tcp():
    """A guest who reaches the portal by TCP can't speak as another."""
    assert seen({"REMOTE_ADDR": "10.77.0.9", "HTTP_X_PARVIS_PEER": "10.77.0.5"}) == ("10.77.0.9", None)
