from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("training", "0021_names_of_columns"),
    ]

    operations = [
        migrations.AddField(
            model_name="order",
            name="inputs_size_bytes",
            field=models.BigIntegerField(null=True),
        ),
    ]
