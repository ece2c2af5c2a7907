"""A platform that owns the database and its own signing key makes evidence that lies: none of it holds.

Each lie comes in three ways: in the documents alone; with the job's events made to fit, in a log signed again while the
silos have countersigned the true one; and with the silos' signatures left out, which then leaves limited evidence only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal
from uuid import UUID

import pytest

from federation.evidence import bundle_parser
from federation.evidence.bundle_parser import gather
from federation.evidence.bundles import Entry, read_bundle, write_bundle
from federation.evidence.passports import Evaluation, Passport, open_passport, sign_passport
from federation.evidence.report import Report, Verdict
from federation.evidence.verification import verify_evidence
from federation.protocol import documents
from federation.protocol.chains import chain_of
from federation.protocol.digests import digest_bytes
from federation.protocol.envelope import payload_unverified
from federation.protocol.keys import PrivateKey
from federation.protocol.tree_heads import TreeHead
from federation.verify import check, main
from tests.support.evidence import Event, Played, answer_to, model_of
from tests.support.of_1_0 import sealed_as_1_0

ROUNDS = 3
PLAYED = Played(rounds=ROUNDS)
DOCUMENTS = PLAYED.documents(ROUNDS)
EVENTS = PLAYED.events(DOCUMENTS)
TRUE, PLACES = PLAYED.log(EVENTS)
CHAIN = chain_of(PLAYED.manifest.consortium_id)
ELSE = digest_bytes(b"an invented model")
RECORDED = Path(__file__).parents[3] / "fixtures" / "protocol_1_0" / "evidence.jsonl"


def claimed(entries: Sequence[Entry], events: Sequence[Event] = EVENTS) -> Report:
    """What comes of these documents with these events; the silos have countersigned the true log."""
    return verified([*PLAYED.grounds(), *entries, *PLAYED.logged(events, TRUE)])


def verified(entries: Sequence[Entry], kept: dict[str, set[TreeHead]] | None = None) -> Report:
    """What a bundle of these comes to."""
    return verify_evidence(gather(read_bundle(list(write_bundle(entries)))), kept=kept)


def codes(report: Report) -> set[str]:
    """What is wrong."""
    return {fault.code for fault in report.faults}


def changed(
    events: Sequence[Event], verb: str, change: Callable[[dict[str, Any]], object], at: int = -1
) -> list[Event]:
    """The events with the evidence of one of this kind changed."""
    place = [number for number, (name, _) in enumerate(events) if name == verb][at]
    detail = events[place][1]
    assert isinstance(detail, dict)
    return [*events[:place], (verb, {**detail, "evidence": change(detail["evidence"])}), *events[place + 1 :]]


def passport(number: int, weights: str | None = None, name: str | None = None, **changes: object) -> list[Entry]:
    """The documents with another passport, signed with the platform's real key, for or beside that of a round."""
    own = f"{bundle_parser.PASSPORT}{number}"
    sealed = next(entry.content for entry in DOCUMENTS if entry.name == own)
    digest, statement = open_passport(sealed, [PLAYED.platform.public])
    statement = Passport.model_validate(statement.model_dump() | changes)
    entry = Entry(name or own, sign_passport(weights or digest, statement, PLAYED.platform))
    return [*(one for one in DOCUMENTS if one.name != entry.name), entry]


def of_rounds(upto: int) -> list[Entry]:
    """The documents of the first rounds only."""
    return [entry for entry in DOCUMENTS if round_of(entry) <= upto]


def round_of(entry: Entry) -> int:
    """The round that a document is of."""
    kind, _, name = entry.name.partition("/")
    return int(name) if kind == "passport" else UUID(name).int >> 64


def without(name: str, entries: Sequence[Entry] = DOCUMENTS) -> list[Entry]:
    """All but one."""
    return [entry for entry in entries if entry.name != name]


def without_event(verb: str, at: int = -1) -> list[Event]:
    """All events but one, numbered again."""
    place = [number for number, (name, _) in enumerate(EVENTS) if name == verb][at]
    return [*EVENTS[:place], *EVENTS[place + 1 :]]


ANSWER = f"{bundle_parser.ANSWER}{UUID(int=2 << 64)}"
INVENTED = passport(ROUNDS, ELSE)
LOGGED = changed(
    changed(
        changed(PLAYED.events(INVENTED), "round.closed", lambda statement: statement | {"model": ELSE}, at=ROUNDS - 1),
        "job.completed",
        lambda statement: statement | {"model": ELSE},
    ),
    "passport.issued",
    lambda statement: statement | {"model": ELSE},
)
TWICE = passport(ROUNDS, name="passport/9", evaluation=Evaluation(silos=4, loss=0.5, accuracy=0.75).model_dump())
CUT = [*PLAYED.events(of_rounds(2)), ("job.completed", {"evidence": {"model": model_of(2)}})]
MISSING = without(ANSWER)
SECRET = documents.read(
    documents.Order,
    payload_unverified(
        next(entry.content for entry in DOCUMENTS if entry.name == f"{bundle_parser.ORDER}{UUID(int=2 << 64)}")
    ),
).model_copy(update={"order_id": UUID(int=99), "number": 99, "attempt": 2})
SECRETLY = [
    *DOCUMENTS,
    Entry(f"{bundle_parser.ORDER}{SECRET.order_id}", documents.sign_document(SECRET, PLAYED.platform)),
    Entry(f"{bundle_parser.ANSWER}{SECRET.order_id}", documents.sign_document(answer_to(SECRET), PLAYED.identities[0])),
]
PRAISED = passport(2, evaluation=Evaluation(silos=4, loss=0.5, accuracy=0.99).model_dump())
NOT_TRIED = [
    entry for entry in DOCUMENTS if not (entry.name.startswith(bundle_parser.ANSWER) and round_of(entry) > ROUNDS)
]

LIES: dict[str, tuple[str, Callable[[], Report]]] = {
    "an invented final model": ("passport.other_model", lambda: claimed(INVENTED)),
    "an invented final model, logged": ("evaluation.missing", lambda: claimed(INVENTED, LOGGED)),
    "later rounds left out": ("order.left_out", lambda: claimed(of_rounds(2))),
    "later rounds left out, logged": ("history.rounds_missing", lambda: claimed(of_rounds(2), CUT)),
    "two passports for a round": ("passport.twice", lambda: claimed(TWICE)),
    "two passports for a round, logged": (
        "passport.twice",
        lambda: claimed(
            TWICE,
            [
                *EVENTS,
                ("passport.issued", {"round": 3, "evidence": {"model": model_of(3), "passport": digest_of(TWICE)}}),
            ],
        ),
    ),
    "a passport left out": ("passport.left_out", lambda: claimed(without("passport/3"))),
    "an answer left out": ("answer.left_out", lambda: claimed(MISSING)),
    "an answer left out, logged": (
        "history.answer_uncounted",
        lambda: claimed(MISSING, without_event("order.submitted", at=4)),
    ),
    "an order given in secret": ("order.not_in_log", lambda: claimed(SECRETLY)),
    "an answer to it": ("answer.not_in_log", lambda: claimed(SECRETLY)),
    "figures that no silo has signed": ("passport.other_evaluation", lambda: claimed(PRAISED, PLAYED.events(PRAISED))),
    "a final model that nobody has tried": ("answer.left_out", lambda: claimed(NOT_TRIED)),
    "a round closed with another model than the next began with": (
        "history.other_base",
        lambda: claimed(
            DOCUMENTS, changed(EVENTS, "round.closed", lambda statement: statement | {"model": ELSE}, at=0)
        ),
    ),
    "an answer counted that was never taken": (
        "history.answer_uncounted",
        lambda: claimed(
            DOCUMENTS, changed(EVENTS, "round.closed", lambda statement: statement | {"counted": {}}, at=0)
        ),
    ),
    "a job that began with another manifest": (
        "history.other_manifest",
        lambda: claimed(DOCUMENTS, changed(EVENTS, "job.running", lambda statement: statement | {"manifest": ELSE})),
    ),
    "a job that is complete with another model": (
        "history.other_model",
        lambda: claimed(DOCUMENTS, changed(EVENTS, "job.completed", lambda statement: statement | {"model": ELSE})),
    ),
    "an event without what it is about": (
        "event.malformed",
        lambda: claimed(DOCUMENTS, changed(EVENTS, "round.opened", lambda _: {"kind": "train"})),
    ),
    "a job without its begin": ("history.not_begun", lambda: claimed(DOCUMENTS, without_event("job.running"))),
    "a round without its opening": ("history.not_open", lambda: claimed(DOCUMENTS, without_event("round.opened"))),
    "a round without its closing": (
        "history.round_gap",
        lambda: claimed(DOCUMENTS, without_event("round.closed", at=0)),
    ),
}


def digest_of(entries: Sequence[Entry]) -> str:
    """The digest of the last of these."""
    return digest_bytes(entries[-1].content)


@pytest.mark.parametrize("lie", LIES)
def test_a_lie_under_the_platform_s_own_key_is_named(lie: str) -> None:
    code, lie_of = LIES[lie]
    report = lie_of()
    assert code in codes(report), report.faults
    assert "evidence.unforeseen" not in codes(report)


def test_true_evidence_passes_every_check() -> None:
    report = claimed(DOCUMENTS)
    assert (report.verdict, report.faults, report.limits) == (Verdict.HOLDS, [], [])
    assert report.ended == "completed"


def test_every_log_that_is_signed_again_is_another_one_than_the_silos_have_countersigned() -> None:
    for events in (LOGGED, CUT, without_event("order.submitted"), changed(EVENTS, "job.running", dict)[::-1]):
        assert codes(claimed(DOCUMENTS, events)) & {"checkpoint.forked", "checkpoint.goes_back"}
    report = claimed(INVENTED, LOGGED)
    assert {"checkpoint.forked", "checkpoint.rewritten"} <= codes(report)


def without_silos(entries: Sequence[Entry]) -> list[Entry]:
    """A bundle without what the silos have countersigned."""
    return [
        entry
        for entry in entries
        if not entry.name.startswith((bundle_parser.COUNTERSIGNED, bundle_parser.CONSISTENCY))
    ]


def test_a_log_that_no_silo_has_countersigned_is_limited_evidence() -> None:
    """A platform that makes everything up, and leaves out what would contradict it, gets this far and no further."""
    entries = [*PLAYED.grounds(), *DOCUMENTS, *PLAYED.logged(EVENTS)]
    report = verified(without_silos(entries))
    assert [limit.code for limit in report.limits] == ["evidence.not_countersigned"]
    assert (report.verdict, report.holds) == (Verdict.LIMITED, False)
    one = f"{bundle_parser.COUNTERSIGNED}{PLAYED.manifest.cohort[0].silo_id}"
    assert verified(without(one, entries)).verdict is Verdict.LIMITED, "fewer than the quorum"


def test_silos_that_countersigned_before_the_job_s_end_do_not_vouch_for_it() -> None:
    entries = PLAYED.logged(EVENTS)
    early = TRUE.head(PLACES[-1] - 1)
    proof = documents.ConsistencyProof(
        follows=documents.KeptHead(position=early.position, digest=early.digest, root=early.root),
        hashes=tuple(TRUE.proof(early, len(TRUE.records))),
    )
    signed = [
        replace(entry, content=proof.model_dump_json().encode())
        if entry.name.startswith(bundle_parser.CONSISTENCY)
        else replace(entry, content=PLAYED.sealed_head(CHAIN, early, identity_of(entry)))
        if entry.name.startswith(bundle_parser.COUNTERSIGNED)
        else entry
        for entry in entries
    ]
    report = verified([*PLAYED.grounds(), *DOCUMENTS, *signed])
    assert (codes(report), [limit.code for limit in report.limits]) == (set(), ["evidence.not_countersigned"])


def identity_of(entry: Entry) -> PrivateKey:
    """The key of the silo that a countersigned head is of."""
    names = [str(member.silo_id) for member in PLAYED.manifest.cohort]
    return PLAYED.identities[names.index(entry.name.removeprefix(bundle_parser.COUNTERSIGNED))]


def lines(entries: Sequence[Entry]) -> tuple[str, list[bytes]]:
    """The events of a bundle, line by line."""
    entry = next(entry for entry in entries if entry.name.startswith(bundle_parser.EVENTS))
    return entry.name, entry.content.splitlines(keepends=True)


def with_lines(change: Callable[[list[bytes]], list[bytes]]) -> Report:
    """The true bundle with its events' lines changed."""
    entries = PLAYED.logged(EVENTS)
    name, found = lines(entries)
    events = Entry(name, b"".join(change(found)))
    return verified([*PLAYED.grounds(), *DOCUMENTS, *(events if one.name == name else one for one in entries)])


@pytest.mark.parametrize(
    ("code", "change"),
    [
        ("event.left_out", lambda found: [*found[:5], *found[6:]]),
        ("event.left_out", lambda found: found[1:]),
        ("event.twice", lambda found: [*found, found[3]]),
        ("event.not_in_log", lambda found: [found[0].replace(b"A job", b"B job"), *found[1:]]),
        ("event.not_in_log", lambda found: [found[1].replace(b"4 ", b"6 ", 1), found[0], *found[2:]]),
        ("event.other_job", lambda found: [*found, foreign()]),
        ("history.not_begun", lambda _: []),
    ],
)
def test_an_event_that_is_left_out_changed_or_another_s_is_named(
    code: str, change: Callable[[list[bytes]], list[bytes]]
) -> None:
    assert code in codes(with_lines(change))


def foreign() -> bytes:
    """An event of another job, with its proof."""
    return bundle_parser.event_line(1, TRUE.digests[0], TRUE.included(1, len(TRUE.records)), TRUE.records[0])


def test_the_job_s_last_events_left_out_leave_a_job_that_goes_on() -> None:
    """The log's head says nothing of what else it has: what is here is never a completed job."""
    report = with_lines(lambda found: found[:-4])
    assert report.verdict is Verdict.FAILS, "passports and the end are left out, and documents are here that they name"
    cut = PLAYED.events(of_rounds(2))[: 2 + 2 * 6]
    entries = [entry for entry in of_rounds(2) if not entry.name.startswith(bundle_parser.PASSPORT)]
    report = verified([*PLAYED.grounds(), *entries, *PLAYED.logged(cut)])
    assert (codes(report), [limit.code for limit in report.limits]) == (set(), ["evidence.job_goes_on"])


def test_no_name_of_another_job_is_in_a_bundle() -> None:
    bundle = [*PLAYED.grounds(), *DOCUMENTS, *PLAYED.logged(EVENTS)]
    assert any(b"Another job" in record for record in TRUE.records)
    assert not any(b"Another job" in entry.content for entry in bundle)


def old_entries(entries: Sequence[Entry]) -> list[Entry]:
    """The bundle as protocol 1.0 had it."""
    return [*PLAYED.grounds(), *entries, *PLAYED.audit(20)]


def test_evidence_as_protocol_1_0_had_it_is_a_downgrade_where_documents_say_1_1() -> None:
    report = verified(old_entries(DOCUMENTS))
    assert codes(report) == {"evidence.downgraded"}
    assert [limit.code for limit in report.limits] == ["evidence.protocol_1_0"]
    both = [*PLAYED.grounds(), *DOCUMENTS, *PLAYED.logged(EVENTS), *list(PLAYED.audit(20))[:1]]
    assert "bundle.malformed" in codes(verified(both))


@pytest.mark.parametrize(
    ("agreed", "old_rounds", "found"),
    [("1.0", 2, set()), ("1.0", 1, set()), ("1.0", 0, {"evidence.downgraded"}), ("1.1", 2, {"evidence.downgraded"})],
)
def test_a_job_of_today_is_not_taken_for_one_without_numbers(
    agreed: Literal["1.0", "1.1"], old_rounds: int, found: set[str]
) -> None:
    """Only a job that began under a 1.0 platform has none: what its members and silos signed first is of 1.0."""
    played = Played(rounds=ROUNDS, protocol=agreed)
    played.is_numbered = False
    played.manifest = played.manifest.model_copy(update={"protocol": "1.0"})
    played.sealed_manifest = sealed_as_1_0(played.manifest, played.platform)
    entries = [
        replace(entry, content=answered_under_1_0(entry, played))
        if entry.name.startswith(bundle_parser.ANSWER) and round_of(entry) <= old_rounds
        else entry
        for entry in played.exchanges(ROUNDS)
    ]
    report = verified([*played.grounds(), *entries, *played.logged(played.events(entries))])
    assert (codes(report), [limit.code for limit in report.limits]) == (found, ["evidence.protocol_1_0"])


def answered_under_1_0(entry: Entry, played: Played) -> bytes:
    """An answer as a silo of protocol 1.0 would have signed it."""
    document = documents.read(documents.Submission, payload_unverified(entry.content))
    return sealed_as_1_0(document, played.identities[UUID(entry.name.partition("/")[2]).int & 0xFF])


def test_a_recorded_bundle_of_protocol_1_0_is_limited_evidence(capsys: pytest.CaptureFixture[str]) -> None:
    report = check(RECORDED)
    assert (report.verdict, report.faults) == (Verdict.LIMITED, [])
    assert [limit.code for limit in report.limits] == ["evidence.protocol_1_0"]
    assert main([str(RECORDED)]) == 3
    shown = capsys.readouterr().out
    assert "Everything holds" not in shown
    assert "[evidence.protocol_1_0]" in shown
    assert shown.splitlines()[-1].startswith("Nothing is wrong, but this is limited evidence")


@pytest.mark.parametrize(
    ("kept", "code"),
    [
        ({TRUE.head(len(TRUE.records) - 1)}, None),
        ({TRUE.head()}, None),
        ({TRUE.head(2), replace(TRUE.head(len(TRUE.records) - 1), root=None)}, None),
        ({TreeHead(900, "f" * 64, "f" * 64)}, None),  # an older bundle says nothing of later
        ({TRUE.head(7)}, "checkpoint.unproven"),
        ({TreeHead(7, "f" * 64, "f" * 64)}, "checkpoint.unproven"),
        ({TreeHead(4, "f" * 64), TRUE.head()}, "checkpoint.rewritten"),  # the place of an event of the job
        ({replace(TRUE.head(), root="f" * 64)}, "checkpoint.rewritten"),
    ],
)
def test_the_head_that_is_kept_here_is_on_the_bundle_s_log(kept: set[TreeHead], code: str | None) -> None:
    entries = [*PLAYED.grounds(), *DOCUMENTS, *PLAYED.logged(EVENTS)]
    assert codes(verified(entries, {CHAIN: kept})) == ({code} if code else set())
    assert verified(entries, {"another": kept}).holds


def test_heads_without_a_root_vouch_for_no_tree() -> None:
    """A platform that takes over a chain of protocol 1.0 could put any leaves before a link that silos signed."""
    size, cohort = len(TRUE.records), PLAYED.manifest.cohort
    old = replace(TRUE.head(size - 1), root=None)
    proof = documents.ConsistencyProof(
        follows=documents.KeptHead(position=old.position, digest=old.digest),
        hashes=tuple(TRUE.included(size - 1, size)),
    )
    signed = [
        Entry(f"{bundle_parser.COUNTERSIGNED}{member.silo_id}", PLAYED.sealed_head(CHAIN, old, identity))
        for member, identity in zip(cohort, PLAYED.identities, strict=True)
    ]
    follows = Entry(f"{bundle_parser.CONSISTENCY}1", proof.model_dump_json().encode())
    report = verified([*PLAYED.grounds(), *DOCUMENTS, *without_silos(PLAYED.logged(EVENTS)), follows, *signed])
    assert (codes(report), [limit.code for limit in report.limits]) == (set(), ["evidence.not_countersigned"])
