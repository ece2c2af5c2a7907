"""A job's evidence made from nothing but keys: an agreement, a manifest, orders, answers and an audit chain."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any, Literal
from uuid import UUID

from federation.agreements.signing import sign, unsigned
from federation.evidence import reading
from federation.evidence.bundles import Entry
from federation.evidence.passports import Evaluation, Participant, Passport, seal_passport
from federation.plans.reviews import sign_review
from federation.protocol import documents
from federation.protocol.chains import canonical, chain_of, first_digest, next_digest
from federation.protocol.digests import digest_bytes
from federation.protocol.documents import CodeReview
from federation.protocol.keys import PrivateKey
from tests.support.questions import NOW, agreement_of, manifest_of, order_of, terms_of

ENVIRONMENT = documents.Environment(connector_version="test", network="none")


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
    ) -> None:
        self.platform = PrivateKey.generate()
        self.signatories = [PrivateKey.generate() for _ in range(silos)]
        self.identities = [PrivateKey.generate() for _ in range(silos)]
        terms = terms_of(tuple(self.signatories))
        terms = terms.model_copy(
            update={"work": terms.work.model_copy(update={"rounds_max": rounds, "trainer_network": "forbidden"})}
        )
        leaving = documents.Leaving.model_validate({"metrics": metrics, "minimum_cell": terms.leaving.minimum_cell})
        terms = terms.model_copy(update={"leaving": leaving})
        if code is not None:
            work = terms.work.model_copy(update={"families": ("plan",)})
            coded = documents.CustomCode(digests=(code,), reviewers=reviewers)
            terms = terms.model_copy(update={"work": work, "code": coded})
        agreement = agreement_of(terms)
        self.agreement = unsigned(agreement)
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
        if code is not None:
            changes |= {"code_digest": code, "model": {"family": "plan", "parameters": []}}
        self.manifest = plain.model_copy(update=changes)
        self.sealed_manifest = documents.seal(self.manifest, self.platform)

    def entries(self, rounds: int) -> list[Entry]:
        """The whole bundle of a job of so many rounds."""
        return [
            Entry(reading.PLATFORM_KEY, self.platform.public.encoded.encode()),
            Entry(reading.AGREEMENT, self.agreement),
            Entry(reading.MANIFEST, self.sealed_manifest),
            *(exchanged := list(self.exchanges(rounds))),
            *self.passports(rounds, exchanged),
            *self.audit(20),
        ]

    def review(self, number: int, place: int, **changes: Any) -> Entry:
        """What somebody of a member's house has signed of the job's code, the day before it began."""
        key = self.signatories[place]
        said = {
            "code_digest": self.manifest.code_digest,
            "signatory_key": key.public.encoded,
            "reviewer": "Rita Reader",
            "verdict": "approved",
            "reviewed_at": self.manifest.created_at - timedelta(days=1),
        }
        return Entry(f"{reading.REVIEW}{number}", sign_review(CodeReview.model_validate(said | changes), key))

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
                    model=model,
                )
                yield Entry(f"{reading.ORDER}{order.order_id}", documents.seal(order, self.platform))
                yield Entry(f"{reading.ANSWER}{order.order_id}", documents.seal(answer_to(order), identity))

    def passports(self, rounds: int, exchanged: Sequence[Entry]) -> Iterator[Entry]:
        """What the platform says of the weights after each round."""
        answers = {entry.name: entry.content for entry in exchanged if entry.name.startswith(reading.ANSWER)}
        for number in range(1, rounds + 1):
            made_from = [
                Participant(
                    order_id=order_id,
                    organisation=member.organisation,
                    silo=member.silo,
                    dataset=member.dataset,
                    answer_digest=digest_bytes(answers[f"{reading.ANSWER}{order_id}"]),
                    update_digest=digest_bytes(b"update"),
                )
                for place, member in enumerate(self.manifest.cohort)
                for order_id in [UUID(int=number << 64 | place)]
            ]
            passport = self.passport_of(number, tuple(made_from))
            yield Entry(f"{reading.PASSPORT}{number}", seal_passport(model_of(number), passport, self.platform))

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
            evaluation=Evaluation(silos=4, loss=0.5, accuracy=0.75),
            issued_at=NOW,
        )

    def audit(self, records: int) -> Iterator[Entry]:
        """So many records, the head that the platform has signed, and an earlier one that the silos have."""
        chain = chain_of(self.manifest.consortium_id)
        digest, lines = first_digest(chain), []
        for position in range(1, records + 1):
            record = canonical({"id": position, "verb": "job.launched"})
            digest = next_digest(digest, record)
            lines.append(reading.link_line(position, digest, record))
            if position == records // 2:
                kept = documents.AuditCheckpoint(chain=chain, position=position, digest=digest.hex(), made_at=NOW)
        yield Entry(f"{reading.RECORD}1", b"".join(lines))
        checkpoint = documents.AuditCheckpoint(chain=chain, position=records, digest=digest.hex(), made_at=NOW)
        yield Entry(reading.CHECKPOINT, documents.seal(checkpoint, self.platform))
        for member, identity in zip(self.manifest.cohort, self.identities, strict=True):
            yield Entry(f"{reading.COUNTERSIGNED}{member.silo_id}", documents.seal(kept, identity))


def certificate(signatory: PrivateKey, identity: PrivateKey) -> str:
    """The organisation's word for its silo's key."""
    said = documents.SiloCertificate(
        organisation="Hospital",
        signatory_key=signatory.public.encoded,
        identity_key=identity.public.encoded,
        not_before=NOW - timedelta(days=1),
        not_after=NOW + timedelta(days=365),
    )
    return documents.seal(said, signatory).decode()


def model_of(round_number: int) -> str:
    """The digest of the model as it stood after a round."""
    return digest_bytes(b"model %d" % round_number)


def answer_to(order: documents.Order) -> documents.Submission:
    """What a silo says that has trained."""
    assert order.model is not None
    return documents.Submission(
        order_id=order.order_id,
        number=order.number,
        kind=order.kind,
        silo_id=order.silo_id,
        job_id=order.job_id,
        manifest_digest=order.manifest_digest,
        round=order.round,
        attempt=order.attempt,
        model_digest=order.model.digest,
        payload=documents.PayloadReference(digest=digest_bytes(b"update"), size_bytes=6),
        training=documents.TrainingReport(rows=10, steps=1, loss=0.5, update_norm_l2=1.0),
        environment=ENVIRONMENT,
        created_at=NOW,
    )


def silo_of(entry: Entry) -> UUID:
    """For whom an order is."""
    from federation.protocol.envelope import peek

    return documents.read(documents.Order, peek(entry.content)).silo_id
