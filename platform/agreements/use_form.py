"""The form of what data may be used for: part of the form of terms, once for all data and once for each data set."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django import forms
from django.forms.boundfield import BoundField
from django.forms.utils import ErrorDict
from django.utils.translation import gettext as _

from agreements.explanations import choices
from agreements.fields import AccountsField, LinesField, as_before, labelled, one_of, several
from agreements.people import Accounts
from federation.agreements.vocabulary import FINANCE, MODIFIERS, PERMISSIONS, UseCode

LISTS = ("diseases", "finance", "modifiers", "countries", "institutions", "users", "projects")
_TICKED = ("finance", "modifiers")


class Unjudged(forms.Form):
    """A form that can be shown again with what was typed so far, without saying that it is not whole yet."""

    judged = True

    def full_clean(self) -> None:
        """Check it, unless it is only shown again."""
        if self.judged:
            super().full_clean()
            return
        self._errors, self.cleaned_data = ErrorDict(), {}


class UseForm(Unjudged):
    """What data may be used for: those of the agreement as a whole, or what one data set says beyond that."""

    def __init__(self, data: Any = None, *, of_dataset: bool, accounts: Accounts, **kwargs: Any) -> None:
        super().__init__(data, **kwargs)
        codes = [(use.code, f"{use.code}: {use.label}") for use in PERMISSIONS.values()]
        none = [("", _("nothing beyond the agreement's own purposes"))] if of_dataset else []
        self.fields["permission"] = one_of("use.permission", none + codes)
        self.fields["permission"].widget.attrs["lang"] = "en"  # the codes are reported as they were published
        self.fields["diseases"] = LinesField(**labelled("use.diseases"))
        self.fields["finance"] = several("use.finance", choices(*FINANCE))
        self.fields["modifiers"] = several(
            "use.modifiers", [(use.code, f"{use.code}: {use.label}") for use in MODIFIERS.values()]
        )
        for name in ("countries", "institutions", "projects"):
            self.fields[name] = LinesField(**labelled(f"use.{name}"))
        self.fields["users"] = AccountsField(**labelled("use.users"), accounts=accounts)
        for name in ("until", "moratorium_until"):
            widget = forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
            self.fields[name] = forms.DateField(**labelled(f"use.{name}"), widget=widget)
        self.fields["research"] = forms.CharField(
            **labelled("use.research"), max_length=4000, widget=forms.Textarea(attrs={"rows": 2})
        )

    def said(self) -> dict[str, Any] | None:
        """The conditions, as terms have them; None for a data set that says nothing of its own."""
        given = self.cleaned_data
        if not given.get("permission"):
            return None
        found: dict[str, Any] = {"permission": given["permission"], "research": given.get("research", "")}
        found |= {name: given[name] for name in LISTS if given.get(name)}
        found |= {name: as_before(found[name], self.initial.get(name, ())) for name in _TICKED if name in found}
        found |= {name: given[name].isoformat() for name in ("until", "moratorium_until") if given.get(name)}
        return found

    def modifier_rows(self) -> Iterator[tuple[Any, UseCode]]:
        """The check boxes, each with what its code means."""
        return ((box, MODIFIERS[str(box.data["value"])]) for box in self["modifiers"].subwidgets)

    def permission_codes(self) -> Iterator[UseCode]:
        """What each permission means."""
        return iter(PERMISSIONS.values())

    def detail_fields(self) -> list[BoundField]:
        """What single codes need to be checked."""
        names = ("diseases", "finance", "countries", "institutions", "users", "projects")
        return [self[name] for name in (*names, "until", "moratorium_until", "research")]
