# SPDX-License-Identifier: EUPL-1.2
"""The publisher's side: a folder of open formats in, a signed content repository out."""
