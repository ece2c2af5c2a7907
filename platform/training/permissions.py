"""Who may see and steer which job."""

from __future__ import annotations

from uuid import UUID

from accounts.models import User
from accounts.permissions import Permission
from consortia.permissions import require
from consortia.selectors import consortia_visible_to
from rest.errors import NotFound
from training.models import Job


def access_job(user: User, job_id: UUID | str, permission: Permission = Permission.JOB_VIEW) -> Job:
    """The job, for who may do this to it. Raises the same NotFound for absent and hidden, Forbidden for the rest."""
    try:
        wanted = job_id if isinstance(job_id, UUID) else UUID(str(job_id))
    except ValueError:
        raise NotFound.of("job") from None
    visible = Job.objects.select_related("consortium", "model").filter(consortium__in=consortia_visible_to(user))
    job = visible.filter(id=wanted).first()
    if job is None:
        raise NotFound.of("job")
    require(user, permission, consortium=job.consortium)
    return job
