"""Versions of agreements, how they are negotiated, who has signed, and who suspends: one noun a file."""

from agreements.models.negotiation import Comment, Revision
from agreements.models.recipient import Recipient
from agreements.models.signing import Approval, Signature, Via
from agreements.models.suspension import Suspension
from agreements.models.version import AgreementVersion

__all__ = ["AgreementVersion", "Approval", "Comment", "Recipient", "Revision", "Signature", "Suspension", "Via"]
