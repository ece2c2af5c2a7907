"""The duties of the housekeeping that sign evidence, and have silos countersign it."""

from celery import shared_task

from audit import chaining, checkpoints
from evidence import audit_checkpoints, passports
from training.engine.issuing import signing_key
from training.engine.tasks import Duty


@shared_task(base=Duty, name="evidence.tasks.delete_old_countersignatures")
def delete_old_countersignatures() -> None:
    """Delete countersignatures that later ones stand for, with their orders."""
    audit_checkpoints.delete_old_countersignatures()


@shared_task(base=Duty, name="evidence.tasks.issue_passports")
def issue_passports() -> None:
    """Sign the passports that are missing."""
    passports.issue_missing(signing_key())


@shared_task(base=Duty, name="evidence.tasks.sign_audit_heads")
def sign_audit_heads() -> None:
    """Chain what has happened, and sign the heads of the chains."""
    chaining.chain_new()
    checkpoints.sign_heads(signing_key())


@shared_task(base=Duty, name="evidence.tasks.order_countersignatures")
def order_countersignatures() -> None:
    """Have the heads countersigned by the silos."""
    audit_checkpoints.issue_orders(signing_key())
