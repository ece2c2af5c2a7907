"""What a job asks of each silo's connector: by its task, and by the steps of its protection mode."""

from __future__ import annotations

from federation.protection import mode_of
from federation.tasks import task_of
from silos.capabilities import Needs
from training.protocols import PROTOCOLS


def needs_of(task_name: str, mode: str | None, family: str | None = None, target: str | None = None) -> Needs:
    """What must be informed of by a connector before it is given orders of such a job. None is for what is not known
    yet.
    """
    task = task_of(task_name)
    protocol = PROTOCOLS.get(mode or "")
    if protocol is None:
        return Needs(kinds=task.work, payloads=tuple(sorted(task.payload_kinds)), family=family, target=target)
    steps = [plan for work in task.work for plan in protocol.steps(work)]
    brought = {kind for plan in steps for kind in plan.payload_kinds} | task.payload_kinds
    if task.trains:
        brought.add(mode_of(protocol.mode).update_kind)
    return Needs(
        kinds=tuple(dict.fromkeys(plan.kind for plan in steps)),
        payloads=tuple(sorted(brought)),
        protection=protocol.mode if task.trains else None,
        family=family,
        target=target,
    )
