# SPDX-License-Identifier: EUPL-1.2
"""Commands to a process of the lab and its answers, as JSON lines over its stdin and stdout."""

import json
import sys
import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import subprocess

Answer = dict[str, Any]
Handler = Callable[..., Answer]


class RefusedError(Exception):
    """The process could not do what was asked; the message is its own."""


class Peer:
    """Asks a process that runs `serve`; any thread may, one question at a time."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        """Take a process started with pipes."""
        self._process = process
        self._lock = threading.Lock()

    def ask(self, do: str, **arguments: Any) -> Answer:
        """Return the answer to a command; RefusedError with the reason when it failed or the process is gone."""
        ends = (self._process.stdin, self._process.stdout)
        if ends[0] is None or ends[1] is None:
            raise RefusedError("the process was started without pipes")
        with self._lock:
            try:
                ends[0].write(json.dumps({"do": do, **arguments}) + "\n")
                ends[0].flush()
                line = ends[1].readline()
            except (OSError, ValueError) as error:
                raise RefusedError(f"the process does not listen any more ({error})") from error
        if not line:
            raise RefusedError(f"the process ended while asked to {do}")
        answer: Answer = json.loads(line)
        if "error" in answer:
            raise RefusedError(str(answer["error"]))
        return answer


def serve(handlers: Mapping[str, Handler]) -> None:
    """Answer commands from stdin until it closes. Whatever fails is an answer too: the process lives on."""
    for line in sys.stdin:
        asked: Answer = json.loads(line)
        try:
            answer = handlers[str(asked.pop("do"))](**asked)
        except Exception as error:  # noqa: BLE001 - the edge of a loop: the asker is told, and decides
            answer = {"error": f"{type(error).__name__}: {error}"}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()
