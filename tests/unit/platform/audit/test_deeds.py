"""Every verb that the platform records has words for people."""

from __future__ import annotations

import re
from itertools import chain

from audit.event_labels import EVENT_LABELS, event_label_of
from consortia.models.participation import InvitationAnswer
from demo.services import ROOT
from training.transitions import JobState

NEVER = {JobState.DRAFT, JobState.RESERVING, JobState.QUEUED}
"""No job comes into these: it begins in one."""


def test_every_event_verb_has_a_label() -> None:
    sources = [path.read_text() for path in (ROOT / "platform").rglob("*.py") if "/management/" not in path.as_posix()]
    written = set(chain.from_iterable(re.findall(r'\bverb="([a-z_.]+)"', source) for source in sources))
    assert len(written) > 40
    written |= {f"invitation.{answer.value}" for answer in InvitationAnswer}
    written |= {f"job.{state.value}" for state in JobState if state not in NEVER}
    assert not written - set(EVENT_LABELS)
    assert event_label_of("test.done") == "test.done"
