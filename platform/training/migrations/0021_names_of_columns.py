from django.db import migrations, models


class Migration(migrations.Migration):
    """Two columns take new names; the rows stay as they are, and the index follows its column by itself."""

    dependencies = [
        ("training", "0020_cohort_members"),
    ]

    operations = [
        migrations.RenameField(model_name="order", old_name="settled_at", new_name="ended_at"),
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.RemoveIndex(model_name="order", name="order_rejected"),
                migrations.AddIndex(
                    model_name="order",
                    index=models.Index(
                        fields=["silo", "-ended_at"], condition=models.Q(state="rejected"), name="order_rejected"
                    ),
                ),
            ],
        ),
        migrations.RenameField(model_name="step", old_name="below", new_name="below_quorum"),
    ]
