"""Where a model version comes from, as a small drawing: data sets, job, rounds, version. The template writes it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

DATASETS_SHOWN = 6
WIDTH, HEIGHT, GAP_X, GAP_Y = 190, 44, 50, 10
CHARACTERS_MAX = 23


@dataclass(frozen=True)
class Source:
    """A data set from which a version has learned."""

    title: str
    silo: str
    updates_counted: int
    url: str


@dataclass(frozen=True)
class Node:
    """A box with two lines of text."""

    x: int
    y: int
    title: str
    more: str
    url: str = ""
    width: int = WIDTH
    height: int = HEIGHT

    @property
    def text_x(self) -> int:
        """Where its text begins."""
        return self.x + 10

    @property
    def title_y(self) -> int:
        """The base of its first line."""
        return self.y + 18

    @property
    def more_y(self) -> int:
        """The base of its second line."""
        return self.y + 34


@dataclass(frozen=True)
class Graph:
    """The drawing: boxes in columns from left to right, and the lines between them as paths of SVG."""

    nodes: tuple[Node, ...]
    edges: tuple[str, ...]
    width: int
    height: int


def graph(sources: Sequence[Source], *, job: tuple[str, str], rounds: str, version: tuple[str, str]) -> Graph:
    """Draw it. `job` is a name and an address, `version` a name and a word on how well it does."""
    shown = list(sources[:DATASETS_SHOWN])
    count = max(1, len(shown) + (len(sources) > len(shown)))
    height = count * (HEIGHT + GAP_Y) - GAP_Y
    middle = (height - HEIGHT) // 2
    first = [
        Node(0, place * (HEIGHT + GAP_Y), cut(one.title), cut(f"{one.silo}, {_updates(one.updates_counted)}"), one.url)
        for place, one in enumerate(shown)
    ]
    if len(sources) > len(shown):
        first.append(
            Node(
                0,
                len(shown) * (HEIGHT + GAP_Y),
                _("and %(number)s more") % {"number": len(sources) - len(shown)},
                _("in the words below"),
            )
        )
    later = [
        Node((place + 1) * (WIDTH + GAP_X), middle, cut(title), cut(more), url)
        for place, (title, more, url) in enumerate(
            (
                (job[0], _("the job"), job[1]),
                (rounds, _("aggregated by the platform"), ""),
                (version[0], version[1], ""),
            )
        )
    ]
    edges = [_edge(node, later[0]) for node in first] + [_edge(later[0], later[1]), _edge(later[1], later[2])]
    return Graph((*first, *later), tuple(edges), 4 * WIDTH + 3 * GAP_X, height)


def _updates(count: int) -> str:
    return ngettext("%(count)s update", "%(count)s updates", count) % {"count": count}


def cut(text: str) -> str:
    """No longer than a box is wide."""
    return text if len(text) <= CHARACTERS_MAX else f"{text[: CHARACTERS_MAX - 1]}…"


def _edge(start: Node, end: Node) -> str:
    x0, y0 = start.x + start.width, start.y + start.height // 2
    x1, y1 = end.x, end.y + end.height // 2
    bend = (x0 + x1) // 2
    return f"M{x0} {y0}C{bend} {y0} {bend} {y1} {x1} {y1}"
