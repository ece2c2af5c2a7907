"""Hash chains over events: links, heads, and a trigger that tells the sequencer of every new event."""

import django.db.models.deletion
from django.db import migrations, models

TELL = """
CREATE FUNCTION audit_event_is_unchained() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO audit_unchained (event_id) SELECT id FROM added;
    RETURN NULL;
END
$$;
CREATE TRIGGER audit_event_unchained AFTER INSERT ON audit_event REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION audit_event_is_unchained();
INSERT INTO audit_unchained (event_id) SELECT id FROM audit_event;
CREATE TRIGGER audit_link_no_change BEFORE UPDATE OR DELETE ON audit_link
    FOR EACH ROW EXECUTE FUNCTION audit_event_is_append_only();
CREATE TRIGGER audit_link_no_truncate BEFORE TRUNCATE ON audit_link
    FOR EACH STATEMENT EXECUTE FUNCTION audit_event_is_append_only();
"""
STOP = """
DROP TRIGGER audit_link_no_truncate ON audit_link;
DROP TRIGGER audit_link_no_change ON audit_link;
DROP TRIGGER audit_event_unchained ON audit_event;
DROP FUNCTION audit_event_is_unchained();
"""


class Migration(migrations.Migration):
    dependencies = [("audit", "0003_wake_followers")]

    operations = [
        migrations.CreateModel(
            name="Link",
            fields=[
                ("event_id", models.BigIntegerField(primary_key=True, serialize=False)),
                ("chain", models.CharField(max_length=50)),
                ("position", models.BigIntegerField()),
                ("record", models.BinaryField()),
                ("digest", models.BinaryField(max_length=32)),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("chain", "position"), name="audit_link_position_once"),
                    models.CheckConstraint(
                        condition=models.Q(("position__gte", 1)), name="audit_link_position_from_one"
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Head",
            fields=[
                ("chain", models.CharField(max_length=50, primary_key=True, serialize=False)),
                ("position", models.BigIntegerField()),
                ("digest", models.BinaryField(max_length=32)),
            ],
        ),
        migrations.CreateModel(
            name="Unchained",
            fields=[("event_id", models.BigIntegerField(primary_key=True, serialize=False))],
        ),
        migrations.CreateModel(
            name="Checkpoint",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("chain", models.CharField(max_length=50)),
                ("position", models.BigIntegerField()),
                ("document", models.BinaryField()),
                ("made_at", models.DateTimeField()),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("chain", "position"), name="audit_checkpoint_once"),
                ],
            },
        ),
        migrations.CreateModel(
            name="Countersignature",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("silo_id", models.UUIDField()),
                ("document", models.BinaryField()),
                ("at", models.DateTimeField()),
                (
                    "checkpoint",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="countersignatures",
                        to="audit.checkpoint",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("checkpoint", "silo_id"), name="audit_countersigned_once"),
                ],
            },
        ),
        migrations.RunSQL(TELL, STOP),
    ]
