# SPDX-License-Identifier: EUPL-1.2
"""How a device gets, renews and shows its identity; the protocol is contracts/enrolment."""
