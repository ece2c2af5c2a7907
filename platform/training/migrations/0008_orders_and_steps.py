import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    """Room for what moves: a step's state, lease and claims, and orders that belong to no step."""

    dependencies = [
        ("audit", "0001_initial"),
        ("registry", "0001_initial"),
        ("training", "0007_weights"),
    ]

    operations = [
        migrations.RenameModel("KeptRefusal", "RefusalDocument"),
        migrations.AddField(
            "step",
            "state",
            models.CharField(
                choices=[
                    ("collecting", "collecting"),
                    ("aggregating", "aggregating"),
                    ("closed", "closed"),
                    ("abandoned", "abandoned"),
                ],
                default="collecting",
                max_length=12,
            ),
        ),
        migrations.AddField(
            "step",
            "below",
            models.CharField(
                choices=[
                    ("abandon", "the round is abandoned and tried again"),
                    ("pause", "the job pauses until enough silos have answered"),
                ],
                db_default="abandon",
                default="abandon",
                max_length=8,
            ),
        ),
        migrations.AddField("step", "opened_at", models.DateTimeField(null=True)),
        migrations.AddField("step", "aggregating_at", models.DateTimeField(null=True)),
        migrations.AddField("step", "closed_at", models.DateTimeField(null=True)),
        migrations.AddField(
            "step",
            "close_reason",
            models.CharField(
                blank=True,
                db_default="",
                default="",
                max_length=10,
                choices=[
                    ("settled", "no order was open any more"),
                    ("quorum", "the quorum has answered"),
                    ("grace", "the quorum has answered, and the others had their time"),
                    ("silent", "the quorum has answered, and the others are silent"),
                    ("deadline", "the deadline has passed"),
                ],
            ),
        ),
        migrations.AddField("step", "lease", models.UUIDField(null=True)),
        migrations.AddField("step", "lease_until", models.DateTimeField(null=True)),
        migrations.AddField("step", "lease_renewed", models.BooleanField(db_default=False, default=False)),
        migrations.AddField("step", "claims", models.PositiveSmallIntegerField(db_default=0, default=0)),
        migrations.AddField("step", "claims_renewed", models.PositiveSmallIntegerField(db_default=0, default=0)),
        migrations.AddField(
            "order",
            "job",
            models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="orders",
                to="training.job",
            ),
        ),
        migrations.AddField(
            "order",
            "audit_checkpoint",
            models.ForeignKey(
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="audit.checkpoint",
            ),
        ),
        migrations.AddField(
            "order",
            "base_version",
            models.ForeignKey(
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="registry.modelversion",
            ),
        ),
        migrations.AlterField(
            "order",
            "step",
            models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="orders",
                to="training.step",
            ),
        ),
    ]
