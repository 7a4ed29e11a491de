# SPDX-License-Identifier: EUPL-1.2
"""What all events of a device have in common; which there are is said by `events`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


@dataclass(frozen=True, kw_only=True)
class Event:
    """What all events have: a type (CloudEvents `type`) and a class, which is the last level of the MQTT topic."""

    type: ClassVar[str]
    klass: ClassVar[str]
    coarsened: ClassVar[Mapping[str, Callable[[Any], Any]]] = {}
    """Members of one person's session and how they are told; with any, its moment is told to five minutes too."""

    def data(self) -> dict[str, Any]:
        """Return the CloudEvents `data`, ready for JSON."""
        return {**vars(self), **{name: tell(getattr(self, name)) for name, tell in self.coarsened.items()}}
