"""What 1.1 added to terms is one table: a term that is added later can't be left out of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from federation.agreements.added_terms import ADDED_BY_1_1, added_to, upgraded
from federation.agreements.rendering import clauses
from federation.protocol.documents import Agreement, Terms, read
from federation.protocol.documents.terms_1_0 import FIELDS, RENAMED, agreement_as_today
from federation.protocol.envelope import payload_unverified
from tests.support.decision_cases import agreement_of, terms_of
from tests.support.terms_1_0 import payload_1_0
from tests.unit.federation.test_protocol_1_0 import recorded


def models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """The models that a field may hold."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from models_in(inner)


def paths_of(model: type[BaseModel], within: str = "") -> Iterator[str]:
    """The dotted paths of all that a model can say."""
    for name, field in model.model_fields.items():
        inner = list(models_in(field.annotation))
        for one in inner:
            yield from paths_of(one, f"{within}{name}.")
        if not inner:
            yield within + name


def in_1_0() -> set[str]:
    """All terms of 1.0, under the names of today."""
    return {".".join((RENAMED.get(head, head), *rest)) for head, *rest in (path.split(".") for path in FIELDS)}


def test_the_table_has_each_term_that_1_0_lacked_and_no_other() -> None:
    assert {added.path for added in ADDED_BY_1_1} == set(paths_of(Terms)) - in_1_0()
    assert in_1_0() < set(paths_of(Terms)), "no term of 1.0 is lost"


def test_an_upgrade_says_the_same_and_each_added_term_at_its_default() -> None:
    before = read(Agreement, payload_1_0(agreement_of(terms_of()))).terms
    after = upgraded(before)
    for added in ADDED_BY_1_1:
        statement: Any = after
        for part in added.path.split("."):
            statement = getattr(statement, part)
        assert statement == added.default
    assert after.model_copy(update={"clear_reason": ""}) == before


def test_no_reason_for_clear_updates_is_added_where_none_may_leave_in_clear() -> None:
    masked = terms_of().model_copy(update={"protection": ("masked",), "clear_reason": ""})
    assert "clear_reason" not in {added.path for added in added_to(masked)}
    assert upgraded(masked).clear_reason == ""


def test_the_recorded_agreement_reads_the_same_once_it_is_upgraded() -> None:
    before = read(Agreement, payload_unverified(recorded("agreement")))
    after = before.model_copy(update={"protocol": "1.1", "terms": upgraded(before.terms)})
    added = {line for one in clauses(after) for line in one.lines} - {
        line for one in clauses(before) for line in one.lines
    }
    assert len(added) == 1
    assert "Carried over from an agreement of protocol 1.0" in added.pop()


@pytest.mark.parametrize("said", [{"protocol": "1.0"}, {"protocol": "1.0", "terms": []}])
def test_what_is_no_agreement_comes_back_as_it_is(said: dict[str, Any]) -> None:
    assert agreement_as_today(said) == said
