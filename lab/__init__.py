# SPDX-License-Identifier: EUPL-1.2
"""The world outside the box, never in the wheel: networks, phones, a reference platform, the demo, the benchmarks."""
