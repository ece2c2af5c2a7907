"""A job's evidence made from nothing but keys: an agreement, a manifest, orders, answers and an audit log."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from datetime import timedelta
from typing import Any, Literal
from uuid import UUID

from federation.agreements.signing import sign, unsigned
from federation.evidence import bundle_parser
from federation.evidence.bundles import Entry
from federation.evidence.passports import Evaluation, Participant, Passport, sign_passport
from federation.plans.reviews import sign_review
from federation.protocol import documents
from federation.protocol.chains import canonical, chain_of
from federation.protocol.digests import digest_bytes
from federation.protocol.documents import CodeReview
from federation.protocol.envelope import payload_unverified
from federation.protocol.keys import PrivateKey
from federation.protocol.tree_heads import TreeHead
from tests.support.decision_cases import NOW, agreement_of, manifest_of, order_of, terms_of
from tests.support.logs import PlayedLog
from tests.support.terms_1_0 import envelope_1_0

Event = tuple[str, dict[str, Any] | bytes]
"""Verb and detail; bytes stand in the record as they are."""
ENVIRONMENT = documents.Environment(connector_version="test", network="none")
GRANT = documents.UploadGrant(kind="update.f32", size_bytes_max=1000, url="/connector/v1/uploads/x/update/{digest}")


class Played:
    """A platform and its silos, who sign what they are asked to."""

    def __init__(
        self,
        silos: int = 4,
        rounds: int = 50,
        *,
        code: str | None = None,
        reviewers: Literal[1, 2] = 1,
        metrics: tuple[str, ...] = ("loss", "accuracy"),
        quorum: int | None = None,
        protocol: Literal["1.0", "1.1"] = "1.1",
        protection: documents.Protection | None = None,
    ) -> None:
        self.is_numbered = True
        self.platform = PrivateKey.generate()
        self.signatories = [PrivateKey.generate() for _ in range(silos)]
        self.identities = [PrivateKey.generate() for _ in range(silos)]
        terms = terms_of(tuple(self.signatories))
        terms = terms.model_copy(
            update={
                "training_limits": terms.training_limits.model_copy(
                    update={"rounds_max": rounds, "trainer_network": "forbidden"}
                )
            }
        )
        disclosure = documents.DisclosureTerms.model_validate(
            {"metrics": metrics, "minimum_cell": terms.disclosure.minimum_cell}
        )
        terms = terms.model_copy(update={"disclosure": disclosure})
        if protection is not None:
            terms = terms.model_copy(update={"protection": (protection.mode,)})
        if code is not None:
            work = terms.training_limits.model_copy(update={"families": ("plan",)})
            coded = documents.CustomCode(digests=(code,), reviewers=reviewers)
            terms = terms.model_copy(update={"training_limits": work, "code": coded})
        agreement = agreement_of(terms).model_copy(update={"protocol": protocol})
        self.agreement = envelope_1_0(agreement) if protocol == "1.0" else unsigned(agreement)
        for key in self.signatories:
            self.agreement = sign(self.agreement, key)
        plain = manifest_of(agreement, silos)
        cohort = tuple(
            member.model_copy(
                update={"identity_key": identity.public.encoded, "certificate": certificate(key, identity)}
            )
            for member, key, identity in zip(plain.cohort, self.signatories, self.identities, strict=True)
        )
        changes = {"cohort": cohort, "rounds": rounds, "initial_model_digest": model_of(0)}
        changes["agreement_digest"] = digest_bytes(payload_unverified(self.agreement))
        if quorum is not None:
            changes |= {"quorum": quorum}
        if protection is not None:
            changes |= {"protection": protection}
        if code is not None:
            changes |= {"code_digest": code, "model": {"family": "plan", "parameters": []}}
        self.manifest = plain.model_copy(update=changes)
        self.sealed_manifest = documents.sign_document(self.manifest, self.platform)

    def entries(self, rounds: int) -> list[Entry]:
        """The whole bundle of a job of so many rounds: complete where the manifest has no more."""
        documents_ = self.documents(rounds)
        return [*self.grounds(), *documents_, *self.logged(self.events(documents_))]

    def grounds(self) -> list[Entry]:
        """What the job stands on."""
        return [
            Entry(bundle_parser.PLATFORM_KEY, self.platform.public.encoded.encode()),
            Entry(bundle_parser.AGREEMENT, self.agreement),
            Entry(bundle_parser.MANIFEST, self.sealed_manifest),
        ]

    def documents(self, rounds: int) -> list[Entry]:
        """Orders, answers and passports."""
        exchanged = list(self.exchanges(rounds + (rounds == self.manifest.rounds)))
        return [*exchanged, *self.passports(rounds, exchanged)]

    def review(self, number: int, place: int, **changes: Any) -> Entry:
        """What somebody of a member's organisation has signed of the job's code, the day before it began."""
        key = self.signatories[place]
        by_name = {
            "code_digest": self.manifest.code_digest,
            "signatory_key": key.public.encoded,
            "reviewer": "Rita Reader",
            "verdict": "approved",
            "reviewed_at": self.manifest.created_at - timedelta(days=1),
        }
        return Entry(f"{bundle_parser.REVIEW}{number}", sign_review(CodeReview.model_validate(by_name | changes), key))

    def exchanges(self, rounds: int) -> Iterator[Entry]:
        """An order and its answer for every silo and round."""
        digest = digest_bytes(self.sealed_manifest)
        for number in range(1, rounds + 1):
            model = documents.BlobReference(
                digest=model_of(number - 1), size_bytes=100, url="/connector/v1/blobs/" + model_of(number - 1)
            )
            for place, (member, identity) in enumerate(zip(self.manifest.cohort, self.identities, strict=True)):
                order = order_of(
                    self.manifest,
                    order_id=UUID(int=number << 64 | place),
                    number=number,
                    silo_id=member.silo_id,
                    manifest_digest=digest,
                    round=number,
                    kind="train" if number <= self.manifest.rounds else "evaluate",
                    inputs={"model": model},
                    outputs={"update": GRANT} if number <= self.manifest.rounds else {},
                )
                yield Entry(f"{bundle_parser.ORDER}{order.order_id}", documents.sign_document(order, self.platform))
                yield Entry(
                    f"{bundle_parser.ANSWER}{order.order_id}", documents.sign_document(answer_to(order), identity)
                )

    def passports(self, rounds: int, exchanged: Sequence[Entry]) -> Iterator[Entry]:
        """What the platform says of the weights after each round."""
        self.last_round = rounds + (rounds == self.manifest.rounds)
        answers = {entry.name: entry.content for entry in exchanged if entry.name.startswith(bundle_parser.ANSWER)}
        for number in range(1, rounds + 1):
            made_from = [
                Participant(
                    order_id=order_id,
                    organisation=member.organisation,
                    silo=member.silo,
                    dataset=member.dataset,
                    answer_digest=digest_bytes(answers[f"{bundle_parser.ANSWER}{order_id}"]),
                    update_digest=digest_bytes(b"update"),
                )
                for place, member in enumerate(self.manifest.cohort)
                for order_id in [UUID(int=number << 64 | place)]
            ]
            passport = self.passport_of(number, tuple(made_from))
            yield Entry(f"{bundle_parser.PASSPORT}{number}", sign_passport(model_of(number), passport, self.platform))

    def is_tried(self, number: int) -> bool:
        """Whether the silos have said how the weights after a round did, in the round that followed."""
        return number < self.last_round

    def passport_of(self, number: int, participants: tuple[Participant, ...]) -> Passport:
        """The passport of the weights after a round."""
        return Passport(
            consortium_id=self.manifest.consortium_id,
            job_id=self.manifest.job_id,
            manifest_digest=digest_bytes(self.sealed_manifest),
            agreement_digest=self.manifest.agreement_digest,
            code_digest=self.manifest.code_digest,
            round=number,
            base_digest=model_of(number - 1),
            participants=participants,
            evaluation=Evaluation(silos=len(participants), loss=0.5, accuracy=0.75)
            if self.is_tried(number)
            else Evaluation(),
            issued_at=NOW,
        )

    def events(self, entries: Sequence[Entry]) -> list[Event]:
        """What the platform writes into its log of these documents: the job's events, as they happened."""
        digests = {entry.name: digest_bytes(entry.content) for entry in entries}
        by_round: dict[int, list[str]] = {}
        for entry in entries:
            if entry.name.startswith(bundle_parser.ORDER):
                order = documents.read(documents.Order, payload_unverified(entry.content))
                by_round.setdefault(order.round, []).append(str(order.order_id))
        began = {
            "manifest": digest_bytes(self.sealed_manifest),
            "agreement": self.manifest.agreement_digest,
            "initial_model": self.manifest.initial_model_digest,
        }
        events: list[Event] = [("job.launched", {"name": "A job"}), ("job.running", {"evidence": began})]
        for number, orders in by_round.items():
            place, base = {"round": number, "attempt": 1}, model_of(number - 1)
            trains = number <= self.manifest.rounds
            opened = {
                "kind": "train" if trains else "evaluate",
                "model": base,
                "orders": {key: digests[f"{bundle_parser.ORDER}{key}"] for key in orders},
            }
            counted = {key: digests[f"{bundle_parser.ANSWER}{key}"] for key in orders}
            events.append(("round.opened", {**place, "evidence": opened}))
            events += [
                ("order.submitted", {"round": number, "evidence": {"order": key, "answer": digest}})
                for key, digest in counted.items()
            ]
            closed = {"base": base, "model": model_of(number) if trains else base, "counted": counted}
            events.append(("round.closed", {**place, "evidence": closed}))
        if len(by_round) > self.manifest.rounds:
            events.append(("job.completed", {"evidence": {"model": model_of(self.manifest.rounds)}}))
        for name, digest in digests.items():
            if name.startswith(bundle_parser.PASSPORT):
                number = int(name.removeprefix(bundle_parser.PASSPORT))
                by_name = {"model": model_of(number), "passport": digest}
                events.append(("passport.issued", {"round": number, "evidence": by_name}))
        return events

    def logged(self, events: Sequence[Event], signed: PlayedLog | None = None) -> list[Entry]:
        """The log with these events of the job between others', its head, and what the silos have countersigned of it.

        `signed` is the log that the silos have seen, where it is another one.
        """
        log, places = self.log(events)
        signed = signed or log
        size = len(log.records)
        lines = [
            bundle_parser.event_line(
                position, log.digests[position - 1], log.included(position, size), log.records[position - 1]
            )
            for position in places
        ]
        head, kept = log.head(), signed.head(len(signed.records) - 1)
        proof = documents.ConsistencyProof(
            follows=documents.KeptHead(**asdict(kept)),
            hashes=tuple(log.proof(kept, size)) if kept.position <= size else (),
        )
        return [
            Entry(f"{bundle_parser.EVENTS}{places[0]}", b"".join(lines)),
            Entry(bundle_parser.CHECKPOINT, self.sealed_head(log.chain, head, self.platform)),
            Entry(f"{bundle_parser.CONSISTENCY}1", proof.model_dump_json().encode()),
            *(
                Entry(f"{bundle_parser.COUNTERSIGNED}{member.silo_id}", self.sealed_head(log.chain, kept, identity))
                for member, identity in zip(self.manifest.cohort, self.identities, strict=True)
            ),
        ]

    def log(self, events: Sequence[Event]) -> tuple[PlayedLog, list[int]]:
        """A log with these events of the job, one of another job before each and two after the last; their places."""
        log = PlayedLog(chain_of(self.manifest.consortium_id))
        places: list[int] = []
        other = {"job": str(UUID(int=77)), "verb": "job.launched", "detail": {"name": "Another job's name"}}
        for number, (verb, detail) in enumerate(events, start=1):
            log.append(canonical({**other, "salt": digest_bytes(b"other %d" % number)}))
            by_name = {
                "salt": digest_bytes(b"%d" % number),
                "job": str(self.manifest.job_id),
                "consortium": str(self.manifest.consortium_id),
                **(
                    {"job_number": number, "job_before": log.digests[places[-1]].hex() if places else None}
                    if self.is_numbered
                    else {}
                ),
                "verb": verb,
                "detail": {} if isinstance(detail, bytes) else detail,
            }
            record = canonical(by_name)
            if isinstance(detail, bytes):
                record = canonical(by_name | {"detail": "here"}).replace(b'"here"', detail)
            places.append(log.append(record))
        for last in (b"last", b"very last"):
            log.append(canonical({**other, "salt": digest_bytes(last)}))
        return log, places

    @staticmethod
    def sealed_head(chain: str, head: TreeHead, key: PrivateKey) -> bytes:
        """A head as somebody signs it."""
        return documents.sign_document(documents.AuditCheckpoint(chain=chain, made_at=NOW, **asdict(head)), key)

    def audit(self, records: int) -> Iterator[Entry]:
        """The log as protocol 1.0 had it: so many records, the head that is signed, an earlier one of the silos."""
        chain = chain_of(self.manifest.consortium_id)
        log = PlayedLog(chain, (canonical({"id": number, "verb": "job.launched"}) for number in range(records)))
        lines = [
            bundle_parser.link_line(position, log.digests[position], log.records[position - 1])
            for position in range(1, records + 1)
        ]
        yield Entry(f"{bundle_parser.RECORD}1", b"".join(lines))
        yield Entry(bundle_parser.CHECKPOINT, self.sealed_head(chain, replace(log.head(), root=None), self.platform))
        kept = replace(log.head(records // 2), root=None)
        for member, identity in zip(self.manifest.cohort, self.identities, strict=True):
            yield Entry(f"{bundle_parser.COUNTERSIGNED}{member.silo_id}", self.sealed_head(chain, kept, identity))


def certificate(signatory: PrivateKey, identity: PrivateKey) -> str:
    """The organisation's word for its silo's key."""
    statement = documents.SiloCertificate(
        organisation="Hospital",
        signatory_key=signatory.public.encoded,
        identity_key=identity.public.encoded,
        not_before=NOW - timedelta(days=1),
        not_after=NOW + timedelta(days=365),
    )
    return documents.sign_document(statement, signatory).decode()


def model_of(round_number: int) -> str:
    """The digest of the model as it stood after a round."""
    return digest_bytes(b"model %d" % round_number)


def answer_to(order: documents.Order) -> documents.Submission:
    """What a silo says that has trained, or only tried the model."""
    assert order.model_digest is not None
    trained = {
        "payloads": {"update": documents.Payload(kind="update.f32", digest=digest_bytes(b"update"), size_bytes=6)},
        "training": documents.TrainingReport(rows=10, steps=1, loss=0.5, update_norm_l2=1.0),
    }
    return documents.Submission(
        order_id=order.order_id,
        number=order.number,
        kind=order.kind,
        silo_id=order.silo_id,
        job_id=order.job_id,
        manifest_digest=order.manifest_digest,
        round=order.round,
        attempt=order.attempt,
        model_digest=order.inputs["model"].digest,
        **(trained if order.kind == documents.OrderKind.TRAIN else {}),
        evaluation=documents.EvaluationReport(rows=20, figures={"loss": 0.5, "accuracy": 0.75}),
        environment=ENVIRONMENT,
        created_at=NOW,
    )


def silo_of(entry: Entry) -> UUID:
    """For whom an order is."""
    return documents.read(documents.Order, payload_unverified(entry.content)).silo_id
