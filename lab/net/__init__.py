# SPDX-License-Identifier: EUPL-1.2
"""The lab's networks: namespaces for guests, gateway and internet, and what stands in the internet."""
