"""A heartbeat finds the silo's rejected orders without reading all of its orders."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("training", "0011_start_claim")]

    operations = [
        migrations.AddIndex(
            model_name="order",
            index=models.Index(
                fields=["silo", "-settled_at"], condition=models.Q(state="rejected"), name="order_rejected"
            ),
        ),
    ]
