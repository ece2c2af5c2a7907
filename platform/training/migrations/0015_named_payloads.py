import django.db.models.deletion
from django.db import migrations, models

COPY = """
    INSERT INTO training_payload (order_id, name, kind, digest, size_bytes)
    SELECT order_id, 'update', 'update.f32', payload_digest, payload_size_bytes
    FROM training_submission WHERE payload_digest <> ''
"""
BACK = """
    UPDATE training_submission SET payload_digest = payload.digest
    FROM training_payload AS payload
    WHERE payload.order_id = training_submission.order_id AND payload.name = 'update'
"""


class Migration(migrations.Migration):
    dependencies = [
        ("training", "0014_reason_params"),
    ]

    operations = [
        migrations.CreateModel(
            name="Payload",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=40)),
                ("kind", models.CharField(max_length=40)),
                ("digest", models.CharField(db_index=True, max_length=80)),
                ("size_bytes", models.BigIntegerField()),
                (
                    "order",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="payloads",
                        to="training.order",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("order", "name"), name="payload_once_an_order_and_name")
                ],
            },
        ),
        migrations.RunSQL(COPY, BACK),
    ]
