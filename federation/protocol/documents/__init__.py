"""The sealed documents: what each says, and the payload type under which it is signed.

Every document is immutable, refuses fields that it does not know, and travels in a DSSE envelope
(``federation.protocol.envelope``).
Fields for agreements, differential privacy and masks are here from the first version and empty until they are used.
"""

from federation.protocol.documents.base import Code, Count, Digest, Document, Finite, Name, Part, Text
from federation.protocol.documents.enrolment import EnrolmentStatement, SiloCertificate
from federation.protocol.documents.manifests import CohortMember, Limits, Manifest, Protection
from federation.protocol.documents.orders import BlobReference, Order, OrderKind, UploadGrant
from federation.protocol.documents.registrations import DatasetRegistration, DatasetWithdrawal
from federation.protocol.documents.sealing import now, open_sealed, read, seal
from federation.protocol.documents.submissions import (
    Confusion,
    Environment,
    EvaluationReport,
    PayloadReference,
    Refusal,
    Submission,
    TrainingReport,
)
from federation.protocol.documents.successions import PlatformKeySuccession

__all__ = [
    "BlobReference",
    "Code",
    "CohortMember",
    "Confusion",
    "Count",
    "DatasetRegistration",
    "DatasetWithdrawal",
    "Digest",
    "Document",
    "EnrolmentStatement",
    "Environment",
    "EvaluationReport",
    "Finite",
    "Limits",
    "Manifest",
    "Name",
    "Order",
    "OrderKind",
    "Part",
    "PayloadReference",
    "PlatformKeySuccession",
    "Protection",
    "Refusal",
    "SiloCertificate",
    "Submission",
    "Text",
    "TrainingReport",
    "UploadGrant",
    "now",
    "open_sealed",
    "read",
    "seal",
]
