"""Released statistics as people and programs see them: pages, REST, CSV, and the evidence of the job."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import pytest

from evidence.bundles import bundle_of
from federation.evidence.bundle_parser import Evidence, gather
from federation.evidence.bundles import Entry, read_bundle, write_bundle
from federation.evidence.verification import verify_evidence
from federation.statistics.pooling import encode_pooled, read_pooled
from federation.verify import main
from tests.integration.evidence.test_evidence import everybody_signs
from tests.integration.training.test_statistics import FILES, declared
from tests.support.cohort import Cohort, browser
from tests.support.every import every
from tests.support.statistics_work import CountingSilo, asked_for, bring_columns, count_through
from tests.support.world import client_of
from training.models import Job, ReleasedStatistics

pytestmark = pytest.mark.django_db


@pytest.fixture
def silos(cohort: Cohort, heart_disease: Path) -> list[CountingSilo]:
    files = zip(cohort.federation.silos, FILES, strict=True)
    found = [bring_columns(played, declared(), heart_disease / file) for played, file in files]
    cohort.federation.agree()
    return found


@pytest.fixture
def job(cohort: Cohort, silos: list[CountingSilo]) -> Job:
    """One that has released the statistics of three columns."""
    return count_through(cohort.federation, silos, "age", "sex", "chol")


def test_rest_shows_what_was_released_to_members_alone(cohort: Cohort, job: Job) -> None:
    address = f"/api/v1/jobs/{job.id}/statistics/"
    for who in (cohort.scientist, cohort.neighbour):
        body = client_of(who).get(address).json()
        pooled = ReleasedStatistics.objects.get(job=job).pooled
        assert (body["silos"], body["rows"], body["minimum_cell"]) == (3, pooled.rows, 5)
        assert [column["name"] for column in body["columns"]] == ["age", "sex", "chol"]
        age = body["columns"][0]
        assert [cell["kind"] for cell in age["cells"]] == ["missing", "below", *["bin"] * 4, "above"]
        assert [cell["count"] for cell in age["cells"][1:]] == [cell.count for cell in pooled.columns[0].cells]
    for outside in (cohort.outsider, cohort.nobody):
        assert client_of(outside).get(address).status_code == 404
    assert client_of().get(address).status_code == 401
    assert client_of(cohort.outsider).get(f"/api/v1/jobs/{job.id}/").status_code == 404


def test_the_job_s_pages_show_them_and_say_what_is_withheld(cohort: Cohort, job: Job) -> None:
    client = browser(cohort.scientist)
    page = client.get(f"/jobs/{job.id}/statistics/").content.decode()
    assert "withheld by a silo; the others have" in page
    assert 'data-chart="statistics-0"' in page
    assert '"xaxis": {"title": "age (years)", "type": "category"}' in page
    assert "plotly.min.js" in client.get(f"/datasets/{cohort.dataset.id}/").content.decode()
    overview, report = (client.get(f"/jobs/{job.id}/{part}").content.decode() for part in ("", "report/"))
    assert "Accuracy" not in overview, "no model was made"
    assert "Does it converge" not in report
    assert "What does it cost in bytes?" in report
    assert "evaluation" not in client.get("/jobs/").content.decode()
    for part in ("", "live/", "silos/", "rounds/", "rounds/1/1/", "configuration/", "events/", "report/", "charts/"):
        assert client.get(f"/jobs/{job.id}/{part}").status_code == 200, part
    for file in ("figures.csv", "figures.json", "statistics.csv"):
        assert client.get(f"/jobs/{job.id}/{file}").status_code == 200, file
    assert browser(cohort.outsider).get(f"/jobs/{job.id}/statistics/").status_code == 404
    assert browser(cohort.outsider).get(f"/jobs/{job.id}/statistics.csv").status_code == 404


def test_the_csv_has_every_figure_and_no_formula(cohort: Cohort, job: Job) -> None:
    text = browser(cohort.scientist).get(f"/jobs/{job.id}/statistics.csv").content.decode()
    rows = list(csv.DictReader(io.StringIO(text)))
    pooled = ReleasedStatistics.objects.get(job=job).pooled
    ages = [row for row in rows if row["column"] == "age" and row["figure"] == "bin"]
    for row, cell in every(zip(ages, pooled.columns[0].cells[1:-1], strict=True)):
        assert row["value"] == ("" if cell.count is None else str(cell.count))
        assert (row["withheld"], row["at_least"]) == (str(cell.count is None), str(cell.at_least))
    assert not any(text and text[0] in "=+@" for row in rows for text in row.values())


def test_the_dataset_s_page_shows_the_latest_that_it_took_part_in(
    cohort: Cohort, silos: list[CountingSilo], job: Job
) -> None:
    newer = count_through(cohort.federation, silos, "sex", name="The newer one")
    page = browser(cohort.scientist).get(f"/datasets/{cohort.dataset.id}/").content.decode()
    assert f"/jobs/{newer.id}/statistics/" in page
    assert f"/jobs/{job.id}/statistics/" not in page
    assert f"/consortia/{cohort.federation.consortium.id}/statistics/?dataset={cohort.dataset.id}" in page
    steward = browser(cohort.steward).get(f"/datasets/{cohort.dataset.id}/").content.decode()
    assert "/statistics/?dataset=" not in steward, "who may not launch is not asked to"


def test_the_form_launches_a_job_of_statistics_and_shows_what_is_wrong(
    cohort: Cohort, silos: list[CountingSilo]
) -> None:
    client = browser(cohort.scientist)
    address = f"/consortia/{cohort.federation.consortium.id}/statistics/"
    page = client.get(f"{address}?dataset={cohort.dataset.id}").content.decode()
    assert 'name="columns" value="age"' in page
    by_name = {
        "name": "Ages",
        "datasets": [str(played.dataset.id) for played in cohort.federation.silos if played.dataset],
        "columns": ["age"],
        "protection": "clear",
        "quorum": 3,
        "round_deadline_s": 60,
        "retries_max": 0,
        "limits.minimum_cell": 5,
    }
    wrong = client.post(address, by_name | {"columns": []})
    assert wrong.status_code == 422
    assert "Choose at least one column." in wrong.content.decode()
    preview = client.post(f"{address}preview/", by_name)
    assert preview.status_code == 200
    assert "MB up at most" in preview.content.decode()
    answer = client.post(address, by_name)
    assert answer.status_code == 302, answer.content.decode()
    job = Job.objects.get()
    assert (job.task, job.request["statistics"]) == ("statistics", {"columns": ["age"]})
    assert browser(cohort.steward).get(address).status_code == 403


def test_rest_launches_and_quotes_one(cohort: Cohort, silos: list[CountingSilo]) -> None:
    client = client_of(cohort.scientist)
    body = asked_for(cohort.federation, "age") | {"consortium": str(cohort.federation.consortium.id)}
    quoted = client.post("/api/v1/jobs/quote/", body, format="json")
    assert (quoted.status_code, quoted.json()["parameters"], quoted.json()["bytes_down_per_round"]) == (200, 0, 0)
    largest = len(silos) * (4 << 20)  # a report has at most 4 MiB, whatever is asked
    assert (quoted.json()["bytes_up_per_round"], quoted.json()["bytes_total"]) == (largest, largest)
    launched = client.post("/api/v1/jobs/", body, format="json")
    assert (launched.status_code, launched.json()["task"]) == (201, "statistics")


# --- evidence ------------------------------------------------------------------------------------------------------


def evidence_of(job: Job) -> Evidence:
    return gather(read_bundle(bundle_of(job)))


def test_evidence_holds_and_says_what_was_released(
    cohort: Cohort, job: Job, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    everybody_signs(cohort)
    evidence = evidence_of(job)
    report = verify_evidence(evidence)
    assert report.faults == []
    assert (report.holds, report.checked["reports of statistics"]) == (True, 3)
    assert [line.partition(":")[0] for line in report.released] == ["age", "sex", "chol"]
    assert "withheld" in report.released[0]
    bundle = tmp_path / "bundle.jsonl"
    bundle.write_bytes(b"".join(bundle_of(job)))
    assert main([str(bundle)]) == 0
    assert "released: age" in capsys.readouterr().out
    assert main([str(bundle), "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["released"]) == 3


def test_figures_that_are_not_the_silos_are_found(cohort: Cohort, job: Job) -> None:
    everybody_signs(cohort)
    evidence = evidence_of(job)
    assert evidence.released is not None
    pooled = read_pooled(evidence.released)
    other = encode_pooled(pooled.model_copy(update={"rows": pooled.rows + 1}))
    name, content = next(iter(evidence.reports.items()))

    def codes(**changes: object) -> set[str]:
        return {fault.code for fault in verify_evidence(replace(evidence, **changes)).faults}  # type: ignore[arg-type]

    assert codes(released=other) == {"statistics.left_out"}
    assert codes(released=None) == {"statistics.left_out"}
    assert codes(reports={}) == {"statistics.report_left_out"}
    swapped = {**evidence.reports, name: content.replace(b'"rows":', b'"rows": ')}
    assert codes(reports=swapped) == {"statistics.unsigned", "statistics.malformed"}


def test_other_figures_in_the_log_are_found_too(cohort: Cohort, silos: list[CountingSilo]) -> None:
    """A platform that releases other figures than the silos' and says so in its own log."""
    from federation.evidence.report import Report
    from federation.evidence.round_events import History
    from federation.evidence.statistics import check_statistics
    from federation.protocol.digests import digest_bytes

    job = count_through(cohort.federation, silos, "age")
    everybody_signs(cohort)
    evidence = evidence_of(job)
    assert evidence.released is not None
    pooled = read_pooled(evidence.released)
    other = encode_pooled(pooled.model_copy(update={"rows": pooled.rows + 1}))
    found, opened, history = _parts(evidence)
    (closed,) = history.closed
    closed.statistics = digest_bytes(other)
    report = Report()
    check_statistics(replace(evidence, released=other), opened, History([closed]), found, report)
    assert {fault.code for fault in report.faults} == {"statistics.other_figures"}


def _parts(evidence: Evidence) -> tuple:  # type: ignore[type-arg]
    from federation.evidence.events import events_of
    from federation.evidence.heads import check_heads
    from federation.evidence.history import history_of
    from federation.evidence.matching import Opened
    from federation.evidence.order_checks import answers_of, orders_of
    from federation.evidence.report import Report
    from federation.evidence.root_documents import root_documents_of

    report = Report()
    found = root_documents_of(evidence, None, report)
    assert found is not None
    orders = dict(orders_of(evidence, found, report))
    opened = Opened(orders, dict(answers_of(evidence, found, orders, report)), {})
    heads = check_heads(evidence, found, report)
    assert heads is not None
    return found, opened, history_of(events_of(evidence.events, found, heads.last, report), found, report)


def test_a_bundle_with_figures_of_another_job_is_no_evidence(cohort: Cohort, job: Job) -> None:
    from tests.support.cohort import run_job

    trained = run_job(cohort)
    everybody_signs(cohort)
    released = evidence_of(job).released
    assert released is not None
    entries = [*read_bundle(bundle_of(trained)), Entry("statistics", released)]
    report = verify_evidence(gather(read_bundle(write_bundle(entries))))
    assert {fault.code for fault in report.faults} == {"statistics.not_in_log"}
