"""The platform's signing key can be handed on, and what is sealed then is kept."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("silos", "0003_silo_palette")]
    operations = [
        migrations.CreateModel(
            name="KeySuccession",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("sequence", models.PositiveIntegerField()),
                ("predecessor", models.CharField(max_length=40)),
                ("key_id", models.CharField(max_length=40)),
                ("document", models.BinaryField()),
                ("made_at", models.DateTimeField()),
            ],
            options={
                "ordering": ["sequence"],
                "constraints": [
                    models.UniqueConstraint(fields=("sequence",), name="key_succession_numbered_once"),
                    models.UniqueConstraint(fields=("predecessor",), name="key_succession_never_forks"),
                    models.UniqueConstraint(fields=("key_id",), name="key_succession_brings_a_new_key"),
                ],
            },
        ),
    ]
