"""A signatory key that an enrolment brings stays pending on the silo until a person has confirmed it.

Until now it was the organisation's at once. Such keys go back to pending where no silo of the organisation was
confirmed since they came.
"""

from django.conf import settings
from django.db import migrations, models


def take_back_unconfirmed(apps, schema_editor):
    """Make pending what an enrolment registered and nobody has confirmed."""
    silos, keys = apps.get_model("silos", "Silo"), apps.get_model("accounts", "SignatoryKey")
    events = apps.get_model("audit", "Event")
    for key in keys.objects.filter(added_by=None, state="active"):
        confirmed = events.objects.filter(
            verb="silo.confirmed", organisation_id=key.organisation_id, at__gte=key.added_at
        )
        waiting = silos.objects.filter(signatory_key=key)
        if confirmed.exists() or not waiting.exists() or waiting.exclude(state__in=("presented", "revoked")).exists():
            continue
        waiting.filter(state="presented").update(pending_signatory_key=key.public_key)
        waiting.update(signatory_key=None)
        key.delete()


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0006_plan_scopes"),
        ("audit", "0004_chains"),
        ("silos", "0005_health"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name="silo",
            name="pending_signatory_key",
            field=models.BinaryField(max_length=32, null=True),
        ),
        migrations.AddConstraint(
            model_name="silo",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("pending_signatory_key__isnull", True),
                    models.Q(("pending_signatory_key__isnull", False), ("state", "presented")),
                    _connector="OR",
                ),
                name="silo_pending_signatory_only_while_presented",
            ),
        ),
        migrations.RunPython(take_back_unconfirmed, migrations.RunPython.noop),
    ]
