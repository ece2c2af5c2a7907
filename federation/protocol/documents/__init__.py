"""The sealed documents: what each says, and the payload type under which it is signed.

Every document is immutable and travels in a DSSE envelope (``federation.protocol.envelope``). It refuses fields that
it does not know, unless a later minor version has added them (``signing.read``, ADR 52).
"""

from federation.protocol.documents.acceptances import StateAcceptance
from federation.protocol.documents.agreements import Agreement
from federation.protocol.documents.base import Code, Count, Digest, Document, Finite, Name, Part, Text
from federation.protocol.documents.checkpoints import AuditCheckpoint, ConsistencyProof, KeptHead
from federation.protocol.documents.enrolment import EnrolmentStatement, SiloCertificate
from federation.protocol.documents.manifests import (
    CohortMember,
    DifferentialPrivacy,
    Limits,
    Manifest,
    PrivacyCost,
    Weighting,
)
from federation.protocol.documents.orders import (
    MODEL,
    OF_NO_ROUND,
    UPDATE,
    BlobReference,
    CheckpointOrder,
    Order,
    OrderKind,
    OrderKindName,
    UploadGrant,
)
from federation.protocol.documents.protection import AnyProtection, Protection, ProtectionMode
from federation.protocol.documents.purposes import Purpose, UseConditions
from federation.protocol.documents.registrations import DatasetRegistration, DatasetWithdrawal
from federation.protocol.documents.reviews import CodeReview
from federation.protocol.documents.signing import now, read, sign_document, verify_document
from federation.protocol.documents.states import ChainHead, LogAcceptance, SiloState
from federation.protocol.documents.statistics import StatisticsRequest
from federation.protocol.documents.submissions import (
    Environment,
    EvaluationReport,
    Payload,
    Refusal,
    Submission,
    TrainingReport,
)
from federation.protocol.documents.successions import PlatformKeySuccession
from federation.protocol.documents.terms import (
    AmendmentTerms,
    Cohort,
    CoveredDataset,
    CustomCode,
    DisclosureTerms,
    Member,
    Privacy,
    Retention,
    Terms,
    TrainingLimits,
    Validity,
)

__all__ = [
    "MODEL",
    "OF_NO_ROUND",
    "UPDATE",
    "Agreement",
    "AmendmentTerms",
    "AnyProtection",
    "AuditCheckpoint",
    "BlobReference",
    "ChainHead",
    "CheckpointOrder",
    "Code",
    "CodeReview",
    "Cohort",
    "CohortMember",
    "ConsistencyProof",
    "Count",
    "CoveredDataset",
    "CustomCode",
    "DatasetRegistration",
    "DatasetWithdrawal",
    "DifferentialPrivacy",
    "Digest",
    "DisclosureTerms",
    "Document",
    "EnrolmentStatement",
    "Environment",
    "EvaluationReport",
    "Finite",
    "KeptHead",
    "Limits",
    "LogAcceptance",
    "Manifest",
    "Member",
    "Name",
    "Order",
    "OrderKind",
    "OrderKindName",
    "Part",
    "Payload",
    "PlatformKeySuccession",
    "Privacy",
    "PrivacyCost",
    "Protection",
    "ProtectionMode",
    "Purpose",
    "Refusal",
    "Retention",
    "SiloCertificate",
    "SiloState",
    "StateAcceptance",
    "StatisticsRequest",
    "Submission",
    "Terms",
    "Text",
    "TrainingLimits",
    "TrainingReport",
    "UploadGrant",
    "UseConditions",
    "Validity",
    "Weighting",
    "now",
    "read",
    "sign_document",
    "verify_document",
]
