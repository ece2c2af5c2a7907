"""A job's evidence, checked offline: it holds as it is, and whatever is changed in it is found and named."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.errors import FederationError
from federation.evidence import bundle_parser
from federation.evidence.bundle_parser import gather
from federation.evidence.bundles import Entry, read_bundle, write_bundle
from federation.evidence.passports import PAYLOAD_TYPE, Participant, open_passport, sign_passport
from federation.evidence.report import Report
from federation.evidence.verification import verify_evidence
from federation.protocol import documents
from federation.protocol.chains import chain_of
from federation.protocol.digests import digest_bytes
from federation.protocol.envelope import payload_unverified, sign
from federation.protocol.keys import PrivateKey
from federation.verify import check, main
from tests.support.decision_cases import NOW
from tests.support.evidence import Played, certificate, model_of
from tests.support.examples import examples

PLAYED = Played(rounds=3)
ENTRIES = PLAYED.entries(rounds=3)
CHAIN = chain_of(PLAYED.manifest.consortium_id)
BUNDLE = b"".join(write_bundle(ENTRIES))
ROOT = Path(__file__).parents[4]


def report_of(entries: list[Entry]) -> Report:
    """What a bundle of these comes to."""
    return verify_evidence(gather(read_bundle(list(write_bundle(entries)))))


def without(name: str) -> list[Entry]:
    """All but one."""
    return [entry for entry in ENTRIES if entry.name != name]


def with_(name: str, content: bytes) -> list[Entry]:
    """One that says something else."""
    return [replace(entry, content=content) if entry.name == name else entry for entry in ENTRIES]


def first(prefix: str) -> Entry:
    """The first entry whose name begins so."""
    return next(entry for entry in ENTRIES if entry.name.startswith(prefix))


def resealed(entry: Entry, kind: type[documents.Document], key: PrivateKey, **changes: object) -> list[Entry]:
    """An entry that says something else and is signed again."""
    document = documents.read(kind, payload_unverified(entry.content))
    return with_(entry.name, documents.sign_document(document.model_copy(update=changes), key))


def test_what_was_not_touched_holds() -> None:
    report = report_of(ENTRIES)
    assert report.holds, report.faults
    assert report.checked == {
        "signatures of the agreement": 4,
        "silos": 4,
        "orders": 16,
        "answers": 16,
        "passports": 3,
        "silos that countersigned the record": 4,
        "events of the job": 30,
        "rounds": 4,
    }
    assert report.models[model_of(3)] == 3
    assert {digest: len(one.participants) for digest, one in report.passports.items()} == {
        model_of(number): 4 for number in (1, 2, 3)
    }
    assert set(report.members.values()) == {key.public.fingerprint for key in PLAYED.signatories}


def test_the_platforms_key_is_compared_with_the_one_that_is_known() -> None:
    evidence = gather(read_bundle(BUNDLE.splitlines(keepends=True)))
    assert verify_evidence(evidence, PLAYED.platform.public.fingerprint).holds
    other = verify_evidence(evidence, PrivateKey.generate().public.fingerprint)
    assert [fault.code for fault in other.faults] == ["platform_key.other"]


ANSWER_OF_TWO = f"{bundle_parser.ANSWER}{UUID(int=2 << 64)}"
STRANGER = PrivateKey.generate()
ORDER, ANSWER, KEPT = first(bundle_parser.ORDER), first(bundle_parser.ANSWER), first(bundle_parser.COUNTERSIGNED)
NOBODY_S = f"{bundle_parser.COUNTERSIGNED}{UUID(int=9)}"
LAST = next(entry for entry in reversed(ENTRIES) if entry.name.startswith(bundle_parser.ORDER))
LATER = NOW + timedelta(days=335, minutes=3)


def blob(number: int) -> documents.BlobReference:
    """The model as it stood after a round."""
    return documents.BlobReference(digest=model_of(number), size_bytes=100, url=f"/connector/v1/blobs/{number}")


def resealed_manifest(**changes: object) -> list[Entry]:
    """Another manifest, signed again."""
    return resealed(first("manifest"), documents.Manifest, PLAYED.platform, **changes)


def resealed_answer(**changes: object) -> list[Entry]:
    """Another first answer, signed again by its silo."""
    return resealed(ANSWER, documents.Submission, PLAYED.identities[0], **changes)


def countersigned(**changes: object) -> list[Entry]:
    """Another head, signed by the first silo."""
    return resealed(KEPT, documents.AuditCheckpoint, PLAYED.identities[0], **changes)


def said_training(**changes: object) -> documents.TrainingReport:
    """What a silo says of its training."""
    fields = {"rows": 10, "steps": 1, "loss": 0.5, "update_norm_l2": 1.0}
    return documents.TrainingReport.model_validate(fields | changes)


def with_raised_weight() -> tuple[documents.CohortMember, ...]:
    """The cohort, with a first silo that weighs what it likes."""
    first_of_all, *others = PLAYED.manifest.cohort
    return (first_of_all.model_copy(update={"weight_max": 10**10}), *others)


def without_losses() -> list[Entry]:
    """The bundle of a job under an agreement that lets no loss out, though the answers have it."""
    return Played(rounds=1, metrics=("accuracy",)).entries(rounds=1)


CHANGED: list[tuple[str, str, Callable[[], list[Entry]]]] = [
    ("agreement", "bundle.incomplete", lambda: without("agreement")),
    ("manifest", "bundle.incomplete", lambda: without("manifest")),
    ("audit", "checkpoint.missing", lambda: without("checkpoint")),
    (
        "checkpoint",
        "checkpoint.other_chain",
        lambda: resealed(first("checkpoint"), documents.AuditCheckpoint, PLAYED.platform, chain="platform"),
    ),
    (KEPT.name, "signature.invalid", lambda: resealed(KEPT, documents.AuditCheckpoint, PLAYED.platform)),
    (KEPT.name, "checkpoint.rewritten", lambda: countersigned(digest="f" * 64)),
    (KEPT.name, "checkpoint.rewritten", lambda: countersigned(position=11)),
    (KEPT.name, "checkpoint.rewritten", lambda: countersigned(root=None)),
    (KEPT.name, "checkpoint.rewritten", lambda: without(f"{bundle_parser.CONSISTENCY}1")),
    ("consistency 1", "checkpoint.forked", lambda: with_(f"{bundle_parser.CONSISTENCY}1", b"{}")),
    (
        "checkpoint",
        "checkpoint.unproven",
        lambda: resealed(first("checkpoint"), documents.AuditCheckpoint, PLAYED.platform, root=None),
    ),
    (KEPT.name, "checkpoint.other_chain", lambda: countersigned(chain="platform")),
    (NOBODY_S, "order.other_silo", lambda: [*ENTRIES, replace(KEPT, name=NOBODY_S)]),
    ("manifest", "signature.invalid", lambda: resealed(first("manifest"), documents.Manifest, STRANGER)),
    (
        "manifest, silo silo 1",
        "agreement.rounds",
        lambda: resealed(first("manifest"), documents.Manifest, PLAYED.platform, rounds=51),
    ),
    (ORDER.name, "signature.invalid", lambda: resealed(ORDER, documents.Order, STRANGER)),
    (ORDER.name, "order.round_beyond", lambda: resealed(ORDER, documents.Order, PLAYED.platform, round=51)),
    (ORDER.name, "order.other_silo", lambda: resealed(ORDER, documents.Order, PLAYED.platform, silo_id=uuid(9))),
    (
        ORDER.name,
        "order.other_manifest",
        lambda: resealed(ORDER, documents.Order, PLAYED.platform, manifest_digest="sha256:" + "0" * 64),
    ),
    (ANSWER.name, "signature.invalid", lambda: resealed(ANSWER, documents.Submission, PLAYED.platform)),
    (ANSWER.name, "answer.other_order", lambda: resealed(ANSWER, documents.Submission, PLAYED.identities[0], number=7)),
    (ANSWER.name, "answer.other_round", lambda: resealed(ANSWER, documents.Submission, PLAYED.identities[0], round=2)),
    (
        ANSWER.name,
        "answer.other_model",
        lambda: resealed(ANSWER, documents.Submission, PLAYED.identities[0], model_digest=model_of(9)),
    ),
    (ANSWER.name, "answer.no_order", lambda: without(ORDER.name)),
    (
        ORDER.name,
        "model.not_initial",
        lambda: resealed(ORDER, documents.Order, PLAYED.platform, inputs={"model": blob(1)}),
    ),
    (ORDER.name, "order.task_mismatch", lambda: resealed_manifest(task="evaluate")),
    (LAST.name, "model.swapped", lambda: resealed(LAST, documents.Order, PLAYED.platform, inputs={"model": blob(9)})),
    (ANSWER.name, "agreement.expired", lambda: resealed(ORDER, documents.Order, PLAYED.platform, issued_at=LATER)),
    (ANSWER.name, "update.norm_exceeded", lambda: resealed_answer(training=said_training(update_norm_l2=1e5))),
    (ANSWER.name, "update.weight", lambda: resealed_answer(training=said_training(rows=305))),
    (ANSWER.name, "update.weight", lambda: resealed_answer(training=said_training(rows=10**10))),
    (ANSWER.name, "update.weight", lambda: resealed_answer(evaluation=documents.EvaluationReport(rows=305))),
    ("manifest, silo silo 2", "agreement.organisation_share", lambda: resealed_manifest(cohort=with_raised_weight())),
    ("manifest, silo silo 1", "agreement.organisation_share", lambda: resealed_manifest(weighting=None)),
    (ANSWER.name, "answer.small_cell", lambda: resealed_answer(evaluation=documents.EvaluationReport(rows=4))),
    *(
        (ANSWER.name, "agreement.trainer_network", lambda statement=one_report: resealed_answer(environment=statement))
        for one_report in (
            documents.Environment(connector_version="test", network="allowed"),
            documents.Environment(connector_version="test"),
        )
    ),
    (ANSWER.name, "answer.not_agreed", lambda: [*without_losses()]),
]


def uuid(number: int) -> object:
    """An id that nobody has."""
    return UUID(int=number)


@pytest.mark.parametrize(("where", "code", "change"), CHANGED)
def test_what_does_not_fit_is_named(where: str, code: str, change: Callable[[], list[Entry]]) -> None:
    report = report_of(change())
    faults = {(fault.where, fault.code) for fault in report.faults}
    name = where.replace("order/", "order ").replace("answer/", "answer to order ")
    name = re.sub("countersigned/(.+)", r"head that silo \1 has signed", name)
    assert (name, code) in faults, report.faults


def test_a_silo_that_nobody_certifies_or_another_does_is_named() -> None:
    manifest = PLAYED.manifest
    for forged in (None, certificate(STRANGER, PLAYED.identities[0]), certificate(PLAYED.signatories[0], STRANGER)):
        member = manifest.cohort[0].model_copy(update={"certificate": forged})
        changed = manifest.model_copy(update={"cohort": (member, *manifest.cohort[1:])})
        report = report_of(with_("manifest", documents.sign_document(changed, PLAYED.platform)))
        assert ("manifest, silo silo 1", "cohort.uncertified") in {(one.where, one.code) for one in report.faults}


@pytest.mark.parametrize("name", ["silo_id", "identity_key", "organisation", "signatory_key"])
def test_a_cohort_that_counts_somebody_twice_is_named(name: str) -> None:
    first_of_all, second, *others = PLAYED.manifest.cohort
    twice = second.model_copy(update={name: getattr(first_of_all, name)})
    report = report_of(resealed_manifest(cohort=(first_of_all, twice, *others)))
    assert "cohort.twice" in {fault.code for fault in report.faults}


def passport(number: int, weights: str | None = None, key: PrivateKey | None = None, **changes: object) -> list[Entry]:
    """The bundle with another passport for the weights after a round."""
    name = f"{bundle_parser.PASSPORT}{number}"
    digest, statement = open_passport(first(name).content, [PLAYED.platform.public])
    sealed = sign_passport(weights or digest, statement.model_copy(update=changes), key or PLAYED.platform)
    return with_(name, sealed)


def participants(number: int) -> tuple[Participant, ...]:
    """Whose answers the weights after a round were made from."""
    return open_passport(first(f"{bundle_parser.PASSPORT}{number}").content, [PLAYED.platform.public])[1].participants


def changed_participant(**changes: object) -> tuple[Participant, ...]:
    """The participants of the second round, the first of them another."""
    one, *others = participants(2)
    return (one.model_copy(update=changes), *others)


ELSE = digest_bytes(b"something else")


@pytest.mark.parametrize(
    ("code", "change"),
    [
        ("signature.invalid", lambda: passport(2, key=STRANGER)),
        ("passport.other_manifest", lambda: passport(2, manifest_digest=ELSE)),
        ("passport.other_manifest", lambda: passport(2, job_id=uuid(7))),
        ("passport.other_manifest", lambda: passport(2, consortium_id=uuid(7))),
        ("passport.other_agreement", lambda: passport(2, agreement_digest=ELSE)),
        ("passport.other_agreement", lambda: passport(2, code_digest=ELSE)),
        ("passport.other_base", lambda: passport(2, base_digest=ELSE)),
        ("passport.other_model", lambda: passport(2, weights=ELSE)),
        ("passport.other_model", lambda: passport(3, round=0, participants=(), base_digest=None)),
        ("passport.participants", lambda: passport(3, round=0)),
        ("passport.too_few", lambda: passport(2, participants=participants(2)[:1])),
        ("passport.too_few", lambda: passport(2, participants=participants(2) + participants(2)[:1])),
        ("passport.other_answer", lambda: passport(2, participants=participants(3))),
        ("passport.other_answer", lambda: passport(2, participants=changed_participant(answer_digest=ELSE))),
        ("passport.other_answer", lambda: passport(2, participants=changed_participant(update_digest=ELSE))),
        ("passport.other_answer", lambda: passport(2, participants=changed_participant(organisation="Hospital 2"))),
        ("passport.other_answer", lambda: passport(2, participants=changed_participant(silo="silo 2"))),
        ("passport.other_answer", lambda: passport(2, participants=changed_participant(dataset="Another"))),
        ("passport.other_answer", lambda: [entry for entry in ENTRIES if entry.name != ANSWER_OF_TWO]),
        ("envelope.malformed", lambda: with_("passport/2", PLAYED.sealed_manifest)),
        ("passport.malformed", lambda: with_("passport/2", sign(b"{}", PAYLOAD_TYPE, PLAYED.platform))),
    ],
)
def test_a_passport_that_does_not_fit_is_named(code: str, change: Callable[[], list[Entry]]) -> None:
    report = report_of(change())
    named = {(fault.where.partition(" ")[0], fault.code) for fault in report.faults}
    assert ("passport", code) in named, report.faults


@pytest.mark.parametrize("key", ["", "no key", "A" * 43 + "=", "é" * 44])
def test_a_key_that_is_none_is_reported(key: str) -> None:
    """A platform can seal any text as a silo's key: anyone who checks it gets a report and no stack trace."""
    manifest = PLAYED.manifest
    for name in ("identity_key", "signatory_key"):
        member = manifest.cohort[0].model_copy(update={name: key})
        changed = manifest.model_copy(update={"cohort": (member, *manifest.cohort[1:])})
        report = report_of(with_("manifest", documents.sign_document(changed, PLAYED.platform)))
        assert not report.holds


@settings(max_examples=examples(300), deadline=None)
@given(st.integers(0, len(BUNDLE) - 1), st.integers(0, 7))
def test_any_one_changed_bit_is_found(position: int, bit: int) -> None:
    changed = bytearray(BUNDLE)
    changed[position] ^= 1 << bit
    line = BUNDLE[:position].count(b"\n") + 1
    with pytest.raises(FederationError) as caught:
        list(read_bundle(bytes(changed).splitlines(keepends=True)))
    assert caught.value.code in {"bundle.changed", "bundle.truncated", "bundle.malformed"}
    last = BUNDLE.count(b"\n")
    assert f"ine {line} " in caught.value.message or f"to {last} " in caught.value.message or line in (1, last)


@settings(max_examples=examples(60), deadline=None)
@given(st.integers(1, BUNDLE.count(b"\n") - 2))
def test_a_line_that_is_left_out_is_missed(number: int) -> None:
    lines = BUNDLE.splitlines(keepends=True)
    with pytest.raises(FederationError):
        list(read_bundle([*lines[:number], *lines[number + 1 :]]))
    with pytest.raises(FederationError):
        list(read_bundle(lines[:number]))


def test_the_program_runs_by_itself_and_binds_a_model_to_its_round(tmp_path: Path) -> None:
    bundle, model = tmp_path / "evidence.jsonl", tmp_path / "model.safetensors"
    bundle.write_bytes(BUNDLE)
    model.write_bytes(b"model 2")

    def run(*words: str) -> tuple[int, dict[str, object]]:
        done = subprocess.run(
            [sys.executable, "-m", "federation.verify", "--json", *words],
            capture_output=True,
            text=True,
            cwd=ROOT,
            check=False,
        )
        return done.returncode, json.loads(done.stdout)

    status, reported = run(str(bundle))
    assert (status, reported["holds"]) == (0, True)
    status, reported = run(str(model), str(bundle))
    assert status == 0
    assert isinstance(reported["checked"], dict)
    assert reported["checked"]["the model stood after round"] == 2
    assert reported["checked"]["answers that it was made from"] == 4
    model.write_bytes(b"model 3")  # the last one
    assert run(str(model), str(bundle))[0] == 0
    model.write_bytes(b"another model")
    status, reported = run(str(model), str(bundle))
    assert (status, reported["holds"]) == (1, False)
    bundle.write_bytes(BUNDLE.replace(b"a", b"b", 1))
    assert run(str(bundle))[0] == 1


def test_weights_are_not_put_between_two_rounds_by_leaving_their_passport_out() -> None:
    report = report_of(without("passport/2"))
    assert [(fault.where, fault.code) for fault in report.faults] == [
        ("passport 3", "passport.missing"),
        ("passport of round 2", "passport.left_out"),
    ]
    assert {(fault.where, fault.code) for fault in report_of(without("passport/3")).faults} == {
        ("passport of round 3", "passport.left_out")
    }


def test_nothing_in_a_bundle_acts_on_the_terminal_of_who_checks_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = tmp_path / "evidence.jsonl"
    message = "order/\x1b[2J\x1b[HEverything holds.\x1b[8m\u202e\nEverything holds."
    bundle.write_bytes(b"".join(write_bundle([*ENTRIES, Entry(message, b"{}")])))
    assert main([str(bundle)]) == 1
    shown = capsys.readouterr().out
    assert not any(character in shown for character in "\x1b\u202e")
    assert "Everything holds." not in shown.splitlines()
    assert r"\u001b[2J" in shown


def test_a_line_without_an_end_is_not_read_whole(tmp_path: Path) -> None:
    bundle = tmp_path / "evidence.jsonl"
    with bundle.open("wb") as stream:
        stream.write(BUNDLE.splitlines(keepends=True)[0] + b'{"content":"')
        stream.truncate(8 << 30)
    tracemalloc.start()
    try:
        report = check(bundle)
        assert tracemalloc.get_traced_memory()[1] < 1 << 30
    finally:
        tracemalloc.stop()
    assert [fault.code for fault in report.faults] == ["bundle.truncated"]
