"""An agreement as a PDF: the text, the signatures, the hash on every page, and the signed document itself inside it.

The same agreement gives the same bytes: nothing in it is of the moment at which somebody asked.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING

from font_roboto import Roboto, RobotoBold
from fpdf import FPDF
from fpdf.enums import TableBordersLayout, XPos, YPos
from fpdf.fonts import FontFace, TTFFont

from federation.agreements.rendering import Clause
from federation.protocol.documents import Agreement

if TYPE_CHECKING:
    from dashboards.agreement.rows import PdfSignatureRow

_FONT = "Roboto"
_MARGIN_MM = 22
_GREY = (84, 92, 104)
_UNFIXED = "not fixed: the terms may still change"
_CHECK = (
    "The hash is the SHA-256 of the signed bytes. They are in the document that is attached to this file, and that the "
    "agreement's page offers; whoever has it can recompute the hash: "
    "jq -r .payload agreement.json | base64 -d | sha256sum"
)


def pdf_of(
    agreement: Agreement,
    clauses: Iterable[Clause],
    signatures: Iterable[PdfSignatureRow],
    *,
    state: str,
    digest: str,
    document: bytes | None,
    made_at: datetime,
) -> bytes:
    """The file. `digest` is empty and `document` None while the terms may still change."""
    name = f"Data-use agreement of {agreement.consortium}"
    printed = _Printable(f"{name} · version {agreement.version}", digest or _UNFIXED)
    printed.set_title(name)
    printed.set_lang("en")
    printed.set_creation_date(made_at)
    printed.add_page()
    printed.paragraph(name, 20, "B", after=4)
    facts = (
        ("Version", f"{agreement.version} ({state})"),
        ("Agreement", str(agreement.agreement_id)),
        ("Supersedes", agreement.supersedes or "The first version."),
        ("Hash", digest or _UNFIXED),
    )
    printed.rows(facts, widths=(22, 144))
    for clause in clauses:
        printed.heading(f"{clause.number}. {clause.title}")
        for line in clause.lines:
            printed.paragraph(line)
    printed.heading("Signatures")
    printed.paragraph(
        "Each is an Ed25519 signature over the bytes with the hash above, by the key with this fingerprint."
    )
    printed.rows(
        _signed(signatures), widths=(50, 66, 50), head=("Member", "Fingerprint of its key", "Signature received")
    )
    if document is not None:
        printed.paragraph(_CHECK, 8.5)
        printed.embed_file(
            bytes=document, basename="agreement.json", desc="The agreement as it was signed", modification_date=made_at
        )
    return bytes(printed.output())


def _signed(rows: Iterable[PdfSignatureRow]) -> Iterable[tuple[str, str, str]]:
    for row in rows:
        approvals = [f"Approved in the browser by {approval}" for approval in row.approvals]
        yield row.organisation, row.fingerprint, "\n".join([row.signed, *approvals])


class _Printable(FPDF):
    """A4 pages with the agreement's name and hash at the foot of each."""

    def __init__(self, foot: str, hash_text: str) -> None:
        super().__init__(format="A4")
        for style, file in (("", Roboto), ("B", RobotoBold)):
            self.add_font(_FONT, style, file)
        font = self.fonts[_FONT.lower()]
        assert isinstance(font, TTFFont)
        self._known = frozenset(font.cmap)
        self._foot, self._hash = self.readable(foot), hash_text
        self.set_margin(_MARGIN_MM)
        self.set_auto_page_break(True, margin=_MARGIN_MM + 6)

    def readable(self, text: str) -> str:
        """The text with every character that the font lacks shown by its number: nothing is dropped in silence."""
        return "".join(
            character if ord(character) in self._known or character == "\n" else f"[U+{ord(character):04X}]"
            for character in text
        )

    def footer(self) -> None:
        """What each page is of, below its text."""
        self.set_y(4 - _MARGIN_MM)
        self.set_font(_FONT, "", 7.5)
        self.set_text_color(*_GREY)
        foot = f"{self._foot} · page {self.page_no()} of {{nb}}"
        self.multi_cell(0, 3.5, foot, align="C", new_x=XPos.LMARGIN, new_y=YPos.NEXT)
        self.cell(0, 3.5, self._hash, align="C")

    def paragraph(self, text: str, size: float = 10, style: str = "", after: float = 1.5) -> None:
        """Text over the whole width, and some millimetres after it."""
        self.set_font(_FONT, style, size)
        self.set_text_color(0)
        self.multi_cell(0, size * 0.5, self.readable(text), align="L", new_x=XPos.LMARGIN, new_y=YPos.NEXT)
        self.ln(after)

    def heading(self, text: str) -> None:
        """A clause's number and title, never alone at the foot of a page; readers show them as an outline."""
        if self.will_page_break(24):
            self.add_page()
        self.ln(3)
        self.set_font(_FONT, "B", 12.5)
        self.start_section(self.readable(text))
        self.paragraph(text, 12.5, "B")

    def rows(self, rows: Iterable[tuple[str, ...]], widths: tuple[int, ...], head: tuple[str, ...] = ()) -> None:
        """A table of rows; one that does not fit on a page goes on on the next."""
        self.set_font(_FONT, "", 9)
        self.set_text_color(0)
        bold = FontFace(emphasis="BOLD")
        layout = TableBordersLayout.HORIZONTAL_LINES if head else TableBordersLayout.NONE
        with self.table(
            col_widths=widths,
            borders_layout=layout,
            first_row_as_headings=bool(head),
            headings_style=bold,
            text_align="LEFT",
            line_height=4.6,
            padding=1,
        ) as table:
            for cells in ([head] if head else []) + [*rows]:
                row = table.row()
                for number, cell in enumerate(cells):
                    row.cell(self.readable(cell), style=bold if not head and number == 0 else None)
        self.ln(2)
