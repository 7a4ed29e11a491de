# SPDX-License-Identifier: EUPL-1.2
"""The kiosk's device service: scanners, ticket printer, screen; the one process of the kiosk that opens hardware."""
