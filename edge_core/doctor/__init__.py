# SPDX-License-Identifier: EUPL-1.2
"""Says what is wrong with a device, why, and what mends it; it looks and changes nothing."""
