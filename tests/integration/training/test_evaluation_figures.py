"""The figures of evaluations as they are kept: by the names of their target, carried over from columns of their own."""

from __future__ import annotations

from importlib import import_module

import pytest
from django.db import connection

from registry.actions import record_metrics_and_mark_best
from registry.models import ModelVersion
from tests.support.cohort import Cohort, run_job
from tests.support.federation import TEST
from training.models import Evaluation

pytestmark = pytest.mark.django_db

KEPT: list[dict[str, object]] = [
    {"loss": 0.25, "accuracy": 0.5, "auc": 0.625, "confusion": [[5, 5], [5, 5]]},
    {"loss": 0.1 + 0.2},
    {},
]


def test_rows_are_carried_over_both_ways(cohort: Cohort) -> None:
    run_job(cohort)
    rows = list(Evaluation.objects.order_by("pk")[:3])
    for row, figures in zip(rows, KEPT, strict=True):
        row.figures = figures
        row.save(update_fields=["figures"])
    migration = import_module("training.migrations.0013_evaluation_figures")
    old = "loss float8, ADD accuracy float8, ADD auc float8, ADD confusion jsonb"
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(f"ALTER TABLE training_evaluation ADD {old}")
        cursor.execute(migration._BACKWARD)
        cursor.execute("UPDATE training_evaluation SET figures = '{}'")
        cursor.execute("SELECT loss, accuracy, auc, confusion::text FROM training_evaluation ORDER BY order_id")
        columns = cursor.fetchall()
        cursor.execute(migration._FORWARD)
    found = {row.pk: row.figures for row in Evaluation.objects.filter(pk__in=[row.pk for row in rows])}
    assert [found[row.pk] for row in rows] == KEPT
    assert (0.25, 0.5, 0.625, "[[5, 5], [5, 5]]") in columns
    assert (None, None, None, None) in columns


def test_the_best_version_is_chosen_by_its_target_s_metric_and_direction(
    cohort: Cohort, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = run_job(cohort)
    assert job.model is not None
    first, second, third = job.model.versions.order_by("round_number")
    for version, loss in ((first, 0.3), (second, 0.2), (third, 0.2)):
        record_metrics_and_mark_best(version=version, metrics={"loss": loss, "accuracy": 1 - loss}, by=TEST)
    assert ModelVersion.objects.get(model=job.model, is_best=True) == second, "of equals the earliest"
    monkeypatch.setattr(type(job.model.target_kind), "best_by", "accuracy")
    record_metrics_and_mark_best(version=third, metrics={"loss": 9.0, "accuracy": 0.95}, by=TEST)
    record_metrics_and_mark_best(version=first, metrics={"loss": 0.1, "accuracy": 0.1}, by=TEST)
    assert ModelVersion.objects.get(model=job.model, is_best=True) == third
