"""How figures of models stand on pages: as their metrics have them. Templates ask the target which there are."""

from __future__ import annotations

from collections.abc import Mapping

from django import template

from federation.targets import Metric, Target
from rest.figures import figure_written, target_in_words

register = template.Library()


@register.filter
def figure(figures: Mapping[str, object] | None, metric: Metric) -> str:
    """The figure of this metric among others, with its digits; a dash where there is none."""
    return figure_written(metric, (figures or {}).get(metric.name))


@register.filter
def metric_of(target: Target, rule: str) -> Metric:
    """Its metric for a purpose: `primary` or `best_by`."""
    return target.metric(getattr(target, rule))


@register.filter
def in_words(target: Target) -> str:
    """What a model is asked for."""
    return target_in_words(target)
