"""``silo-connector approve``: a person's word on a training plan, signed on premises over what was shown."""

from __future__ import annotations

import argparse
import sys
from datetime import datetime, timedelta
from pathlib import Path

from federation.errors import Invalid
from federation.plans.declaration import SOURCE_BYTES_MAX, Plan, read_plan
from federation.plans.reviews import open_review, same_reviewer, sign_review
from federation.plans.unicode_safety import is_plain_line
from federation.protocol.documents import CodeReview, now
from silo_connector.agreements import Store
from silo_connector.cli.offline_signing import config_of, confirmed, export, key_of, pinned_in, read
from silo_connector.cli.plans import show_difference, show_reviews, show_source
from silo_connector.cli.terminal import printable, wrapped
from silo_connector.config import Config
from silo_connector.instance import check_own
from silo_connector.journal import Journal
from silo_connector.own_keys import Signatory
from silo_connector.plans import REVIEW_BYTES_MAX, PlanStore, ReviewedPlan

_ELSEWHERE = "Where it is on another machine, review there with --export, and take the review here with --import."


def approve(options: argparse.Namespace) -> int:
    """Show a plan, ask, sign; or take a review that was signed elsewhere."""
    config = config_of(options)
    plan = read_plan(read(options.plan, SOURCE_BYTES_MAX))
    if options.import_ is not None:
        assert config is not None, "only a review that goes elsewhere needs no configuration"
        _take(config, pinned_in(config), plan, read(options.import_, REVIEW_BYTES_MAX))
        return 0
    reviewer = " ".join((options.reviewer or "").split())
    if not reviewer:
        raise Invalid("arguments", "Say with --reviewer who has read the plan: the agreement may ask for two people.")
    if not is_plain_line(reviewer):
        raise Invalid("arguments", "The reviewer's name has characters that a reader does not see. Type it again.")
    key, pinned = key_of(options, config, _ELSEWHERE)
    store = None if config is None or pinned is None else PlanStore(config.trainer_state, pinned.key)
    _show(plan, store, options.reviews, config)
    verdict = "refuse" if options.refuse else "approve"
    signed_as = f"You {verdict} it as {reviewer}, with the key {key.public.fingerprint}."
    print(wrapped(f"{signed_as} Name and note are shown to the other members."))
    if not options.yes and not confirmed(verdict):
        raise Invalid("plan.not_confirmed", "Nothing was signed.")
    review = CodeReview(
        code_digest=plan.digest,
        signatory_key=key.public.encoded,
        reviewer=reviewer,
        verdict="refused" if options.refuse else "approved",
        note=options.note,
        reviewed_at=_moment(plan, store, reviewer),
    )
    sealed = sign_review(review, key)
    if options.export is not None:
        export(sealed, options.export, "review", "approve", page="plan")
    if config is not None and pinned is not None:
        _take(config, pinned, plan, sealed)
    return 0


def _show(plan: Plan, store: PlanStore | None, reviews: Path | None, config: Config | None) -> None:
    show_source(plan, in_colour=sys.stdout.isatty())
    print()
    if store is not None:
        show_difference(plan, store)
    if reviews is not None:
        show_reviews(reviews, plan, config)
    print(f"Title: {printable(plan.declaration.title)}")
    print(f"Hash:  {plan.digest}")
    print("Compare the hash with the one on the plan's page, and in the agreement.")
    if config is not None and store is not None and not _is_named(plan, config, pinned_in(config)):
        print("WARNING  No agreement that was signed here names it: it would not run yet.")


def _is_named(plan: Plan, config: Config, pinned: Signatory) -> bool:
    store = Store(config.trainer_state, pinned.key)
    kept = [store.find(agreement_id) for agreement_id in store.ids()]
    return any(plan.digest in one.signed.agreement.terms.code.digests for one in kept if one is not None)


def _moment(plan: Plan, store: PlanStore | None, reviewer: str) -> datetime:
    """Now; but after whatever the same person said before, also where that machine's clock was ahead."""
    kept = None if store is None else store.find(plan.digest)
    earlier = [] if kept is None else _words_of(reviewer, kept)
    return max([now(), *(one.reviewed_at + timedelta(milliseconds=1) for one in earlier)])


def _words_of(reviewer: str, kept: ReviewedPlan) -> list[CodeReview]:
    return [one for one in kept.reviews if same_reviewer(one.reviewer) == same_reviewer(reviewer)]


def _take(config: Config, pinned: Signatory, plan: Plan, sealed: bytes) -> None:
    """Keep a review beside its plan, and hand it to the relay."""
    from silo_connector.spool import Spool
    from silo_connector.trainer.egress.filter import leave_review
    from silo_connector.trainer.store.outbox import Outcomes

    check_own(config.trainer_state)
    sealed = leave_review(sealed, pinned.key)
    review = open_review(sealed, pinned.key)
    kept = PlanStore(config.trainer_state, pinned.key).keep(plan, sealed)
    journal = Journal.of(config)
    journal.add(f"code.{review.verdict}", code=plan.digest, reviewer=review.reviewer, signatory=pinned.key.key_id)
    place = Spool(config.spool)
    place.make()
    Outcomes(config.trainer_state, place, journal).put_review(sealed)
    print(f"{review.verdict.capitalize()} by {printable(review.reviewer)}: {plan.digest}")
    print(f"Approved here by {kept.reviewers} now. The review waits for the relay.")
    if config.runner is None:
        print("There is no [runner] in connector.toml: nothing is run here (docs/silo-it.md).", file=sys.stderr)
    if _words_of(review.reviewer, kept)[-1] != review:
        print("WARNING  A later word of the same person is kept here, and that one counts.", file=sys.stderr)
