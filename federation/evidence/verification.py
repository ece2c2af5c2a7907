"""Checking a job's evidence offline: who signed what, under what, and whether it fits together."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import partial

from federation.evidence.approvals import check_reviews
from federation.evidence.exchanges import answers_of, orders_of
from federation.evidence.grounds import Grounds, grounds_of
from federation.evidence.passports import open_passport
from federation.evidence.reading import Evidence
from federation.evidence.record import check_record
from federation.evidence.report import Fault, Report, guarded
from federation.evidence.tracing import Answered, faults_of, sent_after
from federation.protocol.documents import Order


def verify_evidence(
    evidence: Evidence, pinned: str | None = None, kept: Mapping[str, Collection[tuple[int, str]]] | None = None
) -> Report:
    """Check a bundle. `pinned` is the fingerprint of the platform's key as it is known from elsewhere.

    Never raises for what is in the bundle: every fault is in the report. Without `pinned` the bundle's own word is
    taken for the platform's key, and only for that. `kept` has, by chain, the position and digest of each head
    that was seen earlier: a history that has been rewritten since does not lead through all of them.
    """
    report = Report()
    found = guarded("bundle", report, lambda: grounds_of(evidence, pinned, report))
    if found is None:
        return report
    check_reviews(evidence, found, report)
    orders = dict(orders_of(evidence, found, report))
    answers = dict(answers_of(evidence, found, orders, report))
    _passports(evidence, found, orders, answers, report)
    check_record(evidence, found, report, kept or {})
    return report


def _passports(
    evidence: Evidence, found: Grounds, orders: dict[str, Order], answers: dict[str, Answered], report: Report
) -> None:
    for name, sealed in evidence.passports.items():
        where = f"passport {name}"
        opened = guarded(where, report, partial(open_passport, sealed, found.keys.keys))
        if opened is None:
            continue
        digest, passport = opened
        said = list(faults_of(passport, digest, found.manifest, found.manifest_digest, orders, answers))
        sent = sent_after(passport.round, orders)
        if sent and digest not in sent:
            said.append(("passport.other_model", f"Other weights were sent out after round {passport.round}."))
        report.faults.extend(Fault(where, code, what) for code, what in said)
        if not said:
            report.passports[digest] = passport
    _passports_lead_back(report)
    if evidence.passports:
        report.checked["passports"] = len(evidence.passports)


def _passports_lead_back(report: Report) -> None:
    """Each round began with weights that have a passport too, but the first: that one's are in the manifest.

    Otherwise weights of anybody's could be put between two rounds, and their passport left out.
    """
    before = {(digest, passport.round) for digest, passport in report.passports.items()}
    for passport in report.passports.values():
        if passport.round > 1 and (passport.base_digest, passport.round - 1) not in before:
            told = f"Nothing says whose answers the weights were made from with which round {passport.round} began."
            report.faults.append(Fault(f"passport {passport.round}", "passport.missing", told))
