"""An evaluation's figures are JSON, by the names that its target has for them. Rows are carried over."""

from __future__ import annotations

from django.db import migrations, models

_FORWARD = """
    UPDATE training_evaluation SET figures = jsonb_strip_nulls(
        jsonb_build_object('loss', loss, 'accuracy', accuracy, 'auc', auc, 'confusion', confusion)
    )
"""
_BACKWARD = """
    UPDATE training_evaluation SET
        loss = (figures ->> 'loss')::float8,
        accuracy = (figures ->> 'accuracy')::float8,
        auc = (figures ->> 'auc')::float8,
        confusion = figures -> 'confusion'
"""


class Migration(migrations.Migration):
    dependencies = [("training", "0012_rejected_orders_index")]

    operations = [
        migrations.AddField("evaluation", "figures", models.JSONField(default=dict)),
        migrations.RunSQL(_FORWARD, _BACKWARD),
        *(migrations.RemoveField("evaluation", name) for name in ("loss", "accuracy", "auc", "confusion")),
    ]
