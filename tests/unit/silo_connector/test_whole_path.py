"""Both processes for real, from enrolment to submission, against a small platform."""

from __future__ import annotations

import json

from federation.protocol.documents import Manifest, Order, OrderKind
from tests.unit.silo_connector.fake_platform import FakePlatform, weights_of
from tests.unit.silo_connector.sites import Site, kill


def train_order(site: Site, fill: float = 0.0, **changes: object) -> tuple[Order, Manifest]:
    declaration = site.declaration
    manifest = site.platform.manifest(declaration.schema_digest, len(declaration.features()))
    return site.platform.order(manifest, weights_of(manifest.layout, fill), **changes), manifest


async def test_an_order_becomes_a_submission(site: Site, platform: FakePlatform) -> None:
    relay, trainer = await site.start("relay"), await site.start("trainer")
    try:
        await platform.until(lambda: platform.datasets)
        assert platform.registration().rows_coarse == 60
        order, manifest = train_order(site)
        order_id = platform.issue(order, manifest)
        await platform.until(lambda: platform.submissions)
        submission = platform.answered()
        assert submission.training is not None
        assert submission.training.steps == 5
        assert submission.evaluation is not None
        assert submission.evaluation.rows == 21
        assert submission.payload is not None
        assert submission.payload.digest in platform.complete
        evaluate = platform.order(manifest, weights_of(manifest.layout, 0.5), number=2, kind=OrderKind.EVALUATE)
        platform.issue(evaluate, manifest)
        await platform.until(lambda: len(platform.submissions) == 2)
        assert platform.answered().payload is None
        await platform.until(lambda: not list((site.config.spool / "outbox").glob("*-*-*-*")))
        assert not (site.config.spool / "inbox" / order_id).exists()
        for state in (site.config.trainer_state, site.config.relay_state):
            lines = [json.loads(line) for line in (state / "egress.jsonl").read_text().splitlines()]
            assert submission.payload.digest in {line["digest"] for line in lines}
    finally:
        await kill(relay)
        await kill(trainer)
