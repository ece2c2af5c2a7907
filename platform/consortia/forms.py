"""The forms of consortia."""

from __future__ import annotations

from typing import Any

from django import forms
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from accounts.models import Organisation
from accounts.models.organisation import slug_is_plain
from accounts.permissions import CONSORTIUM_ROLES
from rest.names import NameFormField


class ConsortiumForm(forms.Form):
    """A consortium to found."""

    name = NameFormField(label=_("Name"), max_length=200)
    slug = forms.CharField(
        label=_("Short name"),
        max_length=60,
        validators=[slug_is_plain],
        help_text=_("Its short name in addresses; it stays"),
    )
    description = forms.CharField(label=_("Description"), max_length=4000, required=False, widget=forms.Textarea)
    organisation = forms.ModelChoiceField(
        queryset=Organisation.objects.none(), label=_("First member"), empty_label=_("none of mine yet")
    )

    def __init__(self, data: Any = None, *, organisations: QuerySet[Organisation], organisation_required: bool) -> None:
        super().__init__(data)
        field = self.fields["organisation"]
        assert isinstance(field, forms.ModelChoiceField)
        field.queryset, field.required = organisations, organisation_required


class ConsortiumEditForm(forms.Form):
    """What a consortium is called and for; `seen` names the description that the person who edits has before them."""

    name = NameFormField(label=_("Name"), max_length=200)
    description = forms.CharField(label=_("Description"), max_length=4000, required=False, widget=forms.Textarea)
    seen = forms.CharField(max_length=64, widget=forms.HiddenInput)


class InvitationForm(forms.Form):
    """An organisation to invite."""

    organisation = forms.CharField(
        label=_("Organisation"),
        max_length=60,
        validators=[slug_is_plain],
        help_text=_("Its short name, as it stands on its page"),
    )
    message = forms.CharField(
        label=_("Message"), max_length=2000, required=False, widget=forms.Textarea(attrs={"rows": 4})
    )


class RemovalForm(forms.Form):
    """Why an organisation is removed."""

    reason = forms.CharField(
        label=_("Reason"),
        max_length=2000,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=_("It stays in the audit log, where the organisation's people read it too"),
    )


class RoleForm(forms.Form):
    """A role for somebody who has an account."""

    email = forms.EmailField(label=_("E-mail address"), max_length=254)
    role = forms.ChoiceField(label=_("Role"), choices=[(role.value, role.label) for role in CONSORTIUM_ROLES])
