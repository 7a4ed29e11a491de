# SPDX-License-Identifier: EUPL-1.2
"""The reference platform's registration desk: gives devices certificates for one-use codes (contracts/enrolment)."""
