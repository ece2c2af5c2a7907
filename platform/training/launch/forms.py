"""The launch forms. What they ask for is checked by `training.launch.requests`; its errors come back to the fields."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Self

from django import forms
from django.forms.boundfield import BoundField, BoundWidget
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from agreements.refusals import term_fault
from federation.errors import FederationError
from federation.learning.models import FAMILIES
from federation.learning.specification import LocalTraining
from federation.protocol.documents import Limits
from federation.statistics.columns import ColumnShape
from plans.models import TrainingPlan
from plans.selectors import FAMILY
from rest.names import NameFormField
from silos.capabilities import Needs
from silos.models import Dataset
from training.launch.choices import Choice, model_families, strategies
from training.launch.needs import needs_of
from training.launch.purpose_fields import declared, purpose_fields
from training.launch.schema_fields import fields_of
from training.launch.statistics import shapes_of
from training.protocols import carried_out
from training.waiting import Wait

_SEPARATOR = "."
PLAN_FIELD = _SEPARATOR.join(("model", FAMILY, "digest"))
_LIMITS = {
    "update_norm_l2_max": _("An update that is longer is refused"),
    "minimum_cell": _("Counts of fewer rows than this are withheld (minimum cell size)"),
}


class CohortForm(forms.Form):
    """What every job says: its name, its silos, its protection, how long it waits. Enough for an evaluation."""

    task = "evaluate"
    name = NameFormField(label=_("Name"), max_length=200)
    purpose = forms.CharField(
        label=_("Purpose"), max_length=4000, required=False, widget=forms.Textarea(attrs={"rows": 2})
    )
    datasets = forms.MultipleChoiceField(
        label=_("Datasets"),
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": _("Choose at least one dataset.")},
    )
    protection = forms.ChoiceField(
        label=_("Protection"),
        choices=lambda: [(mode.name, gettext(mode.title)) for mode in carried_out()],
        widget=forms.RadioSelect,
        error_messages={"required": _("Say how updates are protected. Nobody trains in clear by default.")},
    )
    quorum = forms.IntegerField(
        label=_("Quorum"),
        min_value=1,
        max_value=1000,
        required=False,
        help_text=_("Silos that have to answer; empty for three quarters"),
    )
    round_deadline_s = forms.FloatField(
        label=_("Deadline of a round, in seconds"), min_value=1, max_value=30 * 86400, initial=600
    )
    wait = forms.ChoiceField(
        label=_("Waits"),
        choices=Wait.choices,
        initial=Wait.ADAPTIVE,
        required=False,
        help_text=_("Acts where the quorum is below the number of silos"),
    )
    retries_max = forms.IntegerField(
        label=_("Retries of a round"), min_value=0, max_value=100, initial=3, help_text=_("Then the job pauses")
    )

    def __init__(self, data: Any = None, *, datasets: Sequence[Dataset], initial: dict[str, Any] | None = None) -> None:
        super().__init__(data, initial=initial)
        self.offered = datasets
        field = self.fields["datasets"]
        assert isinstance(field, forms.MultipleChoiceField)
        field.choices = [(str(dataset.id), dataset.title) for dataset in datasets]
        for name, one in purpose_fields().items():
            self.fields[f"use{_SEPARATOR}{name}"] = one
        for name, one in fields_of(Limits.model_json_schema()).items():
            one.help_text = one.help_text or _LIMITS.get(name, "")
            self.fields[f"limits{_SEPARATOR}{name}"] = one

    def request(self) -> dict[str, Any]:
        """The launch request that the form makes, without what is wrong already as it was typed."""
        names = ("name", "purpose", "datasets", "quorum", "round_deadline_s", "retries_max")
        statement = self.cleaned_data
        wait = {"wait": statement["wait"]} if statement.get("wait") else {}
        protection = {"protection": {"mode": statement["protection"]}} if "protection" in statement else {}
        limits = {"limits": given} if (given := self._settings("limits")) else {}
        use = {"use": given} if (given := declared(self._settings("use"))) else {}
        return {"task": self.task, **self._said(*names), **wait, **use, **protection, **limits}

    def as_it_stands(self) -> Self:
        """This form as though it were sent as it is shown now, before anybody has typed."""
        shown = {name: self.get_initial_for_field(field, name) for name, field in self.fields.items()}
        return type(self)(shown, datasets=self.offered)

    def needs(self) -> Needs:
        """What the job, as the form stands, asks of each silo's connector. Of the target it knows nothing."""
        family = self["model"].value() if "model" in self.fields else None
        return needs_of(self.task, self["protection"].value() or None, family or None)

    def chosen_datasets(self) -> set[str]:
        """The ids that are ticked."""
        return set(self["datasets"].value() or ())

    def purpose_fields(self) -> list[BoundField]:
        """What the agreement's conditions are compared with."""
        return self._bound("use")

    def limit_fields(self) -> list[BoundField]:
        """Bounds that everybody holds to."""
        return self._bound("limits")

    def _settings(self, *prefix: str) -> dict[str, Any]:
        """What was filled in of a group of settings."""
        start = _SEPARATOR.join(prefix) + _SEPARATOR
        given = {name.removeprefix(start): value for name, value in self.cleaned_data.items() if name.startswith(start)}
        return {name: value for name, value in given.items() if value not in (None, "", [])}

    def _bound(self, *prefix: str) -> list[BoundField]:
        start = _SEPARATOR.join(prefix) + _SEPARATOR
        return [self[name] for name in self.fields if name.startswith(start)]

    def _said(self, *names: str) -> dict[str, Any]:
        return {name: self.cleaned_data[name] for name in names if name in self.cleaned_data}

    def take(self, error: FederationError) -> None:
        """Show what is wrong at the fields that it is about, or above all fields; fields that were rejected keep it."""
        asked = self.request()
        rows = [
            (self._field_of(path), f"{term_fault(path, text, asked)} ({error.code})")
            for path, texts in (error.fields or {"": [error.message]}).items()
            for text in texts
        ]
        before = set(self.errors)
        for field, text in rows:
            if field not in before:
                self.add_error(field, text)

    def _field_of(self, path: str) -> str | None:
        return next((name for name in self.fields if path == name or path.startswith(f"{name}.")), None)


class StatisticsForm(CohortForm):
    """A job of statistics: which columns. How they are cut stands in the silos' declarations and is not asked."""

    task = "statistics"
    columns = forms.MultipleChoiceField(
        label=_("Columns"),
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": _("Choose at least one column.")},
    )

    def __init__(self, data: Any = None, *, datasets: Sequence[Dataset], initial: dict[str, Any] | None = None) -> None:
        super().__init__(data, datasets=datasets, initial=initial)
        del self.fields[f"limits{_SEPARATOR}update_norm_l2_max"]
        field = self.fields["columns"]
        assert isinstance(field, forms.MultipleChoiceField)
        self.shapes = {name: shape for dataset in reversed(datasets) for name, shape in shapes_of(dataset).items()}
        names = dict.fromkeys(name for dataset in datasets for name in shapes_of(dataset))
        field.choices = [(name, name) for name in names]
        self.fields["protection"].error_messages["required"] = _("Say how the silos' figures are protected.")

    def columns_with_figures(self) -> list[tuple[BoundWidget, str]]:
        """Each column's tick box, and what the silos will answer of it."""
        return [(box, _figures_of(self.shapes[box.data["value"]])) for box in self["columns"]]

    def request(self) -> dict[str, Any]:
        """The launch request that the form makes, without what is wrong already as it was typed."""
        columns = self.cleaned_data.get("columns")
        return {**super().request(), **({"statistics": {"columns": columns}} if columns else {})}

    def _field_of(self, path: str) -> str | None:
        return "columns" if path.partition(".")[0] == "statistics" else super()._field_of(path)


def _figures_of(shape: ColumnShape) -> str:
    """What statistics give of a column cut like this, in a few words."""
    if shape.levels is not None:
        return ngettext("%(n)s level: a count", "%(n)s levels: a count of each", len(shape.levels)) % {
            "n": len(shape.levels)
        }
    rows = [gettext("mean, variance")] if shape.has_moments else []
    if shape.edges is not None:
        rows.append(
            gettext("histogram from %(first)g to %(last)g") % {"first": shape.edges[0], "last": shape.edges[-1]}
        )
    return "; ".join(rows or [gettext("rows with a value, rows without")])


class TrainingForm(CohortForm):
    """A training job. Families, strategies and their settings are made from what the library offers."""

    task = "train"
    rounds = forms.IntegerField(label=_("Rounds"), min_value=1, max_value=10_000, initial=10)
    seed = forms.IntegerField(
        label=_("Seed"), min_value=0, max_value=2**32 - 1, initial=0, help_text=_("The same seed, the same start")
    )
    model = forms.ChoiceField(label=_("Model family"), error_messages={"required": _("Choose a model.")})
    strategy = forms.ChoiceField(
        label=_("Strategy on the platform"), error_messages={"required": _("Choose a strategy.")}
    )

    def __init__(
        self,
        data: Any = None,
        *,
        datasets: Sequence[Dataset],
        initial: dict[str, Any] | None = None,
        plans: Sequence[TrainingPlan] = (),
    ) -> None:
        super().__init__(data, datasets=datasets, initial=initial)
        self.plans = plans
        targets = {dataset.target_kind.name for dataset in datasets}
        self.families, self.strategies = model_families(targets) or model_families(), strategies()
        if plans:
            self.families += (Choice(FAMILY, FAMILIES[FAMILY].title, FAMILIES[FAMILY].when_to_use, {}),)
        for kind, choices in (("model", self.families), ("strategy", self.strategies)):
            chosen = self.fields[kind]
            assert isinstance(chosen, forms.ChoiceField)
            chosen.choices = [(choice.name, choice.title) for choice in choices]
            chosen.initial = choices[0].name
            for choice in choices:
                for name, field in fields_of(choice.settings).items():
                    self.fields[_SEPARATOR.join((kind, choice.name, name))] = field
        if plans:
            self.fields[PLAN_FIELD] = forms.ChoiceField(
                label=_("Training plan"),
                required=False,
                choices=[(plan.digest, f"{plan.title} ({plan.digest[:19]}…)") for plan in plans],
                help_text=_(
                    "Those that the agreement in force names. A silo runs it only where its own people approve."
                ),
            )
        for name, field in fields_of(LocalTraining.model_json_schema(), leave_out=("proximal_mu",)).items():
            if name == "epochs":
                field.initial = 1
            self.fields[f"local{_SEPARATOR}{name}"] = field

    def clean(self) -> None:
        """Settings of what was not chosen are not sent, so nothing is wrong with them."""
        super().clean()
        for name in list(self.errors):
            kind, _, rest = name.partition(_SEPARATOR)
            if kind in ("model", "strategy") and rest and not rest.startswith(f"{self.cleaned_data.get(kind)}."):
                del self.errors[name]

    def request(self) -> dict[str, Any]:
        """The launch request that the form makes, without what is wrong already as it was typed."""
        asked = {**super().request(), **self._said("rounds", "seed"), "local": self._settings("local")}
        for kind, named in (("model", "family"), ("strategy", "name")):
            if chosen := self.cleaned_data.get(kind):
                asked[kind] = {named: chosen, **self._settings(kind, chosen)}
        if self.cleaned_data.get("model") == FAMILY:
            del asked["model"]
            asked["plan"] = self.cleaned_data.get(PLAN_FIELD) or self.plans[0].digest
        return asked

    def as_it_stands(self) -> Self:
        """This form as though it were sent as it is shown now, before anybody has typed."""
        shown = {name: self.get_initial_for_field(field, name) for name, field in self.fields.items()}
        return type(self)(shown, datasets=self.offered, plans=self.plans)

    def _field_of(self, path: str) -> str | None:
        if path == "plan":
            return PLAN_FIELD if PLAN_FIELD in self.fields else "model"
        kind, _, rest = path.partition(".")
        chosen = self.cleaned_data.get(kind, "") if kind in ("model", "strategy") else ""
        own = _SEPARATOR.join(part for part in (kind, chosen, rest.partition(".")[0]) if part)
        return own if own in self.fields else super()._field_of(path)

    def families_with_fields(self) -> Iterator[tuple[Choice, list[BoundField]]]:
        """The model families, each with the fields of its settings."""
        return ((choice, self._bound("model", choice.name)) for choice in self.families)

    def strategies_with_fields(self) -> Iterator[tuple[Choice, list[BoundField]]]:
        """The strategies likewise."""
        return ((choice, self._bound("strategy", choice.name)) for choice in self.strategies)

    def local_fields(self) -> list[BoundField]:
        """What silos do in a round."""
        return self._bound("local")
