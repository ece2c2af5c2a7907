"""What is to be translated: Babel finds it in Python; templates, problems and the library are read here."""

from __future__ import annotations

import ast
import inspect
import io
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from babel.messages.extract import extract
from django.template import Engine
from django.template.base import Node, NodeList, Template
from django.templatetags.i18n import BlockTranslateNode, TranslateNode

from federation.aggregation.metric_pooling import COMBINATION, HELD
from federation.agreements import contradictions
from federation.agreements.added_terms import ADDED_BY_1_1
from federation.agreements.rules import RULES
from federation.learning.specification import LocalTraining
from federation.plans import declaration
from federation.protection import MODES
from federation.protocol import envelope
from federation.protocol.documents import Limits
from federation.targets import TARGETS, all_metrics, figures_called
from federation.tasks import TASKS
from federation.validation import EMPTY, PLAIN
from tooling.po_files import Key
from training.launch.choices import model_families, strategies
from training.launch.schema_fields import label_of

KEYWORDS: Mapping[str, tuple[int, ...] | None] = {
    **dict.fromkeys(("_", "gettext", "gettext_lazy", "gettext_noop", "Sentence")),
    **dict.fromkeys(("ngettext", "ngettext_lazy"), (1, 2)),
}
"""Which arguments of which functions are texts, as Babel wants to know it."""
_QUOTED = re.compile(r"""\b_\((["'])(.*?)\1\)""")
_TAG = re.compile(r"{[{%].*?[%}]}", re.DOTALL)
# What only machines are shown, and settings that are wrong before there is anybody to inform.
_FOR_MACHINES = (
    *("/api/", "/api.py", "/api_", "/artefacts/", "/management/", "/migrations/", "/realtime/", "/sql/"),
    "/statements/",
    *("/authentication.py", "/kinds/audit_checkpoint.py", "/connector.py", "/event_stream.py", "/long_poll.py"),
    *("/answers.py", "/requests.py", "/idempotency.py", "/pagination.py", "/parsers.py", "/preconditions.py"),
    "/serializers.py",
)
Found = Iterator[tuple[int, str, str | tuple[str, ...], list[str]]]
"""As an extraction method of Babel reports it: line, function, texts, comments for translators."""


def collected(root: Path) -> list[Key]:
    """All messages of the pages, each once: by files and their lines, and then those of the library."""
    return [key for key in dict.fromkeys(_all(root)) if key]


def _all(root: Path) -> Iterator[Key]:
    for path in sorted((root / "templates").rglob("*.*")):
        if path.suffix in {".html", ".txt"}:
            yield from of_template(path.read_text())
    for path in sorted((root / "platform").rglob("*.py")):
        for_machines = any(part in path.as_posix() for part in _FOR_MACHINES)
        yield from of_python(path.read_text(), for_machines=for_machines)
    yield from of_library()


def of_template(text: str) -> list[Key]:
    """What a template marks by its tags, and by `_("…")` within tags."""
    return _extracted(django_template, text)


def of_python(source: str, *, for_machines: bool = False) -> list[Key]:
    """What Python marks, and the fixed words of problems: those are looked up where a page shows them."""
    return _extracted("python", source) if for_machines else _extracted(_python_with_problems, source)


def _extracted(method: Any, text: str) -> list[Key]:
    found = sorted(extract(method, io.BytesIO(text.encode()), KEYWORDS), key=lambda one: one[0])
    return [text if isinstance(text, str) else (text[0], text[1]) for _line, text, _comments, _context in found]


def django_template(file: BinaryIO, _keywords: Collection[str], _tags: Collection[str], options: Any) -> Found:
    """Babel's method for templates of Django, which reads them with Django's own parser."""
    del options
    text = file.read().decode()
    for tag in _TAG.finditer(text):
        line = 1 + text.count("\n", 0, tag.start())
        yield from ((line, "gettext", words, []) for _, words in _QUOTED.findall(tag[0]))
    for node in _nodes(Template(text, engine=Engine.get_default()).nodelist):
        line = (node.token.lineno if node.token else None) or 0
        if isinstance(node, TranslateNode):
            yield from ((line, "gettext", words, []) for words in _of_translate(node))
        elif isinstance(node, BlockTranslateNode):
            singular, _ = node.render_token_list(node.singular)
            if node.plural:
                yield line, "ngettext", (singular, node.render_token_list(node.plural)[0]), []
            else:
                yield line, "gettext", singular, []


def _nodes(nodes: NodeList) -> Iterator[Node]:
    for kind in (TranslateNode, BlockTranslateNode):
        yield from nodes.get_nodes_by_type(kind)


def _of_translate(node: TranslateNode) -> Iterator[str]:
    variable = node.filter_expression.var
    literal = getattr(variable, "literal", None)
    if isinstance(literal, str) and getattr(variable, "lookups", None) is None:
        yield literal


def _python_with_problems(file: BinaryIO, keywords: Collection[str], tags: Collection[str], options: Any) -> Found:
    source = file.read()
    for line, text, comments, _context in extract("python", io.BytesIO(source), KEYWORDS, tags, options):
        yield line, "gettext" if isinstance(text, str) else "ngettext", text, comments
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and (statement := _of_problem(node)) is not None:
            yield node.lineno, "gettext", statement, []


def _of_problem(node: ast.Call) -> str | None:
    name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
    words = [part.value if isinstance(part, ast.Constant) else None for part in node.args]
    if name in {"of", "the_one"} and words and isinstance(words[-1], str):
        return f"There is no such {words[-1]}."
    if len(words) > 1 and isinstance(words[0], str) and isinstance(words[1], str) and name[:1].isupper():
        return words[1] if re.fullmatch(r"[a-z_]+(\.[a-z_]+)*", words[0]) and words[1].endswith((".", "?")) else None
    for keyword in node.keywords:
        if keyword.arg == "violation_error_message" and isinstance(keyword.value, ast.Constant):
            return str(keyword.value.value)
    return None


def _sentences(source: str) -> Iterator[str]:
    """The fixed sentences that a module yields or has in its tables."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Yield | ast.Dict):
            for part in ast.walk(node):
                statement = part.value if isinstance(part, ast.Constant) else None
                if isinstance(statement, str) and re.fullmatch(r"[A-Z].* .*\.", statement):
                    yield statement


def of_library() -> Iterator[Key]:
    """What the library says: of families, strategies and their settings, of refusals, of terms that contradict."""
    for added in ADDED_BY_1_1:
        yield from (text for text in (added.default, added.meaning) if text)
    for task in TASKS.values():
        yield from (task.title, task.agreed_as)
    for rule in RULES.values():
        yield from (rule.meaning, rule.remedy)
    yield from _sentences(inspect.getsource(contradictions))
    for module in (contradictions, declaration, envelope):
        yield from of_python(inspect.getsource(module))
    yield from (EMPTY, *PLAIN.values())
    for metric in all_metrics().values():
        yield from filter(None, (metric.title, metric.axis, metric.description))
    yield from figures_called().values()
    yield from (COMBINATION, HELD)
    yield from (target.title for target in TARGETS.values())
    for mode in MODES.values():
        yield from (mode.title, mode.explained_as, mode.described_as)
    choices = (*model_families(), *strategies())
    for choice in choices:
        yield from (choice.title, choice.when_to_use)
    schemas: Sequence[Mapping[str, Any]] = [choice.settings for choice in choices]
    for schema in (*schemas, LocalTraining.model_json_schema(), Limits.model_json_schema()):
        for name, member in schema.get("properties", {}).items():
            if "const" not in member:
                yield label_of(name)
                yield member.get("description", "")
