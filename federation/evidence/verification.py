"""Checking a job's evidence offline: who signed what, under what, and whether it fits together."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import partial

from federation.evidence.approvals import check_reviews
from federation.evidence.audit_chain_checks import check_record
from federation.evidence.breaks import LOG_RESTORED, check_unbroken
from federation.evidence.bundle_parser import Evidence
from federation.evidence.events import check_numbers, events_of, positions
from federation.evidence.heads import check_covered, check_heads, check_trusted_heads
from federation.evidence.history import history_of
from federation.evidence.matching import Opened, check_matching
from federation.evidence.order_checks import answers_of, check_bounds, orders_of
from federation.evidence.own_orders import OwnOrder, check_own
from federation.evidence.passport_checks import faults_of, models_issued_after_round
from federation.evidence.passports import Passport, open_passport
from federation.evidence.report import Fault, Report, run_check
from federation.evidence.root_documents import RootDocuments, root_documents_of
from federation.evidence.round_events import History
from federation.evidence.statistics import check_statistics
from federation.protocol.chains import chain_of
from federation.protocol.tree_heads import TreeHead

OLD_MANIFEST = "1.0"
UNFORESEEN = "evidence.unforeseen"


@dataclass(frozen=True)
class PriorKnowledge:
    """What who asks has seen earlier: heads by chain, and the own orders by job."""

    kept: Mapping[str, Collection[TreeHead]]
    given_up: Mapping[str, Collection[TreeHead]]
    own: Mapping[str, Collection[OwnOrder]]


def verify_evidence(
    evidence: Evidence,
    pinned: str | None = None,
    kept: Mapping[str, Collection[TreeHead]] | None = None,
    given_up: Mapping[str, Collection[TreeHead]] | None = None,
    own: Mapping[str, Collection[OwnOrder]] | None = None,
) -> Report:
    """Check a bundle. `pinned` is the fingerprint of the platform's key as it is known from elsewhere.

    Never raises for what is in the bundle: every fault is in the report. Without `pinned` the bundle's own word is
    taken for the platform's key, and only for that. `kept` has, by chain, the heads that were seen earlier: a history
    that has been rewritten since does not lead through all of them. `given_up` has those that were kept until the
    organisation of who asks accepted another log: it is reported that the log broke there, also if the bundle hides it.
    `own` has, by job, the orders that who asks was given as a silo, and what it answered.
    """
    report = Report()
    try:
        _verify(evidence, pinned, PriorKnowledge(kept or {}, given_up or {}, own or {}), report)
    except (
        Exception
    ) as error:  # what nobody thought of is still no reason to believe a bundle, or to stop without a word
        message = f"Checking broke off: {type(error).__name__}. Nothing that follows was looked at."
        report.faults.append(Fault("bundle", UNFORESEEN, message))
    return report


def _verify(evidence: Evidence, pinned: str | None, seen: PriorKnowledge, report: Report) -> None:
    found = run_check("bundle", report, lambda: root_documents_of(evidence, pinned, report))
    if found is None:
        return
    check_reviews(evidence, found, report)
    orders = dict(orders_of(evidence, found, report))
    answers = dict(answers_of(evidence, found, orders, report))
    opened = Opened(orders, answers, _passports(evidence, found, report))
    _trace(opened, found, report)
    history = History()
    if evidence.links and not evidence.events:
        check_record(evidence, found, report, seen.kept)
        _says_less(opened, found, report)
    else:
        history = _check_log(evidence, found, opened, report, seen)
    check_statistics(evidence, opened, history, found, report)
    check_bounds(answers, history.rejected, report)
    is_restored = any(limit.code == LOG_RESTORED for limit in report.limits)
    was_given_up = is_restored and bool(seen.given_up.get(chain_of(found.manifest.consortium_id)))
    own = seen.own.get(str(found.manifest.job_id), ())
    check_own(own, evidence, opened, history, report, was_log_given_up=was_given_up)


def _passports(evidence: Evidence, found: RootDocuments, report: Report) -> dict[str, tuple[str, Passport]]:
    opened = {
        name: run_check(f"passport {name}", report, partial(open_passport, sealed, found.keys.keys))
        for name, sealed in evidence.passports.items()
    }
    if evidence.passports:
        report.checked["passports"] = len(evidence.passports)
    return {name: one for name, one in opened.items() if one is not None}


def _trace(opened: Opened, found: RootDocuments, report: Report) -> None:
    for name, (digest, passport) in opened.passports.items():
        where = f"passport {name}"
        rows = list(faults_of(passport, digest, found.manifest, found.manifest_digest, opened.orders, opened.answers))
        sent = models_issued_after_round(passport.round, opened.orders)
        if sent and digest not in sent:
            rows.append(("passport.other_model", f"Other weights were sent out after round {passport.round}."))
        report.faults.extend(Fault(where, code, what) for code, what in rows)
        if not rows:
            report.passports[digest] = passport
    _passports_lead_back(report)


def _passports_lead_back(report: Report) -> None:
    """Each round began with weights that have a passport too, but the first: that one's are in the manifest.

    Otherwise weights of anybody's could be put between two rounds, and their passport left out.
    """
    before = {(digest, passport.round) for digest, passport in report.passports.items()}
    for passport in report.passports.values():
        if passport.round > 1 and (passport.base_digest, passport.round - 1) not in before:
            message = f"Nothing says whose answers the weights were made from with which round {passport.round} began."
            report.faults.append(Fault(f"passport {passport.round}", "passport.missing", message))


def _check_log(
    evidence: Evidence, found: RootDocuments, opened: Opened, report: Report, seen: PriorKnowledge
) -> History:
    """Hold the job's documents against its events, and these against the log that platform and silos have signed.

    What the events report; nothing where they can't be read, or bind nothing.
    """
    heads = check_heads(evidence, found, report)
    if heads is None:
        return History()
    if evidence.links:
        report.faults.append(Fault("audit", "bundle.malformed", "The log is there in two forms."))
    events = events_of(evidence.events, found, heads.last, report)
    chain = chain_of(found.manifest.consortium_id)
    check_trusted_heads(heads, positions(events), seen.kept, chain, report)
    first = min((event.position for event in events), default=0)
    check_unbroken(evidence, found, first, seen.given_up.get(chain, ()), report)
    if events and found.manifest.protocol == OLD_MANIFEST and all(event.number is None for event in events):
        message = "The job began before its events were numbered: nothing shows that none is left out."
        report.limits.append(Fault("audit", "evidence.protocol_1_0", message))
        _began_earlier(opened, found, report)
        return History()
    check_numbers(events, report)
    history = history_of(events, found, report)
    report.ended = history.ended.removeprefix("job.")
    check_matching(evidence, opened, history, found, report)
    check_covered(heads, found, max((event.position for event in events), default=0), report)
    return history


def _began_earlier(opened: Opened, found: RootDocuments, report: Report) -> None:
    """Whether a job without numbers in its events can have begun under a platform of protocol 1.0.

    It goes on under 1.1, so that later documents say so. But then its agreement was signed before, and its silos have
    answered under 1.0 at first: what silos and members sign the platform can't take back to 1.0.
    """
    agreed = found.agreement.agreement.protocol
    answered = {answer.said.protocol for answer in opened.answers.values()}
    if agreed != OLD_MANIFEST or (answered and OLD_MANIFEST not in answered):
        message = "Its events have no numbers, as under 1.0. What members and silos have signed is of a later protocol."
        report.faults.append(Fault("audit", "evidence.downgraded", message))


def _says_less(opened: Opened, found: RootDocuments, report: Report) -> None:
    """A bundle as protocol 1.0 had them: its log binds no document. What speaks 1.1 has no business to be in one."""
    signed = [found.manifest, *opened.orders.values(), *(answer.said for answer in opened.answers.values())]
    newer = sum(1 for one in signed if one.protocol != OLD_MANIFEST)
    if newer:
        message = (
            f"{newer} documents are of a later protocol: their evidence has the job's events, and these were left out."
        )
        report.faults.append(Fault("audit", "evidence.downgraded", message))
    message = (
        "The bundle is of protocol 1.0. Its log names no document: it does not show that no round, order or answer was "
        "left out, nor which model was the last."
    )
    report.limits.append(Fault("audit", "evidence.protocol_1_0", message))
