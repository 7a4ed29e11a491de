# SPDX-License-Identifier: EUPL-1.2
"""A whole Debian with systemd as its first process, in a container, to provision devices for real."""
