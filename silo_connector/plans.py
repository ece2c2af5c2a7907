"""The training plans that the own organisation has reviewed, as its trainer keeps them: never written by the network.

One folder for each plan in ``trainer_state/plans``, named by the plan's hash: the file itself, and every review that
was signed here. What is read is hashed and verified again with the pinned signatory's key.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from federation.errors import FederationError, Invalid
from federation.plans.declaration import SOURCE_BYTES_MAX, Plan, read_plan
from federation.plans.reviews import open_review, reviewers_of
from federation.protocol.digests import digest_bytes
from federation.protocol.documents import CodeReview
from federation.protocol.keys import PublicKey
from silo_connector.folders import SafeDir
from silo_connector.instance import check_own

FOLDER = "plans"
PLAN = "plan.py"
REVIEWS = "reviews"
REVIEW_BYTES_MAX = 64 << 10
_NAME = re.compile(r"[0-9a-f]{64}")
_SUFFIX = ".json"
_MODE = 0o600


@dataclass(frozen=True)
class ReviewedPlan:
    """A plan, and what people of the own organisation stated of it, the oldest first."""

    plan: Plan
    reviews: tuple[CodeReview, ...]

    @property
    def reviewers(self) -> int:
        """How many of them stand behind it."""
        return reviewers_of(self.reviews, self.plan.digest)


class PlanStore:
    """The folder with the plans."""

    def __init__(self, state: Path, signatory: PublicKey) -> None:
        self._state = state
        self._path = state / FOLDER
        self._signatory = signatory

    def digests(self) -> list[str]:
        """The plans of which something is kept here."""
        if not self._path.is_dir():
            return []
        return sorted(f"sha256:{entry.name}" for entry in self._path.iterdir() if _NAME.fullmatch(entry.name))

    def find(self, digest: str) -> ReviewedPlan | None:
        """A plan with its reviews. Raises Invalid ``plans.unreadable``."""
        name = digest.removeprefix("sha256:")
        if _NAME.fullmatch(name) is None or not (self._path / name).exists():
            return None
        try:
            with SafeDir.open(self._path) as plans, plans.folder(name) as folder:
                plan = read_plan(folder.read(PLAN, SOURCE_BYTES_MAX))
                reviews = self._reviews(folder)
        except (FederationError, OSError) as error:
            raise self._unreadable(name, error.message if isinstance(error, FederationError) else str(error)) from error
        if plan.digest != digest:
            raise self._unreadable(name, "it holds another plan than it says")
        if any(review.code_digest != digest for review in reviews):
            raise self._unreadable(name, "it holds a review of another plan")
        return ReviewedPlan(plan, tuple(sorted(reviews, key=lambda review: review.reviewed_at)))

    def keep(self, plan: Plan, sealed: bytes) -> ReviewedPlan:
        """Keep a plan with a review of it, signed by the own organisation; the same one again changes nothing.

        Raises Invalid ``review.other_plan``, ``plans.unreadable``, and what ``open_review`` raises.
        """
        review = open_review(sealed, self._signatory)
        if review.code_digest != plan.digest:
            raise Invalid("review.other_plan", f"The review is of {review.code_digest}, the file is {plan.digest}.")
        check_own(self._state)
        self.find(plan.digest)  # what is damaged is shown before anything is added to it
        self._path.mkdir(parents=True, exist_ok=True, mode=0o700)
        name = digest_bytes(sealed).removeprefix("sha256:")[:32]
        with SafeDir.open(self._path) as plans, plans.make_folder(plan.digest.removeprefix("sha256:")) as folder:
            with folder.make_folder(REVIEWS) as reviews:
                if not folder.exists(PLAN):
                    folder.replace(PLAN, plan.source, mode=_MODE)
                reviews.replace(f"{name}{_SUFFIX}", sealed, mode=_MODE)
            plans.sync()
        kept = self.find(plan.digest)
        assert kept is not None, "it has just been written"
        return kept

    def _reviews(self, folder: SafeDir) -> list[CodeReview]:
        """All of them must hold: the one that does not could be the refusal."""
        with folder.folder(REVIEWS) as reviews:
            names = [name for name in reviews.names() if name.endswith(_SUFFIX) and not name.startswith(".")]
            return [open_review(reviews.read(name, REVIEW_BYTES_MAX), self._signatory) for name in names]

    def _unreadable(self, name: str, reason: str) -> Invalid:
        return Invalid(
            "plans.unreadable",
            f"{self._path / name} can't be used: {reason}. Restore it from the backup of the trainer's state; or move "
            "it away, and review the plan again.",
        )
