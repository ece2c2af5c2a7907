"""Whether datasets can train together, and if not, what their silos have declared differently."""

from __future__ import annotations

from collections.abc import Sequence

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from federation.errors import Invalid
from federation.protocol.dataset_differences import Difference, differences
from federation.protocol.datasets import DatasetDeclaration, parse_declaration
from silos.models import Dataset

DIFFERENCES_SHOWN_MAX = 5
_SAID = {
    "type": gettext_noop("column %(name)s is of type %(first)s in the one and %(other)s in the other"),
    "levels": gettext_noop("column %(name)s has the levels %(first)s in the one and %(other)s in the other"),
    "unit": gettext_noop("column %(name)s has the unit %(first)s in the one and %(other)s in the other"),
    "steps": gettext_noop("column %(name)s goes through the steps %(first)s in the one and %(other)s in the other"),
    "feature": gettext_noop("feature %(name)s is %(first)s in the one and %(other)s in the other"),
    "scaling": gettext_noop("feature %(name)s is standardised as %(first)s in the one and %(other)s in the other"),
    "target": gettext_noop("the target is %(first)s in the one and %(other)s in the other"),
    "classes": gettext_noop("the classes are %(first)s in the one and %(other)s in the other"),
    "split": gettext_noop("the split is %(first)s in the one and %(other)s in the other"),
}


def check_alike(datasets: Sequence[Dataset]) -> None:
    """Raise Invalid ``dataset.schemas_differ``, naming what differs, where datasets don't end in the same features.

    Equal digests are enough. Where they differ, it may be by an order that means nothing (docs/adr/0034).
    """
    first = datasets[0]
    others = [dataset for dataset in datasets if dataset.schema_digest != first.schema_digest]
    if not others:
        return
    declared = parse_declaration(first.declaration)
    for other in {dataset.schema_digest: dataset for dataset in reversed(others)}.values():
        theirs = parse_declaration(other.declaration)
        if theirs.meaning_digest != declared.meaning_digest:
            raise Invalid("dataset.schemas_differ", _differing(first, other, declared, theirs), "datasets")


def _differing(first: Dataset, other: Dataset, declared: DatasetDeclaration, theirs: DatasetDeclaration) -> str:
    found = differences(declared, theirs)
    message = "; ".join(_said(difference) for difference in found[:DIFFERENCES_SHOWN_MAX])
    if len(found) > DIFFERENCES_SHOWN_MAX:
        message += "; …"
    return _(
        "“%(first)s” at %(first_silo)s and “%(other)s” at %(other_silo)s are not declared alike: %(differences)s."
    ) % {
        "first": first.title,
        "first_silo": first.silo.name,
        "other": other.title,
        "other_silo": other.silo.name,
        "differences": message,
    }


def _said(difference: Difference) -> str:
    return _(_SAID[difference.part]) % {
        "name": difference.name,
        "first": difference.first,
        "other": difference.other,
    }
