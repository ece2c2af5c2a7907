"""What the platform answers before and after the enrolment: who we are there, and the keys it says are its own."""

from __future__ import annotations

from typing import Annotated, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from federation.errors import Invalid, Untrusted
from federation.protocol.keys import PublicKey


class PlatformKey(BaseModel):
    """A signing key of the platform."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    key_id: Annotated[str, Field(max_length=100)]
    public_key: Annotated[str, Field(max_length=100)]


class ShownKeys(BaseModel):
    """Keys that the platform says are its own. None is trusted but one whose fingerprint a person has copied."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    platform_keys: Annotated[tuple[PlatformKey, ...], Field(min_length=1, max_length=20)]

    @classmethod
    def read(cls, data: bytes) -> Self:
        """Read the platform's answer. Raises Invalid ``enrolment.malformed``."""
        try:
            return cls.model_validate_json(data)
        except ValidationError as error:
            raise Invalid("enrolment.malformed", "The platform's answer to the enrolment can't be read.") from error

    def platform_key(self, fingerprint: str) -> PublicKey:
        """The one key of the platform that has this fingerprint. Raises Untrusted ``enrolment.platform_key``."""
        for entry in self.platform_keys:
            key = PublicKey.from_encoded(entry.public_key)
            if key.fingerprint == fingerprint:
                return key
        raise Untrusted(
            "enrolment.platform_key",
            "None of the keys that the platform shows has the fingerprint in connector.toml (platform_key). Compare it "
            "with the enrolment page; if it is right there, somebody stands between you and the platform.",
        )


class Enrolment(ShownKeys):
    """What the platform answered to the enrolment: who we are there."""

    silo_id: UUID
    organisation: Annotated[str, Field(max_length=200)] = ""
    silo: Annotated[str, Field(max_length=200)] = ""


class UsableCode(ShownKeys):
    """What the platform says of a code that could be used: for which silo, how long, and which keys it has itself."""

    silo: Annotated[str, Field(max_length=200)] = ""
    expires_at: Annotated[str, Field(max_length=100)] = ""
