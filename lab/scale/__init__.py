# SPDX-License-Identifier: EUPL-1.2
"""Many devices and a platform of several machines, as processes on loopback: what is measured for docs/scale.md."""
