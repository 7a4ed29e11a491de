# SPDX-License-Identifier: EUPL-1.2
"""What those who look after a device see of it over HTTP: metrics and health. It reads; it never changes the kernel."""
