"""Names that were kept before they had to be one line become one. It is here because notices see all of the apps."""

from django.db import migrations

from rest.names import as_one_line

NAMES = (
    ("accounts", "Organisation", "name"),
    ("accounts", "User", "full_name"),
    ("accounts", "ApiToken", "name"),
    ("consortia", "Consortium", "name"),
    ("silos", "Silo", "name"),
    ("silos", "Dataset", "title"),
    ("plans", "TrainingPlan", "title"),
    ("plans", "SignedReview", "reviewer"),
    ("registry", "Model", "name"),
    ("training", "Job", "name"),
    ("monitoring", "Notice", "subject"),
)
NOTHING_SEEN = "(no name)"


def clean(apps, schema_editor):
    """Rows whose name changes are few, if there are any: they are written one by one."""
    for app, model, field in NAMES:
        rows = apps.get_model(app, model)._default_manager
        longest = rows.model._meta.get_field(field).max_length
        for pk, name in rows.values_list("pk", field).iterator():
            plain = as_one_line(name)[:longest].strip() or NOTHING_SEEN
            if plain != name:
                rows.filter(pk=pk).update(**{field: _free(rows, model, pk, plain, longest)})


def _free(rows, model, pk, name, longest):
    """The name, with a number where a silo of the same organisation has it already."""
    if model != "Silo":
        return name
    taken = set(
        rows.filter(organisation_id=rows.get(pk=pk).organisation_id).exclude(pk=pk).values_list("name", flat=True)
    )
    number, free = 1, name
    while free in taken:
        number += 1
        free = f"{name[: longest - 8]} ({number})"
    return free


class Migration(migrations.Migration):
    dependencies = [
        ("monitoring", "0005_delivery_code"),
        ("accounts", "0006_plan_scopes"),
        ("consortia", "0002_role_labels"),
        ("silos", "0005_health"),
        ("plans", "0001_initial"),
        ("registry", "0004_passport"),
        ("training", "0003_checkpoint_orders"),
    ]

    operations = [migrations.RunPython(clean, migrations.RunPython.noop)]
