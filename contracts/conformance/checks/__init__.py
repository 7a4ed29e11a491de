# SPDX-License-Identifier: EUPL-1.2
"""One function for each requirement that can be seen from outside, by what it looks at."""
