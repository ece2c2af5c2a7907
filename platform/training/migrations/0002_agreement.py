"""A job runs under an agreement, and a refusal names a clause of it."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("agreements", "0001_initial"), ("training", "0001_initial")]

    operations = [
        migrations.AddField(
            model_name="job",
            name="agreement",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="agreements.agreementversion",
            ),
        ),
        migrations.AddField(
            model_name="order",
            name="clause",
            field=models.CharField(blank=True, db_default="", default="", max_length=40),
        ),
        migrations.CreateModel(
            name="KeptRefusal",
            fields=[
                (
                    "order",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="refusal",
                        serialize=False,
                        to="training.order",
                    ),
                ),
                ("document", models.BinaryField()),
                ("received_at", models.DateTimeField()),
            ],
        ),
    ]
