"""Three terms are called what the literature calls them. What was signed keeps its bytes: only what is kept beside it,
wordings and comments, is put under the new names."""

from django.db import migrations

RENAMED = {"work": "training_limits", "leaving": "disclosure", "changes": "amendment"}


def _rename(apps, names):
    version, revision, comment = (
        apps.get_model("agreements", name) for name in ("AgreementVersion", "Revision", "Comment")
    )
    for model in (version, revision):
        for row in model.objects.only("terms").iterator():
            row.terms = {names.get(name, name): said for name, said in row.terms.items()}
            row.save(update_fields=["terms"])
    for before, after in names.items():
        comment.objects.filter(clause=before).update(clause=after)


def rename(apps, schema_editor):
    """To the names of protocol 1.1."""
    _rename(apps, RENAMED)


def rename_back(apps, schema_editor):
    """To those of 1.0."""
    _rename(apps, {after: before for before, after in RENAMED.items()})


class Migration(migrations.Migration):
    dependencies = [
        ("agreements", "0003_reason_params"),
    ]

    operations = [
        migrations.RunPython(rename, rename_back),
    ]
