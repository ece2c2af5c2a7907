"""Growth of datasets that waits for a steward. What is registered now counts as confirmed."""

from django.db import migrations, models
from django.db.models import F


def confirm_what_is_there(apps, schema_editor):
    apps.get_model("silos", "Dataset").objects.update(rows_confirmed=F("rows_coarse"))


class Migration(migrations.Migration):
    dependencies = [("silos", "0007_refused_request")]

    operations = [
        migrations.AddField(
            model_name="dataset",
            name="rows_confirmed",
            field=models.BigIntegerField(default=0),
        ),
        migrations.AddField(
            model_name="dataset",
            name="rows_pending",
            field=models.BigIntegerField(null=True),
        ),
        migrations.RunPython(confirm_what_is_there, migrations.RunPython.noop),
    ]
