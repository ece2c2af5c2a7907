"""A version says under which protocol its bytes were written: those of 1.0 authorise nothing any more."""

import json

from django.db import migrations, models


def read_protocol(apps, schema_editor):
    """From the bytes that were fixed."""
    versions = apps.get_model("agreements", "AgreementVersion").objects
    for version in versions.filter(payload__isnull=False).only("payload").iterator():
        version.protocol = json.loads(bytes(version.payload))["protocol"]
        version.save(update_fields=["protocol"])


class Migration(migrations.Migration):
    dependencies = [
        ("agreements", "0004_names_of_terms"),
    ]

    operations = [
        migrations.AddField(
            model_name="agreementversion",
            name="protocol",
            field=models.CharField(blank=True, db_default="", default="", max_length=10),
        ),
        migrations.RunPython(read_protocol, migrations.RunPython.noop),
    ]
