# SPDX-License-Identifier: EUPL-1.2
"""What several tests of sync stand on: a broker that forgets, a device whose `sync` is not started, processes."""

import pytest

from lab.faults.site import Broker, Device


@pytest.fixture
def broker(tmp_path):
    """Return a running Mosquitto without any persistence: a killed one has forgotten everything."""
    made = Broker(tmp_path / "broker")
    made.start()
    yield made
    made.kill()


@pytest.fixture
def device(tmp_path, broker):
    """Return a device whose `sync` is not started yet."""
    made = Device(tmp_path / "device", broker.port)
    yield made
    made.sync.kill()
    made.store.close()


@pytest.fixture
def kept():
    """Return a list of processes that are killed in the end."""
    processes = []
    yield processes
    for process in reversed(processes):
        process.kill()
