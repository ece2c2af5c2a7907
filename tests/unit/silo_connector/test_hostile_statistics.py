"""A platform with its own key asks for statistics: no other edges, no more jobs a day, no small cell, no single row."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import numpy as np
import pytest

from federation.errors import Invalid
from federation.protection.clear import Clear
from federation.protocol.digests import digest_bytes
from federation.protocol.documents import (
    UPDATE,
    Environment,
    Manifest,
    Order,
    OrderKind,
    Payload,
    StatisticsRequest,
    Submission,
    now,
    sign_document,
)
from federation.protocol.keys import PrivateKey
from federation.statistics.columns import ColumnShape
from federation.statistics.report import REPORT, ColumnReport, StatisticsReport, encode_report, read_report
from federation.targets import target_of
from silo_connector import spool
from silo_connector.trainer.egress.filter import Bounds, StatisticsBounds, sign_if_allowed
from silo_connector.trainer.refusals import Refused
from silo_connector.trainer.store.order_store import Memory
from silo_connector.trainer.store.statistics import DatasetFile, RowState
from silo_connector.trainer.trainer import Trainer
from tests.unit.silo_connector.sites import ROOT, TINY, Site

EDGES = "histogram_edges = [0.0, 2.0, 4.0, 6.0]"
AGREED: dict[str, Any] = {
    "training_limits": {"tasks": ["train", "evaluate", "statistics"]},
    "disclosure": {"minimum_cell": 5},
}


@pytest.fixture
def counting(site: Site) -> Site:
    """A site whose organisation has agreed to statistics, with edges for its column a."""
    (site.folder / "tiny.toml").write_text(TINY.replace('"a", type = "number"', f'"a", type = "number", {EDGES}'))
    site.agree(**AGREED)
    return site


@pytest.fixture
def trainer(counting: Site) -> Any:
    """A trainer of that site."""
    found = Trainer(counting.config)
    found.start()
    yield found
    found.close()


def job(site: Site, *columns: str, **changes: Any) -> Manifest:
    """A job of statistics that fits the data: what an honest platform would sign, but for the changes."""
    given = site.job(limits={"update_norm_l2_max": 1e4, "minimum_cell": changes.pop("minimum_cell", 5)})
    of_model = ("model", "n_features", "n_classes", "layout", "initial_model_digest", "strategy", "local", "target")
    content = {name: getattr(given, name) for name in given.model_fields_set if name not in of_model}
    content |= {"task": "statistics", "rounds": 0, "statistics": StatisticsRequest(columns=columns or ("a", "b"))}
    return Manifest.model_validate(content | {"job_id": uuid4()} | changes)


NUMBERS = iter(range(100, 10**6))


def order(site: Site, manifest: Manifest, **changes: Any) -> Order:
    """An order of that job, about no model."""
    others = {name: change for name, change in changes.items() if name != "outputs"}
    given = site.platform.order(manifest, b"", number=next(NUMBERS), kind=OrderKind.STATISTICS, **others)
    grant = given.outputs[UPDATE].model_copy(update={"kind": "statistics.v1"})
    content = {name: getattr(given, name) for name in given.model_fields_set}
    return Order.model_validate(content | {"inputs": {}, "outputs": {REPORT: grant}} | changes)


def ask(site: Site, trainer: Trainer, manifest: Manifest, **changes: Any) -> Order:
    """An order, answered."""
    asked = order(site, manifest, **changes)
    site.deliver(asked, manifest)
    trainer.process_inbox()
    return asked


def answer(site: Site, asked: Order) -> StatisticsReport:
    """What left for it."""
    statement = site.submission(asked)
    payload = (site.outbox / str(asked.order_id) / spool.output_file(REPORT)).read_bytes()
    assert (statement.model_digest, statement.payloads[REPORT].digest) == (None, digest_bytes(payload))
    return read_report(payload)


async def test_what_is_reported_are_the_own_declaration_s_cells(counting: Site, trainer: Trainer) -> None:
    report = answer(counting, ask(counting, trainer, job(counting)))
    values = np.array([i % 7 for i in range(60)])
    bins = np.histogram(values, [0, 2, 4, 6])[0]
    a, b = report.columns
    assert (report.rows, a.edges, a.missing, a.cells) == (60, (0.0, 2.0, 4.0, 6.0), 0, (0, *bins, 0))
    assert (a.mean, b.edges, b.cells) == (round(float(values.mean()), 3), None, (60,))


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ({"parameters": {"edges": {"a": [0.0, 1.0, 6.0]}}}, "order.parameters"),
        ({"parameters": {"histogram_edges": [0, 1]}}, "order.parameters"),
        ({"outputs": {}}, "order.artefacts"),
        ({"round": 2}, "order.round_beyond"),
    ],
)
async def test_an_order_can_ask_for_no_other_edges(
    counting: Site, trainer: Trainer, said: dict[str, Any], code: str
) -> None:
    assert counting.refusal(ask(counting, trainer, job(counting), **said)) == code


async def test_edges_in_a_manifest_are_refused_with_it(counting: Site, trainer: Trainer) -> None:
    manifest = job(counting)
    sealed = manifest.model_dump_json().replace('"columns":["a","b"]', '"columns":["a"],"edges":[0,1,6]')
    from federation.protocol import envelope

    signed = envelope.sign(sealed.encode(), Manifest.payload_type, counting.platform.key)
    asked = order(counting, manifest, manifest_digest=digest_bytes(signed))
    folder = counting.deliver(asked, manifest)
    (folder / spool.MANIFEST).write_bytes(signed)
    trainer.process_inbox()
    assert counting.refusal(asked) == "document.malformed"


async def test_columns_that_are_not_declared_and_other_tasks_are_refused(counting: Site, trainer: Trainer) -> None:
    assert counting.refusal(ask(counting, trainer, job(counting, "c"))) == "statistics.unknown_column"
    trains = counting.job()
    assert counting.refusal(ask(counting, trainer, trains)) == "order.task_mismatch"
    manifest = job(counting)
    evaluates = counting.order(trains, number=next(NUMBERS), kind=OrderKind.EVALUATE, outputs={})
    content = {name: getattr(evaluates, name) for name in evaluates.model_fields_set}
    digest = digest_bytes(sign_document(manifest, counting.platform.key))
    mixed = Order.model_validate(content | {"job_id": manifest.job_id, "manifest_digest": digest})
    counting.deliver(mixed, manifest)
    trainer.process_inbox()
    assert counting.refusal(mixed) == "order.task_mismatch"


async def test_without_the_agreement_s_word_nothing_is_counted(counting: Site, trainer: Trainer) -> None:
    counting.agree(disclosure={"minimum_cell": 5})
    assert counting.refusal(ask(counting, trainer, job(counting))) == "agreement.task"


async def test_a_job_s_smaller_minimum_cell_is_not_the_silo_s(counting: Site, trainer: Trainer) -> None:
    asked = ask(counting, trainer, job(counting, minimum_cell=1))
    assert counting.refusal(asked) == "agreement.minimum_cell"


async def test_small_cells_and_what_gives_them_away_stay_at_home(counting: Site, trainer: Trainer) -> None:
    rows = [*[1] * 30, *[3] * 2, *[5] * 28]
    (counting.folder / "tiny.csv").write_text("a,b,y\n" + "\n".join(f"{a},{i},{i % 2}" for i, a in enumerate(rows)))
    a, b = answer(counting, ask(counting, trainer, job(counting))).columns
    assert a.cells == (0, None, None, 28, 0)
    assert (a.mean, a.variance) == (None, None)
    assert b.mean is not None


async def test_a_platform_gets_no_more_jobs_a_day(counting: Site, trainer: Trainer) -> None:
    first = job(counting)
    for manifest in (first, job(counting, "a"), job(counting, "b")):
        answer(counting, ask(counting, trainer, manifest))
    refused = ask(counting, trainer, job(counting))
    assert counting.refusal(refused) == "statistics.per_day"
    assert "00:00 UTC" in counting.outcome(refused).message  # type: ignore[union-attr]
    answer(counting, ask(counting, trainer, first, attempt=2))
    trainer.close()
    again = Trainer(counting.config)
    again.start()
    assert counting.refusal(ask(counting, again, job(counting))) == "statistics.per_day"
    again.close()


async def test_the_same_order_again_gets_the_same_bytes_and_counts_once(counting: Site, trainer: Trainer) -> None:
    manifest = job(counting)
    asked = ask(counting, trainer, manifest)
    before = (counting.outbox / str(asked.order_id) / spool.DOCUMENT).read_bytes()
    for _ in range(4):
        counting.deliver(asked, manifest)
        trainer.process_inbox()
    assert (counting.outbox / str(asked.order_id) / spool.DOCUMENT).read_bytes() == before
    answer(counting, ask(counting, trainer, job(counting)))
    answer(counting, ask(counting, trainer, job(counting)))


@pytest.mark.parametrize(("rows", "code"), [(61, "statistics.rows_too_near"), (64, "statistics.rows_too_near")])
async def test_one_row_more_can_t_be_distinguished(counting: Site, trainer: Trainer, rows: int, code: str) -> None:
    answer(counting, ask(counting, trainer, job(counting)))
    counting.write_rows(rows)
    assert counting.refusal(ask(counting, trainer, job(counting))) == code


async def test_enough_rows_more_are_answered_for_but_none_near_any_earlier_answer(
    counting: Site, trainer: Trainer
) -> None:
    answer(counting, ask(counting, trainer, job(counting)))
    counting.write_rows(65)
    assert answer(counting, ask(counting, trainer, job(counting))).rows == 65
    counting.write_rows(61)
    assert counting.refusal(ask(counting, trainer, job(counting))) == "statistics.rows_too_near"


async def test_rows_in_another_order_are_the_same_rows_and_a_changed_one_is_not(
    counting: Site, trainer: Trainer
) -> None:
    answer(counting, ask(counting, trainer, job(counting)))
    head, *lines = (counting.folder / "tiny.csv").read_text().splitlines()
    (counting.folder / "tiny.csv").write_text("\n".join([head, *reversed(lines)]))
    answer(counting, ask(counting, trainer, job(counting)))
    (counting.folder / "tiny.csv").write_text("\n".join([head, *lines[:-1], "6,2,0"]))
    assert counting.refusal(ask(counting, trainer, job(counting))) == "statistics.rows_too_near"


async def test_other_edges_of_the_same_rows_can_t_be_distinguished(counting: Site, trainer: Trainer) -> None:
    answer(counting, ask(counting, trainer, job(counting)))
    file = counting.folder / "tiny.toml"
    file.write_text(file.read_text().replace("[0.0, 2.0,", "[0.0, 3.0,"))
    assert counting.refusal(ask(counting, trainer, job(counting))) == "statistics.rows_too_near"


async def test_another_minimum_cell_over_the_same_rows_is_refused(counting: Site, trainer: Trainer) -> None:
    """With 5 the cells 50 and 3 are withheld, with 10 8, 30 and 3: the two together reveal them all."""
    bins = [-1] * 8 + [1] * 30 + [3] * 50 + [5] * 3 + [7] * 60
    rows = "\n".join(f"{a},{i},{i % 2}" for i, a in enumerate(bins))
    (counting.folder / "tiny.csv").write_text(f"a,b,y\n{rows}\n")
    cells = answer(counting, ask(counting, trainer, job(counting, "a"))).columns[0].cells
    assert cells == (8, 30, None, None, 60)
    counting.agree(**AGREED | {"disclosure": {"minimum_cell": 10}})
    other = ask(counting, trainer, job(counting, "a", minimum_cell=10))
    assert counting.refusal(other) == "statistics.rows_too_near"


@pytest.mark.parametrize("minimum_cell", [6, 60, 61, 1000])
async def test_a_job_s_larger_minimum_cell_reveals_nothing_of_the_number_of_rows(
    counting: Site, trainer: Trainer, minimum_cell: int
) -> None:
    """There are 60 rows: were it tried, the answer would say on which side of the asked number they are."""
    asked = ask(counting, trainer, job(counting, minimum_cell=minimum_cell))
    assert counting.refusal(asked) == "statistics.minimum_cell"


async def test_the_minimum_cell_of_a_job_that_names_none_is_taken_where_less_is_agreed(counting: Site) -> None:
    counting.agree(**AGREED | {"disclosure": {"minimum_cell": 3}})
    limits = replace(counting.config.limits, minimum_cell=1)
    trainer = Trainer(replace(counting.config, limits=limits))
    trainer.start()
    assert answer(counting, ask(counting, trainer, job(counting, minimum_cell=5))).minimum_cell == 5
    assert counting.refusal(ask(counting, trainer, job(counting, minimum_cell=6))) == "statistics.minimum_cell"
    trainer.close()


async def test_a_job_that_asks_again_and_again_does_not_learn_when_rows_change(
    counting: Site, trainer: Trainer
) -> None:
    manifest = job(counting)
    for attempt in range(1, 5):
        answer(counting, ask(counting, trainer, manifest, attempt=attempt))
    for rows, attempt in ((60, 5), (61, 6)):
        counting.write_rows(rows)
        assert counting.refusal(ask(counting, trainer, manifest, attempt=attempt)) == "statistics.asked_again"


DAY = datetime(2026, 5, 5, 23, 59, tzinfo=UTC)
STATE = RowState("sha256:" + "0" * 64, 100)


def admit(memory: Memory, moment: datetime, job_id: UUID | None = None, dataset: str = "tiny") -> None:
    memory.statistics.admit(DatasetFile(dataset), job_id or uuid4(), STATE, moment, per_day_max=2, minimum_cell=5)


def test_a_day_is_one_of_utc_and_of_one_dataset() -> None:
    memory = Memory(None)
    admit(memory, DAY)
    admit(memory, DAY)
    with pytest.raises(Refused):
        admit(memory, DAY)
    admit(memory, DAY, dataset="other")
    admit(memory, DAY.replace(day=6, hour=0, minute=0))
    memory.close()


def test_to_be_of_too_few_rows_counts_as_asked() -> None:
    memory = Memory(None)
    codes = []
    for _ in range(4):
        with pytest.raises(Refused) as refused:
            memory.statistics.admit(
                DatasetFile("tiny"), uuid4(), RowState("sha256:" + "0" * 64, 4), DAY, per_day_max=3, minimum_cell=5
            )
        codes.append(refused.value.code)
    memory.close()
    assert codes == [*["statistics.too_few_rows"] * 3, "statistics.per_day"]


KILLED = """
import os, signal, sys
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID
from silo_connector.trainer.store.order_store import Memory
from silo_connector.trainer.store.statistics import DatasetFile, RowState
memory = Memory(Path(sys.argv[1]))
for number in range(2):
    memory.statistics.admit(DatasetFile("tiny"), UUID(int=number), RowState("sha256:" + "0" * 64, 100),
                            datetime(2026, 5, 5, tzinfo=UTC), per_day_max=2, minimum_cell=5)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_was_admitted_is_known_after_a_kill(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], env=environment, check=False)
    assert done.returncode == -9
    memory = Memory(tmp_path)
    with pytest.raises(Refused) as refused:
        admit(memory, DAY.replace(hour=1))
    assert refused.value.code == "statistics.per_day"
    admit(memory, DAY.replace(hour=1), UUID(int=1))
    memory.close()


# --- what leaves is checked once more, whatever has made it -----------------------------------------------------------


def leaving(tmp_path: Path, site: Site, content: bytes, bounds: Bounds | None = None, **changes: Any) -> str | None:
    """The field for which a report of column a stays; None if it leaves."""
    file = tmp_path / "report"
    file.write_bytes(content)
    asked = order(site, job(site))
    statement = Submission(
        order_id=asked.order_id,
        number=asked.number,
        kind=asked.kind,
        silo_id=asked.silo_id,
        job_id=asked.job_id,
        manifest_digest=asked.manifest_digest,
        round=1,
        attempt=1,
        model_digest=None,
        payloads={REPORT: Payload(kind="statistics.v1", digest=digest_bytes(content), size_bytes=len(content))},
        environment=Environment(connector_version="test"),
        created_at=now(),
    ).model_copy(update=changes)
    shape = ColumnShape("a", "number", edges=(0.0, 2.0, 4.0, 6.0))
    try:
        sign_if_allowed(
            statement,
            PrivateKey.generate(),
            bounds or StatisticsBounds(OrderKind.STATISTICS, (shape,), 5, Clear(), asked.outputs),
            {REPORT: file} if statement.payloads else {},
        )
    except Invalid as error:
        return error.field
    return None


def reported(cells: tuple[int | None, ...], edges: tuple[float, ...] = (0.0, 2.0, 4.0, 6.0), **changes: Any) -> bytes:
    """A report of column a, in which no row misses a value."""
    rows = changes.pop("rows", 60)
    column = ColumnReport(name="a", type="number", edges=edges, missing=0, cells=cells, **changes)
    return encode_report(StatisticsReport(minimum_cell=5, rows=rows, columns=(column,)))


async def test_a_report_that_shows_too_much_stays_whatever_made_it(counting: Site, tmp_path: Path) -> None:
    good = reported((0, 20, 20, 20, 0), mean=3.0, variance=1.0)
    assert leaving(tmp_path, counting, good) is None
    assert leaving(tmp_path, counting, reported((0, 4, 36, 20, 0))) == "columns.cells"
    assert leaving(tmp_path, counting, reported((0, None, 40, 20, 0))) == "columns.cells"
    assert leaving(tmp_path, counting, reported((0, 20, 20, 20, 0), mean=3.00001, variance=1.0)) == "columns.cells"
    assert leaving(tmp_path, counting, reported((0, 20, 20, 20, 0), (0.0, 1.0, 4.0, 6.0))) == "columns.edges"
    assert leaving(tmp_path, counting, good, model_digest="sha256:" + "0" * 64) == "model_digest"
    assert leaving(tmp_path, counting, good, payloads={}) == "payloads"


async def test_no_bounds_of_a_model_let_statistics_leave(counting: Site, tmp_path: Path) -> None:
    """Only bounds of statistics look into the file."""
    asked = order(counting, job(counting))
    of_model = Bounds(OrderKind.TRAIN, (), Clear(), asked.outputs, 5, 1.0, frozenset(), target_of("binary", 2))
    raw = b'{"rows":[[63,1,"M"],[41,0,"F"]]}'
    for kind in (OrderKind.STATISTICS, OrderKind.EVALUATE):
        assert leaving(tmp_path, counting, raw, of_model, kind=kind) == "kind"
    assert leaving(tmp_path, counting, raw, of_model, kind=OrderKind.TRAIN) == f"payloads.{REPORT}.kind"
