# SPDX-License-Identifier: EUPL-1.2
"""What all tests share: properties are judged by what comes out, never by how long a loaded machine takes for it."""

from hypothesis import settings

settings.register_profile("parvis", deadline=None)
settings.load_profile("parvis")
