# SPDX-License-Identifier: EUPL-1.2
"""Phones that join the site's WiFi: one with a real DHCP client and a real browser, and a crowd of simulated ones."""
