from django.db import migrations, models
from django.db.models import Q

NOT_RUN = ["draft", "reserving", "queued", "failed", "cancelled"]


class Migration(migrations.Migration):
    """Tasks have no list in the database, and its fences name none."""

    dependencies = [
        ("training", "0023_kinds_by_name"),
    ]

    operations = [
        migrations.AlterField(
            model_name="job",
            name="task",
            field=models.CharField(max_length=10),
        ),
        migrations.RemoveConstraint(
            model_name="job",
            name="job_has_manifest_once_running",
        ),
        migrations.AddConstraint(
            model_name="job",
            constraint=models.CheckConstraint(
                condition=Q(state__in=NOT_RUN) | Q(manifest__isnull=False, started_at__isnull=False),
                name="job_has_manifest_once_running",
            ),
        ),
        migrations.AddConstraint(
            model_name="job",
            constraint=models.CheckConstraint(
                condition=Q(state__in=NOT_RUN) | Q(model__isnull=False) | Q(rounds_planned=0, evaluated_version=None),
                name="job_has_model_unless_nothing_is_trained_or_evaluated",
            ),
        ),
    ]
