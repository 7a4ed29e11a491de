# SPDX-License-Identifier: EUPL-1.2
"""The only code that talks to the platform: events up, replies and signed content down."""
