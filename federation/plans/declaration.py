"""A training plan: one Python file that declares a model and its loss. It is read here, and never executed.

A plan says what it is in a literal that can be read without running it, and defines up to three functions::

    PLAN = {
        "interface": 1,
        "title": "Logistic regression with a focal loss",
        "parameters": [
            {"name": "linear.weight", "shape": [1, "n_features"]},
            {"name": "linear.bias", "shape": [1], "start": "zeros"},
        ],
    }

    def predict(parameters, features):  # logits: [rows, 1] with two classes, or [rows, n_classes]
        return features @ parameters["linear.weight"].T + parameters["linear.bias"]

    def loss(outputs, target):  # one number a row
        ...

    def transform(features):  # the features that predict gets, [rows, n_features]
        ...

`loss` and `transform` may be left out. What runs a plan is the silo's runner, which has no network, no keys and no
data but one batch at a time; the training loop stays outside it (``silo_connector.runner``).
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from federation.errors import Invalid
from federation.learning.models.plan import PlanParameter, PlanSpecification, layout
from federation.plans.unicode_safety import is_hidden, is_plain_line
from federation.protocol.digests import digest_bytes
from federation.sentences import Sentence
from federation.targets import target_of
from federation.validation import refusal

SOURCE_BYTES_MAX = 256 << 10
INTERFACE = 1
FUNCTIONS = {"predict": ("parameters", "features"), "loss": ("outputs", "target"), "transform": ("features",)}
REQUIRED = "predict"


class Declaration(BaseModel):
    """What a plan says of itself."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    interface: Literal[1]
    title: Annotated[str, Field(min_length=1, max_length=200)]
    parameters: Annotated[tuple[PlanParameter, ...], Field(min_length=1, max_length=4096)]


@dataclass(frozen=True)
class Plan:
    """A plan as it was read: its text, the hash that names it everywhere, and what it declares."""

    source: bytes
    text: str
    declaration: Declaration
    functions: frozenset[str]

    @property
    def digest(self) -> str:
        """The hash of the file, byte for byte."""
        return digest_bytes(self.source)

    @property
    def model(self) -> dict[str, Any]:
        """The specification of the model that a job under this plan has."""
        parameters = [one.model_dump(mode="json") for one in self.declaration.parameters]
        return {"family": "plan", "parameters": parameters}


def read_plan(source: bytes) -> Plan:
    """Read a plan without running it. It is UTF-8 whatever it says of its own coding, and so is what runs later.

    Raises Invalid ``plan.too_large``, ``plan.not_text``, ``plan.not_python`` (with the line), ``plan.undeclared``,
    ``plan.invalid`` (with every field at fault), ``plan.title`` and ``plan.functions``.
    """
    if len(source) > SOURCE_BYTES_MAX:
        raise Invalid("plan.too_large", "The file is too large: a plan may have 256 KiB at most.")
    try:
        text = source.decode()
    except UnicodeDecodeError as error:
        raise Invalid(
            "plan.not_text", Sentence("The file is no UTF-8 text (byte %(place)s).", place=error.start)
        ) from error
    # Python takes a carriage return alone for the end of a line, and what shows the text does not.
    if hidden := sorted(filter(is_hidden, set(text.replace("\r\n", "\n")))):
        message = ", ".join(f"U+{ord(character):04X}" for character in hidden[:5])
        message_text = Sentence(
            "The file has characters that a reader does not see (%(characters)s). Remove them.", characters=message
        )
        raise Invalid("plan.not_text", message_text)
    tree = _parsed(text)
    plan = Plan(source, text, _declared(tree), _functions(tree))
    _check_parameters(plan)
    return plan


def _parsed(text: str) -> ast.Module:
    try:
        return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = getattr(error, "lineno", None)
        fault = str(getattr(error, "msg", None) or error)
        if line:
            message = Sentence("Line %(line)s: this is no Python (%(fault)s).", line=line, fault=fault)
        else:
            message = Sentence("This is no Python (%(fault)s).", fault=fault)
        raise Invalid("plan.not_python", message) from error


def _declared(tree: ast.Module) -> Declaration:
    rows = [node.value for node in tree.body if isinstance(node, ast.Assign | ast.AnnAssign) and _is_declaration(node)]
    if len(rows) != 1 or rows[0] is None:
        raise Invalid("plan.undeclared", "The file has to say once, at its top level, PLAN = {…} with what it is.")
    if any(_says_twice(node) for node in ast.walk(rows[0]) if isinstance(node, ast.Dict)):
        raise Invalid("plan.undeclared", "PLAN says the same thing twice: readers would take one for the other.")
    try:
        value = ast.literal_eval(rows[0])
    except (ValueError, TypeError, MemoryError, RecursionError) as error:
        raise Invalid(
            "plan.undeclared", "PLAN has to be written out: texts, numbers, lists, no expressions."
        ) from error
    try:
        declaration = Declaration.model_validate(value)
    except ValidationError as error:
        raise refusal(error, "plan.invalid", "PLAN", data=value) from error
    # An escape in the literal is seen in the file, and what it stands for is not seen where the title is shown.
    if not is_plain_line(declaration.title) or not declaration.title.strip():
        raise Invalid("plan.title", "The title has characters that a reader does not see, or none.", "PLAN.title")
    return declaration


def _says_twice(node: ast.Dict) -> bool:
    keys = [key.value for key in node.keys if isinstance(key, ast.Constant)]
    return len(set(keys)) != len(keys)


def _check_parameters(plan: Plan) -> None:
    """What can be seen before numbers of features and classes are known: names that are there twice, giants."""
    try:
        layout(PlanSpecification.model_validate(plan.model), 1, target_of("binary", 2))
    except Invalid as error:
        raise Invalid("plan.invalid", error.message, "PLAN.parameters") from error


def _is_declaration(node: ast.Assign | ast.AnnAssign) -> bool:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    return any(isinstance(target, ast.Name) and target.id == "PLAN" for target in targets)


def _functions(tree: ast.Module) -> frozenset[str]:
    found: dict[str, ast.FunctionDef] = {}
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name in FUNCTIONS:
            if node.name in found:
                message = Sentence("Line %(line)s: %(name)s is defined twice.", line=node.lineno, name=node.name)
                raise Invalid("plan.functions", message)
            found[node.name] = node
    if REQUIRED not in found:
        raise Invalid("plan.functions", "The file has to define predict(parameters, features).")
    for name, node in found.items():
        given = node.args
        names = tuple(one.arg for one in given.args)
        if names != FUNCTIONS[name] or given.posonlyargs or given.kwonlyargs or given.vararg or given.kwarg:
            written = f"{name}({', '.join(FUNCTIONS[name])})"
            message = Sentence("Line %(line)s: it has to be %(written)s.", line=node.lineno, written=written)
            raise Invalid("plan.functions", message)
    return frozenset(found)
