"""Whoever follows a job is woken by the event itself: a notice on commit, without a statement of its own."""

from django.db import migrations

FORWARDS = """
CREATE FUNCTION audit_wake_followers() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('consilience_jobs', NEW.job_id::text);
    RETURN NULL;
END $$;
CREATE TRIGGER audit_event_wakes_followers AFTER INSERT ON audit_event
    FOR EACH ROW WHEN (NEW.job_id IS NOT NULL) EXECUTE FUNCTION audit_wake_followers();
"""
BACKWARDS = """
DROP TRIGGER audit_event_wakes_followers ON audit_event;
DROP FUNCTION audit_wake_followers();
"""


class Migration(migrations.Migration):
    dependencies = [("audit", "0002_forbid_change")]
    operations = [migrations.RunSQL(FORWARDS, BACKWARDS)]
