"""A delivery that failed says why by a code, beside the words."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("monitoring", "0004_record_changed")]

    operations = [
        migrations.AddField(
            model_name="delivery",
            name="code",
            field=models.CharField(blank=True, db_default="", default="", max_length=80),
        ),
    ]
