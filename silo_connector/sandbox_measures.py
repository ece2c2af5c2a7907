"""By what a session of the runner is confined: names that its log, the trainer's journal and the doctor share."""

from __future__ import annotations

LIMITS = "limits"
PRIVILEGES = "no new privileges"
NETWORK = "own network namespace"
LANDLOCK = "landlock"
SECCOMP = "seccomp"
NO_TRACES = "no access times"
MEASURES = (LIMITS, PRIVILEGES, NETWORK, LANDLOCK, SECCOMP, NO_TRACES)
"""What is missing of these is stated in the log and by the doctor."""
NOBODY = "nobody"
"""Only where the runner is root, which it need not be."""
