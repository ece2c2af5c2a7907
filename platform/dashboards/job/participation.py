"""Who took part in which round: a table of silos by rounds. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext
from django.utils.translation import gettext_noop as _

from dashboards.job.series import Member, OrderStateRow, RoundTimes
from training.reading.counting import tally
from training.transitions import OUTSTANDING, OrderState

WORDS = {
    OrderState.APPLIED: (_("counted"), "good", "●"),
    OrderState.SUBMITTED: (_("answered"), "info", "◐"),
    OrderState.REFUSED: (_("refused by the silo"), "warn", "×"),
    OrderState.REJECTED: (_("rejected by the platform"), "bad", "⊘"),
    OrderState.LATE: (_("late"), "warn", "◔"),
    OrderState.EXPIRED: (_("no answer in time"), "bad", "○"),
    OrderState.CANCELLED: (_("recalled"), "quiet", "–"),
}
AT_WORK = (_("at work"), "info", "…")


@dataclass(frozen=True)
class Presence:
    """What one silo did in one round, as a word, a tone and a mark that needs no colour."""

    word: str
    tone: str
    mark: str
    code: str = ""


@dataclass(frozen=True)
class ParticipationRow:
    """One silo's row."""

    member: Member
    cells: tuple[Presence | None, ...]
    counted: int
    asked: int

    @property
    def marks(self) -> SafeString:
        """The cells as they stand in the table. There may be thousands, of a dozen kinds: each kind is written once."""
        not_asked = gettext("not asked")
        return mark_safe("".join(_cell(cell, not_asked) for cell in self.cells))  # noqa: S308 each of them is safe

    @property
    def share(self) -> float | None:
        """Part of the rounds in which its answer counted."""
        return self.counted / self.asked if self.asked else None


@lru_cache(maxsize=1000)
def _cell(presence: Presence | None, not_asked: str) -> SafeString:
    if presence is None:
        return format_html('<td class="cell"><span class="sr-only">{}</span></td>', not_asked)
    message = f"{presence.word}: {presence.code}" if presence.code else presence.word
    return format_html(
        '<td class="cell {}"><span aria-hidden="true" title="{}">{}</span><span class="sr-only">{}</span></td>',
        presence.tone,
        message,
        presence.mark,
        presence.word,
    )


def participation(
    turns: Sequence[OrderStateRow], times: Sequence[RoundTimes], members: Sequence[Member]
) -> tuple[ParticipationRow, ...]:
    """A row for each silo, a cell for each of these rounds; None where it was not asked."""
    found = {(row.silo_id, row.round_number, row.attempt): row for row in turns}
    presences: dict[tuple[str, str], Presence] = {}  # thousands of cells, of a dozen kinds

    def presence_of(row: OrderStateRow) -> Presence:
        kind = (row.state, row.code)
        if kind not in presences:
            presences[kind] = _presence(*kind)
        return presences[kind]

    rows = []
    for member in members:
        mine = [found.get((member.silo_id, one.number, one.attempt)) for one in times]
        reported = tally(row.state for row in mine if row is not None)
        cells = tuple(None if row is None else presence_of(row) for row in mine)
        rows.append(ParticipationRow(member, cells, reported.included, reported.settled))
    return tuple(rows)


def _presence(state: str, code: str) -> Presence:
    word, tone, mark = AT_WORK if state in OUTSTANDING else WORDS[OrderState(state)]
    return Presence(gettext(word), tone, mark, code)
