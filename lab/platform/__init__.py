# SPDX-License-Identifier: EUPL-1.2
"""The reference platform: the other end of contracts/, written from them alone. It imports none of the product."""
