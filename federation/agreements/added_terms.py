"""What protocol 1.1 added to the terms of agreements, and the draft that follows one of 1.0 (ADR 55)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from federation.protection.clear import MODE as CLEAR
from federation.protocol.documents import Terms


@dataclass(frozen=True)
class AddedTerm:
    """A term that agreements of 1.0 do not have: what a new draft says of it, and what that means.

    Attributes:
        path: Where it stands in the terms, dotted.
        default: What an upgrade puts there; None where nothing is agreed.
        meaning: What the default means, in one or two sentences for anyone who signs it.
        clear_only: Whether it is said only where updates may leave in clear.
    """

    path: str
    default: str | None
    meaning: str
    clear_only: bool = False


ADDED_BY_1_1: tuple[AddedTerm, ...] = (
    AddedTerm(
        "training_limits.trainer_network",
        "allowed",
        "A trainer that was started with a network may work, as it could before. To forbid it, say so in the draft.",
    ),
    AddedTerm(
        "clear_reason",
        "Carried over from an agreement of protocol 1.0, which asked for no reason.",
        "Why updates may leave in clear. Every member reads it: write your own reason.",
        clear_only=True,
    ),
    AddedTerm(
        "cohort.organisation_share_max",
        None,
        "No largest share of one organisation is agreed. The platform's own bound on each weight holds.",
    ),
)
"""Each term that 1.1 has and 1.0 had not. A test holds it against the terms of both."""


def upgraded(terms: Terms) -> Terms:
    """The same terms, with each that 1.1 added at its default.

    Args:
        terms: Those of an agreement of protocol 1.0, as they are read today.

    Returns:
        Terms to draft the next version with.
    """
    statement = terms.model_dump()
    for added in added_to(terms):
        *within, name = added.path.split(".")
        part = statement
        for one in within:
            part = part[one]
        part[name] = added.default
    return Terms.model_validate(statement)


def added_to(terms: Terms) -> Iterator[AddedTerm]:
    """The terms that an upgrade of these adds: those that say something where they stand."""
    return (added for added in ADDED_BY_1_1 if not added.clear_only or CLEAR.name in terms.protection)
