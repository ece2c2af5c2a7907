"""Who may have the models of an agreement."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from accounts.models import Organisation
from agreements.models.version import AgreementVersion


class Recipient(models.Model):
    """An organisation that a version's terms mean by a name, as it was when the version came into force."""

    version = models.ForeignKey(AgreementVersion, on_delete=models.CASCADE, related_name="recipients")
    organisation = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="+")
    named = models.CharField(max_length=200)

    class Meta:
        ordering: ClassVar = ["named", "id"]
        constraints: ClassVar = [
            models.UniqueConstraint(name="agreement_recipient_once", fields=["version", "organisation"]),
        ]

    def __str__(self) -> str:
        return f"{self.named} in {self.version}"
