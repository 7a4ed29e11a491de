# SPDX-License-Identifier: EUPL-1.2
"""The way down: fetches the signed content repository, verifies it and applies it to content.db in one transaction."""

from sync.downlink.check import Downlink, Result

__all__ = ["Downlink", "Result"]
