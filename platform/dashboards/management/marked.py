"""What templates and Python mark to be translated, read with nothing but Django and Python's own parser."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from django.template import Engine
from django.template.base import Node, NodeList, Template
from django.templatetags.i18n import BlockTranslateNode, TranslateNode

from dashboards.management.catalogue import Message
from federation.agreements import contradictions
from federation.agreements.rules import RULES
from federation.learning.specification import LocalTraining
from federation.plans import declaration
from federation.protocol import envelope
from federation.protocol.documents import Limits
from federation.targets import all_metrics
from federation.validation import EMPTY, PLAIN
from training.launch.choices import model_families, strategies
from training.launch.schema_fields import label_of

MARKS = {"_", "gettext", "gettext_lazy", "gettext_noop", "Sentence"}
PLURALS = {"ngettext", "ngettext_lazy"}
_QUOTED = re.compile(r"""\b_\((["'])(.*?)\1\)""")
_TAG = re.compile(r"{[{%].*?[%}]}", re.DOTALL)
# What only machines are told, and settings that are wrong before there is anybody to tell.
_FOR_MACHINES = (
    *("/api/", "/api.py", "/api_", "/artefacts/", "/live/", "/management/", "/migrations/", "/sql/", "/statements/"),
    *("/authentication.py", "/kinds/audit_checkpoint.py", "/connector.py", "/event_stream.py", "/long_poll.py"),
    *("/answers.py", "/requests.py", "/idempotency.py", "/pagination.py", "/parsers.py", "/preconditions.py"),
    "/serializers.py",
)


def marked(root: Path) -> Iterator[Message]:
    """All messages of the pages, in the order of files."""
    for path in sorted((root / "templates").rglob("*.*")):
        if path.suffix in {".html", ".txt"}:
            yield from of_template(path.read_text(), Engine.get_default())
    for path in sorted((root / "platform").rglob("*.py")):
        for_machines = any(part in path.as_posix() for part in _FOR_MACHINES)
        yield from of_python(path.read_text(), for_machines=for_machines)
    yield from of_library()


def of_template(text: str, engine: Engine) -> Iterator[Message]:
    """What a template marks by its tags, and by `_("…")` within tags."""
    for tag in _TAG.findall(text):
        yield from (Message(words) for _, words in _QUOTED.findall(tag))
    for node in _nodes(Template(text, engine=engine).nodelist):
        if isinstance(node, TranslateNode):
            yield from _of_translate(node)
        elif isinstance(node, BlockTranslateNode):
            singular, _ = node.render_token_list(node.singular)
            plural = node.render_token_list(node.plural)[0] if node.plural else ""
            yield Message(singular, plural)


def _nodes(nodes: NodeList) -> Iterator[Node]:
    for kind in (TranslateNode, BlockTranslateNode):
        yield from nodes.get_nodes_by_type(kind)


def _of_translate(node: TranslateNode) -> Iterator[Message]:
    variable = node.filter_expression.var
    literal = getattr(variable, "literal", None)
    if isinstance(literal, str) and getattr(variable, "lookups", None) is None:
        yield Message(literal)


def of_python(source: str, *, for_machines: bool = False) -> Iterator[Message]:
    """What Python marks, and the fixed words of problems: those are looked up where a page shows them."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
        words = [part.value if isinstance(part, ast.Constant) else None for part in node.args]
        if name in MARKS and words and isinstance(words[0], str):
            yield Message(words[0])
        elif name in PLURALS and isinstance(words[0], str) and isinstance(words[1], str):
            yield Message(words[0], words[1])
        elif not for_machines and isinstance(problem := _of_problem(name, node, words), str):
            yield Message(problem)


def _of_problem(name: str, node: ast.Call, words: Sequence[object]) -> str | None:
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
                said = part.value if isinstance(part, ast.Constant) else None
                if isinstance(said, str) and re.fullmatch(r"[A-Z].* .*\.", said):
                    yield said


def of_library() -> Iterator[Message]:
    """What the library says: of families, strategies and their settings, of refusals, of terms that contradict."""
    for rule in RULES.values():
        yield from (Message(rule.meaning), Message(rule.advice))
    yield from map(Message, _sentences(inspect.getsource(contradictions)))
    for module in (contradictions, declaration, envelope):
        yield from of_python(inspect.getsource(module))
    yield from map(Message, dict.fromkeys((EMPTY, *PLAIN.values())))
    for metric in all_metrics().values():
        yield from map(Message, filter(None, (metric.title, metric.axis, metric.description)))
    choices = (*model_families(), *strategies())
    for choice in choices:
        yield from (Message(choice.title), Message(choice.when_to_use))
    schemas = [choice.settings for choice in choices]
    for schema in (*schemas, LocalTraining.model_json_schema(), Limits.model_json_schema()):
        for name, member in schema.get("properties", {}).items():
            if "const" not in member:
                yield Message(label_of(name))
                yield Message(member.get("description", ""))
