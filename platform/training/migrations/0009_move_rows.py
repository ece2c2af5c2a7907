from django.db import migrations

STEPS = """
    UPDATE training_step AS step
    SET state = CASE WHEN round.state IN ('aggregating', 'closed', 'abandoned') THEN round.state ELSE 'collecting' END,
        opened_at = round.opened_at, aggregating_at = round.aggregating_at, closed_at = round.closed_at,
        close_reason = round.close_reason, lease = round.lease, lease_until = round.lease_until, claims = round.claims
    FROM training_round AS round WHERE round.id = step.round_id
"""
ORDERS = """
    UPDATE training_order AS own SET job_id = round.job_id, base_version_id = round.base_version_id
    FROM training_step AS step JOIN training_round AS round ON round.id = step.round_id
    WHERE step.id = own.step_id
"""
# What had lapsed unanswered is called so now; it was given to nobody any more.
CHECKPOINTS = """
    INSERT INTO training_order
        (id, audit_checkpoint_id, silo_id, kind, number, state, code, message, clause, envelope, issued_at, expires_at,
         answered_at, settled_at, awaited)
    SELECT id, checkpoint_id, silo_id, 'checkpoint', number,
           CASE WHEN code <> '' THEN 'refused' WHEN answered_at IS NOT NULL THEN 'submitted'
                WHEN expires_at < statement_timestamp() THEN 'expired' ELSE 'issued' END,
           code, '', '', envelope, issued_at, expires_at, answered_at,
           CASE WHEN answered_at IS NOT NULL OR expires_at >= statement_timestamp() THEN answered_at ELSE expires_at END,
           false
    FROM training_checkpointorder
"""
REFUSALS = """
    INSERT INTO training_refusaldocument (order_id, document, received_at)
    SELECT id, refusal, answered_at FROM training_checkpointorder WHERE refusal IS NOT NULL
"""


class Migration(migrations.Migration):
    """A round's state, lease and claims move to its step, and the orders of the audit log to the other orders."""

    dependencies = [("training", "0008_orders_and_steps")]

    operations = [migrations.RunSQL(statement) for statement in (STEPS, ORDERS, CHECKPOINTS, REFUSALS)]
