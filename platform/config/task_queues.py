"""Which task waits in which queue, and which are sent by the clock."""

from typing import Any

# A queue for each kind of work, and every task has one: tests compare this with the tasks that there are.
ROUTES = {
    "training.tasks.start_job": {"queue": "rounds"},
    "training.tasks.open_round": {"queue": "rounds"},
    "training.tasks.sweep": {"queue": "rounds"},
    "training.tasks.close_step": {"queue": "aggregation"},
    "training.tasks.housekeeping": {"queue": "housekeeping"},
    "training.tasks.delete_expired_data": {"queue": "housekeeping"},
    "training.tasks.delete_orphaned_files": {"queue": "housekeeping"},
    "training.tasks.retire_models": {"queue": "housekeeping"},
    "training.tasks.prune_models": {"queue": "housekeeping"},
    "evidence.tasks.delete_old_countersignatures": {"queue": "housekeeping"},
    "evidence.tasks.issue_passports": {"queue": "housekeeping"},
    "evidence.tasks.sign_audit_heads": {"queue": "housekeeping"},
    "evidence.tasks.order_countersignatures": {"queue": "housekeeping"},
    "agreements.tasks.settle": {"queue": "rounds"},
    "silos.tasks.expire_unconfirmed": {"queue": "housekeeping"},
    "accounts.tasks.forget": {"queue": "housekeeping"},
    # what waits for other people's servers has a queue and a process of its own: rounds never wait for it
    "monitoring.tasks.notify": {"queue": "notifications"},
    "accounts.tasks.send_welcome": {"queue": "notifications"},
    "accounts.tasks.send_password_reset": {"queue": "notifications"},
}
HOUSEKEEPING_DUTIES = (
    "training.tasks.delete_expired_data",
    "training.tasks.retire_models",
    "training.tasks.prune_models",
    "evidence.tasks.delete_old_countersignatures",
    "evidence.tasks.issue_passports",
    "evidence.tasks.sign_audit_heads",
    "evidence.tasks.order_countersignatures",
)
"""In an order in which the first head after a job's end has its passports too."""


def schedule(*, sweep_every_s: float, housekeeping_every_s: float) -> dict[str, dict[str, Any]]:
    """What beat sends. What has waited until the next one is sent is dropped."""
    return {
        "notify": {"task": "monitoring.tasks.notify", "schedule": 5.0, "options": {"expires": 10}},
        "sweep": {"task": "training.tasks.sweep", "schedule": sweep_every_s, "options": {"expires": 10}},
        "housekeeping": {
            "task": "training.tasks.housekeeping",
            "schedule": housekeeping_every_s,
            "options": {"expires": housekeeping_every_s},
        },
        # it looks at every file that is older than a week: a model's versions are many
        "orphaned-files": {
            "task": "training.tasks.delete_orphaned_files",
            "schedule": 3600.0,
            "options": {"expires": 3600},
        },
        "settle": {"task": "agreements.tasks.settle", "schedule": 10.0, "options": {"expires": 20}},
        "expire-silos": {"task": "silos.tasks.expire_unconfirmed", "schedule": 600.0, "options": {"expires": 600}},
        "forget": {"task": "accounts.tasks.forget", "schedule": 3600.0, "options": {"expires": 3600}},
    }
