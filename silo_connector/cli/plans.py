"""``silo-connector plans``: what was reviewed here, by whom; and how a plan is shown before it is reviewed."""

from __future__ import annotations

import argparse
import difflib
import json
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from federation.agreements.signing import open_agreement
from federation.errors import FederationError, Invalid
from federation.plans.declaration import Plan
from federation.plans.reviews import open_review
from federation.protocol.documents import CodeReview, read
from federation.protocol.envelope import payload_unverified
from federation.protocol.keys import PublicKey
from silo_connector import config as configuration
from silo_connector import identity
from silo_connector.agreements import Store
from silo_connector.cli.offline_signing import pinned_in
from silo_connector.cli.terminal import printable, wrapped
from silo_connector.config import Config
from silo_connector.plans import PlanStore, ReviewedPlan

_REVIEWS_BYTES_MAX = 64 << 20


def show(options: argparse.Namespace) -> int:
    """What is kept here."""
    config = configuration.load(options.config)
    pinned = pinned_in(config)
    store = PlanStore(config.trainer_state, pinned.key)
    found = store.digests()
    if not found:
        print("No training plan has been reviewed here: none is run.")
    for digest in found:
        kept = store.find(digest)
        if kept is not None:
            _show(kept)
    if found and config.runner is None:
        print("There is no [runner] in connector.toml: none of them is run here.", file=sys.stderr)
    return 0


def _show(kept: ReviewedPlan) -> None:
    print(f"{kept.plan.digest}  {printable(kept.plan.declaration.title)}")
    people = "nobody" if not kept.reviewers else f"{kept.reviewers} {'person' if kept.reviewers == 1 else 'people'}"
    print(f"  approved by {people}")
    for review in kept.reviews:
        print(f"  {_said(review)}")


def _said(review: CodeReview) -> str:
    note = f": {review.note}" if review.note else ""
    return wrapped(f"{review.reviewed_at:%Y-%m-%d %H:%M} UTC  {review.verdict} by {review.reviewer}{note}")


def show_source(plan: Plan, *, in_colour: bool) -> None:
    """The whole file with line numbers; nothing in it acts on the terminal."""
    text = printable(plan.text.replace("\r\n", "\n").expandtabs(8))
    shown = _highlighted(text) if in_colour else text
    for number, line in enumerate(shown.rstrip("\n").split("\n"), start=1):
        print(f"{number:>5}  {line}")
    for number, line in enumerate(text.split("\n"), start=1):
        strange = sorted({character for character in line if ord(character) > 126})
        if strange:
            message = ", ".join(f"{character} U+{ord(character):04X}" for character in strange[:8])
            print(f"WARNING  Line {number} has characters that may look like others: {message}")


def _highlighted(text: str) -> str:
    from pygments import highlight
    from pygments.formatters import TerminalFormatter
    from pygments.lexers import PythonLexer

    return str(highlight(text, PythonLexer(stripnl=False), TerminalFormatter()))


def show_difference(plan: Plan, store: PlanStore) -> None:
    """What differs from the plan that was approved here last."""
    before = approved_last(plan, store)
    if before is None:
        print("No other training plan has been approved here.")
        return
    print(f"What differs from {before.plan.digest}, which was approved here last:")
    lines = difflib.unified_diff(before.plan.text.splitlines(), plan.text.splitlines(), "before", "now", lineterm="")
    for line in lines:
        print(f"  {printable(line.expandtabs(8))}")


def approved_last(plan: Plan, store: PlanStore) -> ReviewedPlan | None:
    """Of the plans that are approved here, other than this one, the one with the newest review."""
    kept = [store.find(digest) for digest in store.digests() if digest != plan.digest]
    approved = [one for one in kept if one is not None and one.reviewers]
    return max(approved, key=lambda one: one.reviews[-1].reviewed_at, default=None)


@dataclass(frozen=True)
class ReviewClaim:
    """What somebody is said to have said of a plan, and whose signature really is under it."""

    review: CodeReview
    organisation: str
    is_verified: bool


def show_reviews(path: Path, plan: Plan, config: Config | None) -> None:
    """What others said of a plan, by a file from its page: verified with the keys of the agreements that are kept."""
    document = read_reviews(path, plan, {} if config is None else _members(config))
    print("What has been said of this very file:")
    for one in document:
        mark = "verified    " if one.is_verified else "NOT VERIFIED"
        print(wrapped(f"{mark}  {one.organisation}: {_said(one.review)}", "  "))
    if not document:
        print("  nothing")


def read_reviews(path: Path, plan: Plan, members: dict[str, str]) -> list[ReviewClaim]:
    """The reviews of a plan in a file; `members` are organisations by their signatory keys.

    Raises Invalid ``reviews.malformed``.
    """
    with path.open("rb") as stream:
        data = stream.read(_REVIEWS_BYTES_MAX + 1)
    try:
        entries = [(str(entry["organisation"]), json.dumps(entry["envelope"]).encode()) for entry in json.loads(data)]
        found = [(name, sealed, read(CodeReview, payload_unverified(sealed))) for name, sealed in entries]
    except (ValueError, KeyError, TypeError, RecursionError, FederationError) as error:
        raise Invalid("reviews.malformed", f"{path} is no list of reviews, as a plan's page has it.") from error
    rows = []
    for name, sealed, review in found:
        if review.code_digest == plan.digest:
            is_verified = review.signatory_key in members and _holds(sealed, review)
            rows.append(ReviewClaim(review, members[review.signatory_key] if is_verified else name, is_verified))
    return sorted(rows, key=lambda one: one.review.reviewed_at)


def _holds(sealed: bytes, review: CodeReview) -> bool:
    try:
        open_review(sealed, PublicKey.from_encoded(review.signatory_key))
    except FederationError:
        return False
    return True


def _members(config: Config) -> dict[str, str]:
    """Organisations by their signatory keys, from the agreements that were signed here."""
    pinned = identity.pinned_signatory(config)
    store = None if pinned is None else Store(config.trainer_state, pinned.key)
    kept: Iterable[bytes] = []
    if store is not None:
        kept = [found.sealed for agreement_id in store.ids() if (found := store.find(agreement_id)) is not None]
    terms = [open_agreement(sealed).agreement.terms for sealed in kept]
    return {member.signatory_key: member.organisation for one in terms for member in one.members}
