# SPDX-License-Identifier: EUPL-1.2
"""What those who look after a device see of it: metrics, health, the device page. It changes the store alone."""
