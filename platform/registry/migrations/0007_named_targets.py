"""A target may be named, and then have no classes. Where none is named, it follows from the number of classes."""

from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    dependencies = [("registry", "0006_version_indexes")]

    operations = [
        migrations.AddField("model", "target", models.CharField(blank=True, db_default="", default="", max_length=40)),
        migrations.AlterField("model", "n_classes", models.PositiveIntegerField(null=True)),
        migrations.AddConstraint(
            "model",
            models.CheckConstraint(
                condition=Q(n_classes__isnull=False) | ~Q(target=""), name="model_has_classes_or_a_named_target"
            ),
        ),
    ]
