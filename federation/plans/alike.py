"""Names as they are compared where one must not pass for another: by what a reader sees of them."""

from __future__ import annotations

import re
import unicodedata

from federation.plans.unicode_safety import is_hidden

_CYRILLIC = (
    "\u0430\u0432\u0435\u043a\u043c\u043d\u043e\u0440\u0441\u0442"
    "\u0443\u0445\u0455\u0456\u0458\u04bb\u0501\u051b\u051d\u04cf"
)
_GREEK = "\u03b1\u03b2\u03b5\u03b6\u03b7\u03b9\u03ba\u03bc\u03bd\u03bf\u03c1\u03c4\u03c5\u03c7"
_MORE = "\u0585\u057d\u0570\u0578\u0131\u0251\u026105"
_ALIKE = str.maketrans(_CYRILLIC + _GREEK + _MORE, "abekmhopctyxsijhdqwl" + "abezhikmnoptyx" + "ouhniagos")
"""Small letters of other scripts that are drawn like a Latin one, small or capital, and digits: as that letter."""
_FOREIGN = frozenset({"CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE", "COPTIC", "LISU", "GEORGIAN", "DESERET", "OSAGE"})
"""Scripts beside Latin, of which many letters are drawn like one of another: more than a table could name."""
_LATIN = re.compile(r"LATIN (?:SMALL LETTER|CAPITAL LETTER|LETTER SMALL CAPITAL) ([A-Z])(?: WITH .+)?")
_ONE_STROKE = str.maketrans("i1|", "lll")


def folded(name: str) -> str:
    """A name whose case, spaces and ways to write an accent make no difference."""
    return " ".join(unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold()).split())


def confusable_skeleton(name: str) -> str:
    """A name without all by which it could pass for another: accents, marks, signs, letters that look alike.

    It joins more names than `folded` does, and more than people would. A name of signs alone is `folded`.
    """
    bare = unicodedata.normalize("NFKD", folded(name))
    seen = "".join(one for one in bare if not is_hidden(one) and not unicodedata.category(one).startswith("M"))
    seen = "".join(map(_plain, seen))
    alike = seen.translate(_ALIKE).translate(_ONE_STROKE)
    return " ".join("".join(one if one.isalnum() else " " for one in alike).split()) or folded(name)


def mixes_scripts(name: str) -> bool:
    """Whether a word of a name has letters of two scripts that look alike, as Latin and Cyrillic do.

    Nobody is called so; who writes a name so wants it to be taken for another (UTS 39, 5.1).
    """
    return any(len({*map(_script, word)} & {"LATIN", *_FOREIGN}) > 1 for word in re.split(r"[\W_]+", folded(name)))


def _script(email: str) -> str:
    return unicodedata.name(email, "").partition(" ")[0] if email.isalpha() else ""


def _plain(email: str) -> str:
    """A Latin letter without stroke, hook or tail, which Unicode does not take apart, as the small letter it is."""
    found = _LATIN.fullmatch(unicodedata.name(email, "")) if email.isalpha() and not email.isascii() else None
    return found[1].lower() if found else email
