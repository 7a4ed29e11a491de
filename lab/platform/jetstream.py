# SPDX-License-Identifier: EUPL-1.2
"""What devices say, read from a replicated stream of a NATS cluster by a durable pull group: the only module with nats.

Any number of platforms may share the group; each message goes to one of them, and to another when that one does not
confirm it in time. It is confirmed after the commit. The stream is only a wide mouth: devices send again what it loses.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import nats
from nats.errors import Error as NatsError
from nats.js.api import AckPolicy, ConsumerConfig, DiscardPolicy, RetentionPolicy, StreamConfig

from lab.platform.inbox import Inbox, Message

if TYPE_CHECKING:
    from collections.abc import Sequence

log = logging.getLogger(__name__)
STREAM, GROUP = "PARVIS", "platform"
SUBJECTS = [f"parvis.1.*.*.{rest}" for rest in ("state", "birth", "replied", "reported", "ev.*")]
_BATCH = 200
_PATIENCE = 15.0  # seconds after which a message goes to another consumer
_KEPT = 2 << 30  # bytes: beyond, the oldest go, and their devices send them again
_TRIES = 120


class Pull(threading.Thread):
    """Fetches into the inbox until `end`. `up` tells whether the cluster answers."""

    def __init__(self, urls: str, inbox: Inbox, replicas: int) -> None:
        super().__init__(name="jetstream", daemon=True)
        self._urls = urls.split(",")
        self._inbox, self._replicas = inbox, replicas
        self._ending = threading.Event()
        self.up = False

    def run(self) -> None:
        """Stay connected, whatever becomes of the nodes."""
        while not self._ending.is_set():
            try:
                asyncio.run(self._serve())
            except (OSError, NatsError, TimeoutError) as error:
                log.warning("The cluster does not answer (%s); trying again.", type(error).__name__)
            self.up = False
            self._ending.wait(0.5)

    def end(self) -> None:
        """Stop after the fetch at hand; what was not confirmed goes to another consumer."""
        self._ending.set()
        self.join(10)

    async def _serve(self) -> None:
        client = await nats.connect(
            self._urls, max_reconnect_attempts=-1, reconnect_time_wait=0.2, error_cb=_ignore, connect_timeout=5
        )
        try:
            stream = client.jetstream(timeout=5)
            await _prepare(stream, self._replicas)
            group = await stream.pull_subscribe_bind(GROUP, STREAM)
            loop = asyncio.get_running_loop()
            self.up = True
            while not self._ending.is_set():
                with suppress(TimeoutError):
                    await self._hand_over(await group.fetch(_BATCH, timeout=1), loop)
        finally:
            await client.close()

    async def _hand_over(self, messages: Sequence[Any], loop: asyncio.AbstractEventLoop) -> None:
        """Put them all from one thread: going to another for each costs more than the message does."""

        def put() -> list[Any]:
            ways = [(m, Message(m.subject.replace(".", "/"), m.data, _Settle(m, loop))) for m in messages]
            return [message for message, one in ways if not self._inbox.put(one)]

        for message in await asyncio.to_thread(put):
            await message.nak(1)


class _Settle:
    """Confirms a message from the writer's thread."""

    def __init__(self, message: Any, loop: asyncio.AbstractEventLoop) -> None:
        self._message, self._loop = message, loop

    def __call__(self) -> None:
        """Confirm; where the connection is gone, the message comes again, which is safe."""
        with suppress(RuntimeError):
            asyncio.run_coroutine_threadsafe(self._quietly(), self._loop)

    async def _quietly(self) -> None:
        with suppress(NatsError, OSError):
            await self._message.ack()


async def _prepare(stream: Any, replicas: int) -> None:
    """Make stream and group; the first consumer does, and a young cluster may need a while to choose its leaders."""
    wanted = StreamConfig(
        name=STREAM, subjects=SUBJECTS, num_replicas=replicas, max_bytes=_KEPT, discard=DiscardPolicy.OLD,
        retention=RetentionPolicy.WORK_QUEUE,
    )  # fmt: skip
    group = ConsumerConfig(
        durable_name=GROUP, ack_policy=AckPolicy.EXPLICIT, ack_wait=_PATIENCE, max_ack_pending=20000, max_waiting=512
    )
    for attempt in range(_TRIES):
        try:
            await stream.add_stream(wanted)
            await stream.add_consumer(STREAM, group)
        except (NatsError, TimeoutError):
            if attempt == _TRIES - 1:
                raise
            await asyncio.sleep(0.5)
        else:
            return


async def _ignore(_error: Exception) -> None:
    """Say nothing of each lost connection: the client comes back by itself, and /healthz tells."""
