"""The forms of silos."""

from __future__ import annotations

from typing import Any

from django import forms
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from accounts.models import Organisation
from rest.names import NameFormField

_AS_SPOKEN = forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"})


class SiloForm(forms.Form):
    """A silo to be."""

    organisation = forms.ModelChoiceField(
        label=_("Organisation"), queryset=Organisation.objects.none(), empty_label=None
    )
    name = NameFormField(
        label=_("Name"), max_length=120, help_text=_("As its people call it, such as “Cardiology, main site”")
    )

    def __init__(self, data: Any = None, *, organisations: QuerySet[Organisation]) -> None:
        super().__init__(data)
        field = self.fields["organisation"]
        assert isinstance(field, forms.ModelChoiceField)
        field.queryset = organisations


class ConfirmationForm(forms.Form):
    """What the site reads out: the signatory key's fingerprint only where that key is new to the organisation."""

    identity_fingerprint = forms.CharField(
        max_length=60,
        label=_("The identity fingerprint that the site shows"),
        help_text=_(
            "Have it read to you by telephone, from “silo-connector fingerprints”; don't copy it from this page"
        ),
        widget=_AS_SPOKEN,
    )
    signatory_fingerprint = forms.CharField(
        max_length=60,
        label=_("The signatory fingerprint, from the person who holds that key"),
        help_text=_(
            "The connector brought a new signatory key. With this your organisation signs by it: agreements, reviews "
            "of code and the keys of its silos"
        ),
        widget=_AS_SPOKEN,
    )

    def __init__(self, data: Any = None, *, asks_signatory: bool) -> None:
        super().__init__(data)
        if not asks_signatory:
            del self.fields["signatory_fingerprint"]
