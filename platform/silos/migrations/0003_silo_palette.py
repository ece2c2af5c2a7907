"""Each silo has a number for its colour, the same on every page."""

from django.db import migrations, models


def number(apps, schema_editor):
    Silo = apps.get_model("silos", "Silo")
    for place, silo in enumerate(Silo.objects.order_by("created_at", "id")):
        silo.palette = place
        silo.save(update_fields=["palette"])


class Migration(migrations.Migration):
    dependencies = [("silos", "0002_withdrawn_by_silo")]
    operations = [
        migrations.AddField("silo", "palette", models.PositiveIntegerField(default=0)),
        migrations.RunPython(number, migrations.RunPython.noop),
    ]
