"""Addresses and names in the forms in which they are compared now: fewer spellings make another of them."""

from django.db import migrations

from accounts.models.organisation import likeness_of
from accounts.models.user import normalise_email


def compare_again(apps, schema_editor):
    """Of two addresses or names that are one by now the older keeps it; the other stays as it is written.

    Who holds an address in another spelling signs in by writing it so (`User.objects.with_address`).
    """
    users, names = apps.get_model("accounts", "User"), apps.get_model("accounts", "OrganisationName")
    for user in users.objects.order_by("created_at", "pk").only("pk", "email"):
        email = normalise_email(user.email)
        if email != user.email and not users.objects.filter(email=email).exists():
            users.objects.filter(pk=user.pk).update(email=email)
    held = list(names.objects.order_by("since", "pk"))
    for kept in held:
        likeness = likeness_of(kept.name)
        if likeness != kept.likeness and not names.objects.filter(likeness=likeness).exists():
            names.objects.filter(pk=kept.pk).update(likeness=likeness)


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0009_accounts_proved_before"),
    ]

    operations = [migrations.RunPython(compare_again, migrations.RunPython.noop)]
