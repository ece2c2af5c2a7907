from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("training", "0015_named_payloads"),
    ]

    operations = [
        migrations.RemoveField(model_name="submission", name="payload_digest"),
    ]
