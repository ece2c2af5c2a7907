from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("training", "0014_reason_params"),
    ]

    operations = [
        migrations.AddField(
            model_name="job",
            name="start_claims",
            field=models.PositiveIntegerField(db_default=0, default=0),
        ),
    ]
