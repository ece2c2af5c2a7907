from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("training", "0019_start_claims_and_kept_updates"),
    ]

    operations = [
        migrations.AddField(
            model_name="order",
            name="inputs_size_bytes",
            field=models.BigIntegerField(null=True),
        ),
    ]
