"""Indexes for what housekeeping asks of the versions of all models."""

from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    dependencies = [("registry", "0005_retirement")]

    operations = [
        migrations.AddIndex(
            model_name="modelversion",
            index=models.Index(
                fields=["model"],
                condition=Q(pruned_at=None, is_best=False, round_number__gt=0),
                name="version_kept_on_the_way",
            ),
        ),
        migrations.AddIndex(
            model_name="modelversion",
            index=models.Index(
                fields=["optimiser_digest"],
                condition=Q(pruned_at=None) & ~Q(optimiser_digest=""),
                name="version_optimiser_kept",
            ),
        ),
    ]
