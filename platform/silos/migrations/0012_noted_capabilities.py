"""What a silo could do when that was last written down, so that a change is an event and a heartbeat is none."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("silos", "0011_named_targets")]

    operations = [
        migrations.AddField("silo", "capabilities_noted", models.JSONField(null=True)),
        migrations.AddField("silo", "capabilities_noted_at", models.DateTimeField(null=True)),
        migrations.AddField("silo", "capabilities_change", models.JSONField(db_default={}, default=dict)),
    ]
