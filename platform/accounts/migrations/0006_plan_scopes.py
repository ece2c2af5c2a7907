"""Scopes of training plans."""

import django.contrib.postgres.fields
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0005_role_labels"),
    ]

    operations = [
        migrations.AlterField(
            model_name="apitoken",
            name="scopes",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.CharField(
                    choices=[
                        ("account:read", "Account Read"),
                        ("organisations:read", "Organisations Read"),
                        ("organisations:write", "Organisations Write"),
                        ("users:read", "Users Read"),
                        ("users:write", "Users Write"),
                        ("consortia:read", "Consortia Read"),
                        ("consortia:write", "Consortia Write"),
                        ("silos:read", "Silos Read"),
                        ("silos:write", "Silos Write"),
                        ("datasets:read", "Datasets Read"),
                        ("datasets:write", "Datasets Write"),
                        ("agreements:read", "Agreements Read"),
                        ("agreements:write", "Agreements Write"),
                        ("plans:read", "Plans Read"),
                        ("plans:write", "Plans Write"),
                        ("jobs:read", "Jobs Read"),
                        ("jobs:write", "Jobs Write"),
                        ("models:read", "Models Read"),
                        ("models:write", "Models Write"),
                        ("events:read", "Events Read"),
                    ],
                    max_length=30,
                ),
                size=20,
            ),
        ),
    ]
