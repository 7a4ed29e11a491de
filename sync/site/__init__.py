# SPDX-License-Identifier: EUPL-1.2
"""What the gateways of one site tell each other over its broker, so that a device keeps its session on all of them."""
