# SPDX-License-Identifier: EUPL-1.2
"""The reception kiosk's pages: read from the local store only, so that they are there with everything else down."""
