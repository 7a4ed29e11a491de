# SPDX-License-Identifier: EUPL-1.2
"""The gateway agent: the only code with CAP_NET_ADMIN. It makes the kernel agree with the grants, and counts."""
