"""Page: the hash chains of the record, how far they go, and whether they hold when somebody asks now."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.contrib.auth.decorators import login_required
from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from accounts.access import signed_in
from accounts.models import User
from accounts.permissions import Permission
from audit.chaining import Verified, verify
from audit.models import Checkpoint, Head
from consortia.selectors import consortia_where
from evidence.audit_checkpoints import Contradicted, contradicted
from federation.protocol.chains import PLATFORM, chain_of
from rest.errors import NotFound
from training.engine.restored import Behind, Broken, breaks, numbers_lost


@dataclass(frozen=True)
class ChainRow:
    """A chain that somebody may read: whose it is, how long, and the last head that the platform has signed."""

    name: str
    title: str
    events: int
    root: str
    signed_events: int | None
    signed_at: datetime | None
    countersigned: int
    contradicted: tuple[Contradicted, ...] = ()
    broken: tuple[Broken, ...] = ()


def _last(chains: Iterable[str]) -> list[int]:
    """The last signed head of each chain."""
    rows = Checkpoint.objects.filter(chain__in=list(chains)).order_by("chain", "-position").distinct("chain")
    return list(rows.values_list("pk", flat=True))


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@login_required
def chains(request: HttpRequest) -> HttpResponse:
    """The chains; with POST, one of them is walked from its first link."""
    user = signed_in(request)
    rows = readable(user)
    found: Verified | None = None
    if request.method == "POST":
        asked = request.POST.get("chain", "")
        if asked not in {row.name for row in rows}:
            raise NotFound.of("chain")
        found = verify(asked)
    behind: list[Behind] = numbers_lost() if user.is_platform_administrator else []
    return render(request, "dashboards/activity/chains.html", {"rows": rows, "found": found, "behind": behind})


def readable(user: User) -> list[ChainRow]:
    """The chains whose record this person may read: of consortia, and of the platform for who keeps it."""
    titles = {
        chain_of(consortium.id): consortium.name
        for consortium in consortia_where(user, Permission.EVENT_VIEW).order_by("name")
    }
    if user.is_platform_administrator:
        titles[PLATFORM] = ""
    heads = {head.chain: head for head in Head.objects.filter(chain__in=titles)}
    signed = {
        row.chain: row
        for row in Checkpoint.objects.filter(pk__in=_last(titles)).annotate(silos=Count("countersignatures"))
    }
    against: dict[str, list[Contradicted]] = defaultdict(list)
    for one in contradicted(titles):
        against[one.chain].append(one)
    broke: dict[str, list[Broken]] = defaultdict(list)
    for row in breaks(titles):
        broke[row.chain].append(row)
    return [
        ChainRow(
            name=name,
            title=title,
            events=head.position,
            root=head.tree.root or "",
            signed_events=signed[name].position if name in signed else None,
            signed_at=signed[name].made_at if name in signed else None,
            countersigned=signed[name].silos if name in signed else 0,
            contradicted=tuple(against[name]),
            broken=tuple(broke[name]),
        )
        for name, title in titles.items()
        if (head := heads.get(name)) is not None
    ]
