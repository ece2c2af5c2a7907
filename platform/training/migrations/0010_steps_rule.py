from django.db import migrations, models
from django.db.models import Q

OPEN = "UPDATE training_round SET state = 'open' WHERE state NOT IN ('closed', 'abandoned')"
STEPLESS = ["checkpoint", "reserve", "release"]


class Migration(migrations.Migration):
    """The constraints of what has moved. What it has moved from goes."""

    dependencies = [("training", "0009_move_rows")]

    operations = [
        migrations.DeleteModel("CheckpointOrder"),
        *(
            migrations.RemoveConstraint("round", name)
            for name in ("round_one_open_a_job", "round_lease_iff_aggregating", "round_closed_at_iff_over")
        ),
        *(
            migrations.RemoveField("round", name)
            for name in ("aggregating_at", "claims", "close_reason", "lease", "lease_until")
        ),
        migrations.RunSQL(OPEN),
        migrations.AlterField(
            "round",
            "state",
            models.CharField(
                choices=[("open", "open"), ("closed", "closed"), ("abandoned", "abandoned")],
                default="open",
                max_length=12,
            ),
        ),
        migrations.AlterField("step", "opened_at", models.DateTimeField()),
        migrations.AddIndex(
            "order",
            models.Index(
                fields=["audit_checkpoint", "silo"],
                condition=Q(audit_checkpoint__isnull=False),
                name="order_of_checkpoint",
            ),
        ),
        migrations.AddIndex(
            "step",
            models.Index(fields=["state"], condition=Q(state__in=["collecting", "aggregating"]), name="step_under_way"),
        ),
        migrations.AddConstraint(
            "order",
            models.CheckConstraint(
                condition=Q(kind="checkpoint", audit_checkpoint__isnull=False, job=None)
                | ~Q(kind="checkpoint") & Q(audit_checkpoint=None, job__isnull=False),
                name="order_of_a_job_or_a_checkpoint",
            ),
        ),
        migrations.AddConstraint(
            "order",
            models.CheckConstraint(
                condition=Q(kind__in=STEPLESS, step=None, base_version=None)
                | ~Q(kind__in=STEPLESS) & Q(step__isnull=False, base_version__isnull=False),
                name="order_of_a_step_by_its_kind",
            ),
        ),
        migrations.AddConstraint(
            "round",
            models.UniqueConstraint(fields=["job"], condition=Q(state="open"), name="round_one_open_a_job"),
        ),
        migrations.AddConstraint(
            "round",
            models.CheckConstraint(
                condition=Q(state="open", closed_at__isnull=True) | (~Q(state="open") & Q(closed_at__isnull=False)),
                name="round_closed_at_iff_over",
            ),
        ),
        migrations.AddConstraint(
            "step",
            models.UniqueConstraint(
                fields=["round"],
                condition=Q(state__in=["collecting", "aggregating"]),
                name="step_one_under_way_a_round",
            ),
        ),
        migrations.AddConstraint(
            "step",
            models.CheckConstraint(
                condition=Q(state="aggregating", lease__isnull=False, lease_until__isnull=False)
                | (~Q(state="aggregating") & Q(lease__isnull=True, lease_until__isnull=True)),
                name="step_lease_iff_aggregating",
            ),
        ),
        migrations.AddConstraint(
            "step",
            models.CheckConstraint(
                condition=Q(state__in=["closed", "abandoned"], closed_at__isnull=False)
                | (~Q(state__in=["closed", "abandoned"]) & Q(closed_at__isnull=True)),
                name="step_closed_at_iff_over",
            ),
        ),
    ]
