"""A job of statistics, from the silos' files to what is released: about no model, in one round."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from federation.errors import Invalid
from federation.protocol import documents
from federation.protocol.envelope import payload_unverified
from federation.statistics.disclosure import rounded
from federation.statistics.pooling import PooledStatistics
from federation.statistics.report import encode_report
from registry.models import Model
from silo_connector.trainer.data.table import Numbers
from tests.support.cohort import Cohort
from tests.support.every import every
from tests.support.federation import DECLARATION, TEST
from tests.support.statistics_work import CountingSilo, asked_for, begin, bring_columns, count_through
from training.engine import answers, closing
from training.launch.actions import launch
from training.models import Job, Order, ReleasedStatistics

pytestmark = pytest.mark.django_db

FILES = ("processed.cleveland.data", "processed.hungarian.data", "processed.va.data")
AGE_EDGES = [20.0, 40.0, 50.0, 60.0, 80.0]


def declared(edges: list[float] | None = None) -> dict[str, Any]:
    """Heart disease, with edges for the ages."""
    reported = without_edges()
    for column in reported["columns"]:
        if column["name"] == "age":
            column["histogram_edges"] = edges or AGE_EDGES
    return reported


def without_edges() -> dict[str, Any]:
    """Heart disease, with no histogram at all."""
    by_name = {name: value for name, value in DECLARATION.items() if name != "source"}
    columns = [{name: value for name, value in one.items() if name != "histogram_edges"} for one in by_name["columns"]]
    return by_name | {"columns": columns}


@pytest.fixture
def silos(cohort: Cohort, heart_disease: Path) -> list[CountingSilo]:
    files = zip(cohort.federation.silos, FILES, strict=True)
    found = [bring_columns(played, declared(), heart_disease / file) for played, file in files]
    cohort.federation.agree()
    return found


def released(job: Job) -> PooledStatistics:
    return ReleasedStatistics.objects.get(job=job).pooled


def values_of(silos: list[CountingSilo], name: str) -> np.ndarray[Any, Any]:
    """The values of all silos' files in one table."""
    columns = [silo.columns[name] for silo in silos]
    found = [column.values[~column.missing] for column in columns if isinstance(column, Numbers)]
    assert len(found) == len(silos)
    return np.concatenate(found)


def test_a_job_of_statistics_releases_what_the_pooled_table_has(cohort: Cohort, silos: list[CountingSilo]) -> None:
    job = count_through(cohort.federation, silos, "age", "sex", "chol")
    assert (job.state, job.reason_code) == ("completed", "")
    assert (job.model_id, Model.objects.count(), job.rounds.count()) == (None, 0, 1)
    manifest = documents.read(documents.Manifest, payload_unverified(bytes(job.manifest or b"")))
    assert manifest.statistics == documents.StatisticsRequest(columns=("age", "sex", "chol"))
    pooled = released(job)
    age, sex, chol = pooled.columns
    assert (pooled.silos, pooled.rows) == (3, sum(len(silo.columns["age"].missing) for silo in silos))
    ages = values_of(silos, "age")
    assert (age.count, age.moments_silos, age.moments_rows) == (len(ages), 3, len(ages)) or age.moments_silos < 3
    assert sex.name == "sex"
    assert chol.edges is None


def test_means_are_those_of_the_pooled_table(cohort: Cohort, silos: list[CountingSilo], heart_disease: Path) -> None:
    files = zip(cohort.federation.silos, FILES, strict=True)
    silos = [bring_columns(played, without_edges(), heart_disease / file) for played, file in files]
    job = count_through(cohort.federation, silos, "age")
    (age,) = released(job).columns
    ages = values_of(silos, "age")
    assert (age.count, age.moments_silos, age.moments_rows) == (len(ages), 3, len(ages))
    assert age.mean == pytest.approx(ages.mean(), rel=1e-3)
    assert age.variance == pytest.approx(ages.var(ddof=1), rel=2e-3)
    assert age.mean == rounded(age.mean or 0)


def test_bins_are_summed_and_small_ones_withheld(cohort: Cohort, silos: list[CountingSilo]) -> None:
    (age,) = released(count_through(cohort.federation, silos, "age")).columns
    counts, _ = np.histogram(values_of(silos, "age"), AGE_EDGES)
    assert age.edges == tuple(AGE_EDGES)
    for cell, expected in zip(every(age.cells[1:-1]), counts, strict=True):
        assert cell.count in (None, expected)
        assert cell.at_least <= expected
    assert {cell.count is None for cell in age.cells} == {True, False}, "va has few people under 40"


def test_edges_that_differ_are_refused_with_column_and_silos(
    cohort: Cohort, silos: list[CountingSilo], heart_disease: Path
) -> None:
    other = cohort.federation.silos[1]
    bring_columns(other, declared([20.0, 41.0, 50.0, 60.0, 80.0]), heart_disease / FILES[1])
    with pytest.raises(Invalid) as refused:
        begin(cohort.federation, "sex", "age")
    assert (refused.value.code, refused.value.field) == ("statistics.edges_differ", "statistics.columns.1")
    assert "age" in refused.value.message
    assert other.silo.name in refused.value.message
    begin(cohort.federation, "sex")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"statistics": {"columns": ["age"], "edges": [0, 1]}}, "job.invalid"),
        ({"statistics": {"columns": ["shoe size"]}}, "statistics.unknown_column"),
        ({"statistics": {"columns": ["age", "age"]}}, "job.invalid"),
        ({"statistics": None}, "job.invalid"),
        ({"limits": {"minimum_cell": 10}}, "statistics.minimum_cell"),
        ({"limits": {"minimum_cell": 2}}, "statistics.minimum_cell_least"),
        ({"model": {"family": "logistic"}}, "job.invalid"),
        ({"task": "train", "model": {"family": "logistic"}}, "job.invalid"),
    ],
)
def test_a_request_names_columns_and_nothing_else(
    cohort: Cohort, silos: list[CountingSilo], changes: dict[str, Any], code: str
) -> None:
    asked = asked_for(cohort.federation, "age") | changes
    with pytest.raises(Invalid) as refused:
        launch(consortium=cohort.federation.consortium, request=asked, by=cohort.scientist)
    assert refused.value.code == code
    assert not Job.objects.exists()


def test_an_agreement_without_the_task_refuses_the_launch(cohort: Cohort, silos: list[CountingSilo]) -> None:
    agreed = cohort.federation.agree()
    limits = dict(agreed.terms["training_limits"]) | {"tasks": ("train",)}
    cohort.federation.agree(training_limits=documents.TrainingLimits.model_validate(limits))
    with pytest.raises(Invalid) as refused:
        begin(cohort.federation, "age")
    assert refused.value.code == "agreement.task"


def test_reports_that_show_too_much_never_count(cohort: Cohort, silos: list[CountingSilo]) -> None:
    job, orders = begin(cohort.federation, "age")
    for order in orders:
        silo = next(one for one in silos if one.played.silo.id == order.silo_id)
        payload = None
        if silo is silos[2]:  # few people under 40
            payload = _with_small_cell(silo, order)
        answers.answer(document=silo.carry_out(order, payload=payload), by=silo.played.silo)
    closing.close_step(step_id=orders[0].round_step.id, by=TEST)
    job.refresh_from_db()
    assert job.state == "completed"
    assert released(job).silos == 2
    assert Order.objects.get(step__round__job=job, state="rejected").code == "statistics.small_cell"


def _with_small_cell(silo: CountingSilo, order: Order) -> bytes:
    from federation.statistics.columns import columns_of
    from silo_connector.trainer.kinds.statistics import report_of

    del order
    report = report_of((columns_of(silo.declaration)["age"],), silo.columns, 1)
    return encode_report(report.model_copy(update={"minimum_cell": 5}))


def test_a_day_s_number_that_a_silo_has_reported_is_asked_at_launch(cohort: Cohort, silos: list[CountingSilo]) -> None:
    _job, orders = begin(cohort.federation, "age")
    silo = cohort.federation.played(orders[0].silo_id)
    answers.answer(document=silo.refuse(orders[0], "statistics.per_day"), by=silo.silo)
    with pytest.raises(Invalid) as refused:
        begin(cohort.federation, "age")
    assert (refused.value.code, refused.value.field) == ("statistics.per_day", "datasets")
    assert silo.silo.name in refused.value.message
