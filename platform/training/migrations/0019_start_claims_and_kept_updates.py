from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    dependencies = [
        ("training", "0018_statistics"),
    ]

    operations = [
        migrations.AddField(
            model_name="job",
            name="start_claims",
            field=models.PositiveIntegerField(db_default=0, default=0),
        ),
        migrations.AddIndex(
            model_name="round",
            index=models.Index(
                fields=["opened_at"], condition=Q(("updates_deleted_at", None)), name="round_updates_kept"
            ),
        ),
    ]
