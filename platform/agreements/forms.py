"""The form of an agreement's terms. What it says is checked with the terms; its errors come back to the fields."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django import forms
from django.forms.boundfield import BoundField
from django.utils.translation import gettext as _

from agreements.choices import Offer, Offered
from agreements.explanations import choices
from agreements.fields import LinesField, UtcDateTimeField, as_before, labelled, number, one_of, several, ticked, whole
from agreements.refusals import term_fault
from agreements.terms import WITHIN
from agreements.use_form import Unjudged, UseForm
from federation.errors import FederationError
from federation.learning.models import FAMILIES
from federation.protection import MODES
from federation.targets import figures_called
from federation.tasks import TASKS
from rest.pages import in_words

_UPLOADED = "code.uploaded"


@dataclass(frozen=True)
class DatasetFields:
    """A data set that could be covered, with its fields."""

    offered: Offered
    covered: BoundField
    epsilon_max: BoundField
    delta_max: BoundField
    use: UseForm | None
    """None where it says nothing of its own, and nobody asked to."""


class TermsForm(Unjudged):
    """The terms of a version, clause by clause.

    What single data sets allow beyond the rest is drawn only where something is said: with `narrow`, the place of a
    data set, the form is not checked but shown again with what was typed, and with the fields of that data set.
    """

    def __init__(
        self, data: Any = None, *, offer: Offer, terms: Mapping[str, Any], uploaded: Sequence[tuple[str, str]] = ()
    ) -> None:
        super().__init__(data, initial=_flat(terms, {digest for digest, _title in uploaded}))
        self.offer = offer
        self.narrowed = str(data.get("narrow", "")) if data else ""
        self.judged = not self.narrowed
        self.before = _flat(terms)
        fields = self.fields
        fields["members"] = several("members", list(offer.members.items()))
        self.use = UseForm(
            data,
            of_dataset=False,
            accounts=offer.accounts,
            prefix="purposes",
            initial=dict(terms.get("purposes", {})),
        )
        self._add_datasets(data, terms)
        fields["training_limits.tasks"] = several("training_limits.tasks", choices(*TASKS))
        fields["training_limits.families"] = several(
            "training_limits.families", [(name, in_words(FAMILIES[name].title)) for name in sorted(FAMILIES)]
        )
        fields["training_limits.parameters_max"] = whole("training_limits.parameters_max", 1)
        fields["training_limits.rounds_max"] = whole("training_limits.rounds_max", 1)
        fields["training_limits.update_norm_l2_max"] = number("training_limits.update_norm_l2_max")
        fields["training_limits.trainer_network"] = one_of(
            "training_limits.trainer_network", choices("forbidden", "allowed")
        )
        if uploaded:
            fields[_UPLOADED] = forms.MultipleChoiceField(
                label=_("Uploaded training plans that may run"),
                required=False,
                choices=[(digest, f"{title} ({digest[:19]}…)") for digest, title in uploaded],
                widget=forms.CheckboxSelectMultiple,
            )
        fields["code.digests"] = LinesField(**labelled("code.digests"))
        fields["code.reviewers"] = one_of("code.reviewers", [("1", "1"), ("2", "2")])
        fields["protection"] = several("protection", choices(*MODES))
        fields["clear_reason"] = forms.CharField(
            **labelled("clear_reason"), max_length=4000, widget=forms.Textarea(attrs={"rows": 2})
        )
        fields["privacy.required"] = ticked("privacy.required")
        fields["privacy.epsilon_max"] = number("privacy.epsilon_max")
        fields["privacy.delta_max"] = number("privacy.delta_max")
        fields["cohort.minimum_participants"] = whole("cohort.minimum_participants", 1)
        fields["cohort.minimum_rows"] = whole("cohort.minimum_rows")
        fields["cohort.organisation_share_max"] = number("cohort.organisation_share_max")
        fields["disclosure.metrics"] = several(
            "disclosure.metrics", [(name, in_words(one_report)) for name, one_report in figures_called().items()]
        )
        fields["disclosure.minimum_cell"] = whole("disclosure.minimum_cell", 1)
        for name in ("final_model", "round_models", "release_confirmed_by_each"):
            fields[f"disclosure.{name}"] = ticked(f"disclosure.{name}")
        fields["disclosure.recipients"] = LinesField(**labelled("disclosure.recipients"))
        for name in ("not_before", "not_after"):
            fields[f"validity.{name}"] = UtcDateTimeField(**labelled(f"validity.{name}"))
        fields["retention.updates_rounds"] = whole("retention.updates_rounds", 1)
        fields["retention.models_days"] = whole("retention.models_days", 1)
        fields["amendment.running_jobs"] = one_of("amendment.running_jobs", choices("stop", "continue"))
        fields["amendment.on_leaving"] = one_of("amendment.on_leaving", choices("models_stay", "models_retired"))
        fields["notes"] = forms.CharField(
            **labelled("notes"), max_length=4000, widget=forms.Textarea(attrs={"rows": 3})
        )
        fields["note"] = forms.CharField(
            label=_("What you changed, and why"),
            max_length=2000,
            required=False,
            widget=forms.Textarea(attrs={"rows": 2}),
            help_text=_("The other members read it beside the changed clauses."),
        )
        fields["reopen"] = forms.BooleanField(
            label=_("Throw away the signatures made so far"),
            required=False,
            help_text=_("Those who have signed already must read and sign the new terms."),
        )

    def _add_datasets(self, data: Any, terms: Mapping[str, Any]) -> None:
        by_name = {(one["signatory_key"], one["dataset"]): one for one in terms.get("datasets", ())}
        self.covered_before = tuple(by_name)
        self.uses: dict[str, UseForm] = {}
        for one in self.offer.datasets:
            known = by_name.get((one.key, one.dataset), {})
            name = f"dataset.{one.place}"
            self.fields[name] = ticked("dataset.covered")
            self.fields[name].initial = bool(known)
            for ceiling in ("epsilon_max", "delta_max"):
                self.fields[f"{name}.{ceiling}"] = number(f"dataset.{ceiling}")
                self.fields[f"{name}.{ceiling}"].initial = known.get(ceiling)
            use, prefix = dict(known.get("use") or {}), f"{name}.use"
            asked = self.narrowed == one.place or (data is not None and f"{prefix}-permission" in data)
            if use or asked:
                self.uses[one.place] = UseForm(
                    data, of_dataset=True, accounts=self.offer.accounts, prefix=prefix, initial=use
                )

    def full_clean(self) -> None:
        """With the forms within it."""
        super().full_clean()
        for inner in self._inner():
            inner.judged = self.judged
            inner.full_clean()

    def _inner(self) -> tuple[UseForm, ...]:
        return (self.use, *self.uses.values()) if hasattr(self, "uses") else ()

    @property
    def is_wrong(self) -> bool:
        """Whether anything is, here or in the forms within."""
        return bool(self.errors) or any(inner.errors for inner in self._inner())

    def wrong(self) -> list[BoundField]:
        """The fields with something wrong, here and in the forms within: the page is long."""
        return [field for form in (*self._inner(), self) for field in form if field.errors]

    def said(self) -> dict[str, Any]:
        """The terms that the form makes, as JSON values, without what is wrong already as it was typed."""
        given = self.cleaned_data
        members = as_before(given.get("members", []), self.before["members"])
        found: dict[str, Any] = {
            "members": [{"organisation": self.offer.members[key], "signatory_key": key} for key in members],
            "datasets": [self._dataset(one) for one in self._covered()],
            "protection": as_before(given.get("protection", []), self.before.get("protection", [])),
            "clear_reason": given.get("clear_reason", ""),
            "notes": given.get("notes", ""),
        }
        if (use := self.use.said()) is not None:
            found["purposes"] = use
        for name, value in given.items():
            if name == _UPLOADED:
                continue
            group, _dot, term = name.partition(".")
            if term and group != "dataset" and value not in (None, ""):
                if isinstance(self.fields[name], forms.MultipleChoiceField):
                    value = as_before(value, self.before.get(name, ()))
                found.setdefault(group, {})[term] = int(value) if name == "code.reviewers" else value
        code = found.setdefault("code", {})
        typed = [*given.get(_UPLOADED, []), *code.get("digests", [])]
        code["digests"] = as_before(typed, self.before["code.digests"])
        return found

    def _covered(self) -> list[Offered]:
        covered = [one for one in self.offer.datasets if self.cleaned_data.get(f"dataset.{one.place}")]
        stood = {key: place for place, key in enumerate(self.covered_before)}
        return sorted(covered, key=lambda one: stood.get((one.key, one.dataset), len(stood)))

    def _dataset(self, one: Offered) -> dict[str, Any]:
        name = f"dataset.{one.place}"
        ceilings = {
            ceiling: value
            for ceiling in ("epsilon_max", "delta_max")
            if (value := self.cleaned_data.get(f"{name}.{ceiling}")) is not None
        }
        use = self.uses[one.place].said() if one.place in self.uses else None
        return {"signatory_key": one.key, "dataset": one.dataset, **ceilings, **({"use": use} if use else {})}

    def take(self, error: FederationError) -> None:
        """Show what is wrong at the fields that it is about, or above all fields."""
        covered, statement = self._covered(), self.said()
        for path, texts in (error.fields or {"": [error.message]}).items():
            form, field = self._place_of(path.removeprefix(f"{WITHIN}."), covered)
            if field is None or not form.has_error(field):
                form.add_error(field, [term_fault(path.removeprefix(f"{WITHIN}."), text, statement) for text in texts])

    def _place_of(self, path: str, covered: list[Offered]) -> tuple[forms.Form, str | None]:
        first, _dot, rest = path.partition(".")
        if first == "purposes":
            name = rest.partition(".")[0] or "permission"
            return self.use, name if name in self.use.fields else "permission"
        if first == "datasets" and rest.partition(".")[0].isdigit():
            position, _dot, within = rest.partition(".")
            place = covered[int(position)].place
            if within.startswith("use") and place in self.uses:
                name = within.removeprefix("use").lstrip(".").partition(".")[0]
                return self.uses[place], name if name in self.uses[place].fields else "permission"
            return self, f"dataset.{place}.{within}" if within.endswith("_max") else f"dataset.{place}"
        term = f"{first}.{rest.partition('.')[0]}"
        found = next((name for name in (term, first) if name in self.fields), None)
        if found is None and any(name.startswith(f"{first}.") for name in self.fields):
            found = next(name for name in self.fields if name.startswith(f"{first}."))
        return self, found

    def dataset_rows(self) -> Iterator[DatasetFields]:
        """The data sets, each with its fields."""
        for one in self.offer.datasets:
            name = f"dataset.{one.place}"
            bound = (self[name], self[f"{name}.epsilon_max"], self[f"{name}.delta_max"])
            yield DatasetFields(one, *bound, self.uses.get(one.place))

    def fields_of(self, clause: str) -> list[BoundField]:
        """The fields of a clause that has nothing but fields."""
        more = ("clear_reason",) if clause == "protection" else ()
        return [self[name] for name in self.fields if name in (clause, *more) or name.startswith(f"{clause}.")]


def _flat(terms: Mapping[str, Any], uploaded: Collection[str] = ()) -> dict[str, Any]:
    """Terms by the names of the form's fields; hashes of plans that are uploaded are ticked, the others typed."""
    flat: dict[str, Any] = {"members": [one["signatory_key"] for one in terms.get("members", ())]}
    for name, value in terms.items():
        if isinstance(value, Mapping) and name != "purposes":
            flat |= {f"{name}.{term}": inner for term, inner in value.items()}
        elif name not in ("members", "datasets", "purposes"):
            flat[name] = value
    digests = flat.get("code.digests", ())
    flat[_UPLOADED] = [digest for digest in digests if digest in uploaded]
    flat["code.digests"] = [digest for digest in digests if digest not in uploaded]
    return flat
