"""A notice is sent only for a job that somebody follows: to send one, a commit waits for all others that send one."""

from django.db import migrations, models

FORWARDS = """
CREATE OR REPLACE FUNCTION audit_wake_followers() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM audit_follower WHERE job_id = NEW.job_id AND until > clock_timestamp()) THEN
        PERFORM pg_notify('consilience_jobs', NEW.job_id::text);
    END IF;
    RETURN NULL;
END $$;
"""
BACKWARDS = """
CREATE OR REPLACE FUNCTION audit_wake_followers() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('consilience_jobs', NEW.job_id::text);
    RETURN NULL;
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [("audit", "0006_log_restored")]

    operations = [
        migrations.CreateModel(
            name="Follower",
            fields=[
                ("job_id", models.UUIDField(primary_key=True, serialize=False)),
                ("until", models.DateTimeField()),
            ],
        ),
        migrations.RunSQL(FORWARDS, BACKWARDS),
    ]
