"""Targets and their figures as pages and the REST API report them: what a target is called, how a figure is written."""

from __future__ import annotations

import math
from collections.abc import Mapping

from django.template.defaultfilters import floatformat
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from rest_framework import serializers

from federation.targets import Better, Metric, Target, all_metrics

NOTHING = "–"
_LARGE, _SMALL = 6, -4
"""Powers of ten from which on a figure is written with one: a silo may disclose 1e30."""


def target_in_words(target: Target) -> str:
    """What a model is asked for: so many classes, or what else the target holds."""
    if target.n_classes is None:
        return _(target.title)
    return ngettext("%(count)s class", "%(count)s classes", target.n_classes) % {"count": target.n_classes}


def figure_written(metric: Metric, value: object) -> str:
    """A figure with the digits that its metric has, in the reader's language; a dash where there is none."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return NOTHING
    power = math.floor(math.log10(abs(value))) if value else 0
    if power >= _LARGE or (metric.significant_digits is not None and power < _SMALL):
        return f"{value:.{metric.digits - 1}e}"
    if metric.significant_digits is None:
        return str(floatformat(value, metric.digits))
    decimals = max(0, metric.digits - 1 - power)
    return str(
        floatformat(value, decimals if metric.decimals_disclosed is None else min(decimals, metric.decimals_disclosed))
    )


def numbers_in(figures: Mapping[str, object]) -> dict[str, float]:
    """The metrics among what is reported of a model, by their names."""
    known = all_metrics()
    return {
        name: float(value)
        for name, value in figures.items()
        if name in known and isinstance(value, int | float) and not isinstance(value, bool)
    }


class MetricOut(serializers.Serializer[Metric]):
    """A number that says how a model does on some rows."""

    name = serializers.CharField()
    title = serializers.CharField()
    better = serializers.ChoiceField(choices=[(one.value, one.value) for one in Better])
    minimum = serializers.FloatField(allow_null=True)
    maximum = serializers.FloatField(allow_null=True)
    significant_digits = serializers.IntegerField(
        allow_null=True, help_text="With how many a silo reports it, so that it says less of single rows."
    )
    is_pooled = serializers.BooleanField(help_text="Whether there is one over all silos.")
    not_pooled_reason = serializers.CharField(help_text="Empty where there is one.")


class TargetOut(serializers.Serializer[Target]):
    """What a model is asked for, with the metrics that belong to it."""

    name = serializers.CharField()
    title = serializers.CharField()
    primary = serializers.CharField(help_text="The metric that pages show where they show one.")
    best_by = serializers.CharField(help_text="The metric by which the best version is chosen.")
    metrics = MetricOut(many=True)
