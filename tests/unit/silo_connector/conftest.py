"""A platform and a site, fresh for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from silo_connector.trainer.orders import urgent_lane
from silo_connector.trainer.trainer import Trainer
from tests.unit.silo_connector.fake_platform import FakePlatform
from tests.unit.silo_connector.sites import Site, enrolled, make_site
from tests.unit.silo_connector.urgent import Batches


@pytest.fixture
async def platform() -> AsyncIterator[FakePlatform]:
    found = FakePlatform()
    server = await found.start()
    yield found
    await server.close()


@pytest.fixture
async def site(tmp_path: Path, platform: FakePlatform) -> Site:
    return await enrolled(make_site(tmp_path, platform))


@pytest.fixture
def trainer(site: Site) -> Iterator[Trainer]:
    """A trainer that has started, in this process; a test calls `look`."""
    found = Trainer(site.config)
    found.start()
    yield found
    found.close()


@pytest.fixture
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """The inbox is looked at before every batch."""
    monkeypatch.setattr(urgent_lane, "LOOK_EVERY_S", 0.0)


@pytest.fixture
def batches(monkeypatch: pytest.MonkeyPatch) -> Batches:
    return Batches(monkeypatch)
