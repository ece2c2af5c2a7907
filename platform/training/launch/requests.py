"""What somebody asks for who launches a job: read, bounded, and explained by field where it is wrong."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Annotated, Any, Literal
from uuid import UUID

from django.utils.translation import gettext as _
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_core import InitErrorDetails

from federation.aggregation.aggregate import check_fit
from federation.aggregation.combine import COMBINERS
from federation.errors import Invalid
from federation.learning.models import parse_model
from federation.learning.specification import check_client_hooks, parse_local
from federation.protection import MODES, Mode
from federation.protection.clear import MODE as CLEAR
from federation.protocol.documents import AnyProtection, Limits, Purpose, StatisticsRequest
from federation.protocol.documents.base import Digest
from federation.protocol.documents.terms import TaskName
from federation.sentences import Sentence
from federation.strategies import Strategy, UpdatesNeeded, parse_strategy
from federation.tasks import TASKS, task_of
from federation.validation import EMPTY, refusal
from plans.selectors import FAMILY
from rest.names import one_line
from training.protocols import carried_out

_DEFAULT = next(iter(TASKS))
"""What is asked for where nothing is said."""
_MODEL_VERSION = "An evaluation names a stored model_version, a training job does not."
_ONE_OF_TWO = "A training job names either a model or a training plan."
_NOT_OF_STATISTICS = "A job of statistics names columns, and no model."
_STATISTICS = "A job of statistics names columns, no other job does."
_NOT_OF_EVALUATION = "An evaluation names a stored model_version alone."


class _CarriedOut:
    """Describes the parts of the modes that the engine carries out: those alone are taken."""

    def __get_pydantic_json_schema__(self, schema: Any, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        del schema, handler
        parts = [mode.document.model_json_schema() | {"required": ["mode"]} for mode in carried_out()]
        return parts[0] if len(parts) == 1 else {"oneOf": parts}


class JobRequest(BaseModel):
    """A job as asked for. `protection` has to be said: nobody trains in clear by default."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    name: Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f]+$")]
    purpose: Annotated[str, Field(max_length=4000, pattern=r"^[^\x00]*$")] = ""
    use: Purpose | None = None
    """The purpose as the agreement's conditions are compared with it; `purpose` is for people."""
    task: TaskName = _DEFAULT
    datasets: Annotated[list[UUID], Field(min_length=1, max_length=1000)]
    protection: Annotated[AnyProtection, _CarriedOut()]
    plan: Annotated[Digest | None, Field(description="The hash of a training plan, instead of a model.")] = None
    model: Annotated[dict[str, Any] | None, Field(validate_default=True)] = None
    strategy: dict[str, Any] = Field(default_factory=lambda: {"name": "fedavg"})
    local: dict[str, Any] = Field(default_factory=lambda: {"epochs": 1})
    rounds: Annotated[int, Field(ge=1, le=10_000)] = 10
    quorum: Annotated[int, Field(ge=1, le=1000)] | None = None
    round_deadline_s: Annotated[float, Field(ge=1, le=30 * 86400)] = 600
    wait: Annotated[
        Literal["adaptive", "quorum", "all"],
        Field(description="For whom a round waits: all silos, the quorum alone, or the quorum and then a while."),
    ] = "adaptive"
    retries_max: Annotated[int, Field(ge=0, le=100)] = 3
    limits: Limits = Field(default_factory=Limits)
    seed: Annotated[int, Field(ge=0, le=2**32 - 1)] = 0
    model_version: Annotated[UUID | None, Field(validate_default=True)] = None
    statistics: Annotated[
        StatisticsRequest | None,
        Field(
            validate_default=True,
            description="The columns of which a job of statistics asks. How they are cut their silos have declared.",
        ),
    ] = None

    # Each field is checked as it is read, against those above it that were right: all faults are found at once.

    @field_validator("name")
    @classmethod
    def _check_name(cls, name: str) -> str:
        return _line(name)

    @field_validator("use")
    @classmethod
    def _check_use(cls, use: Purpose | None) -> Purpose | None:
        """What it names is shown beside names: an organisation, a project, a reference."""
        if use is None:
            return None
        single = {name: _line(text) for name in ("project", "ethics_approval") if (text := getattr(use, name))}
        return use.model_copy(update={**single, "institutions": tuple(map(_line, use.institutions))})

    @field_validator("protection", mode="before")
    @classmethod
    def _check_protection(cls, given: Any) -> Any:
        """Whether the engine carries the mode out, before anything else that is said of it."""
        mode = given.get("mode") if isinstance(given, Mapping) else None
        names = [mode.name for mode in carried_out()]
        if isinstance(mode, str) and mode not in names:
            expected = " or ".join(f"'{name}'" for name in names)
            fault = InitErrorDetails(type="literal_error", loc=("mode",), input=mode, ctx={"expected": expected})
            raise ValidationError.from_exception_data("protection", [fault])
        return given

    @field_validator("datasets")
    @classmethod
    def _check_datasets(cls, datasets: list[UUID]) -> list[UUID]:
        if len(set(datasets)) != len(datasets):
            raise ValueError("A dataset is named twice.")
        return datasets

    # `task` and `plan` are absent where they are wrong themselves.

    @field_validator("plan")
    @classmethod
    def _check_plan(cls, given: str | None, info: ValidationInfo) -> str | None:
        _check_no_model(given, info.data.get("task"))
        return given

    @field_validator("model")
    @classmethod
    def _check_model(cls, given: Any, info: ValidationInfo) -> Any:
        task = info.data.get("task")
        if _trains(task) and "plan" in info.data and (given is None) == (info.data["plan"] is None):
            raise ValueError(_ONE_OF_TWO)
        _check_no_model(given, task)
        return given

    @field_validator("model_version")
    @classmethod
    def _check_version(cls, given: Any, info: ValidationInfo) -> Any:
        task = info.data.get("task")
        if task is not None and (task_of(task).asks_with == "model_version") != (given is not None):
            raise ValueError(_MODEL_VERSION)
        return given

    @field_validator("statistics")
    @classmethod
    def _check_statistics(cls, given: Any, info: ValidationInfo) -> Any:
        task = info.data.get("task")
        if task is not None and (task_of(task).asks_with == "statistics") != (given is not None):
            raise ValueError(_STATISTICS)
        return given

    @field_validator("quorum")
    @classmethod
    def _check_quorum(cls, quorum: int | None, info: ValidationInfo) -> int | None:
        if quorum is not None and quorum > len(info.data.get("datasets", ())) > 0:
            raise ValueError("The quorum is larger than the number of silos.")
        return quorum

    @property
    def effective_quorum(self) -> int:
        """The quorum; three quarters of the silos, rounded up, when none was asked for."""
        return self.quorum if self.quorum is not None else -(-3 * len(self.datasets) // 4)


def _check_no_model(given: object, task: str | None) -> None:
    if given is not None and task is not None and not _trains(task):
        raise ValueError(_NOT_OF_EVALUATION if task_of(task).is_about_model else _NOT_OF_STATISTICS)


def _trains(task: object) -> bool:
    """False also for what is no task."""
    return isinstance(task, str) and task in TASKS and TASKS[task].trains


def _line(text: str) -> str:
    """A name as it is kept. Raises ValueError, as pydantic wants it."""
    try:
        name = one_line(text)
    except Invalid as error:
        raise ValueError(error.message) from error
    if not name:
        raise ValueError(EMPTY)
    return name


def local_of(asked: Mapping[str, Any]) -> dict[str, Any]:
    """What silos do in a round: as asked for, and what the strategy fixes (FedProx's proximal term)."""
    local: dict[str, Any] = dict(asked["local"])
    return {**local, **parse_strategy(asked["strategy"]).local_settings} if task_of(asked["task"]).trains else local


_SAY_PROTECTION = f'Say how updates are protected, as in {{"mode": "{CLEAR.name}"}}: nobody trains in clear by default.'
_BETTER = {
    ("name", "string_pattern_mismatch"): "A name is one line, without control characters.",
    ("purpose", "string_pattern_mismatch"): "No text holds a NUL character.",
    **{("protection", kind): _SAY_PROTECTION for kind in ("missing", "model_type")},
}


def read_request(data: Mapping[str, Any]) -> JobRequest:
    """Read a launch request whole; what passes here names real things only.

    Raises one Invalid with all that is wrong, by field. Its code is that of the faults where they are of one kind
    (`job.protection`, `model.invalid`, …), else `job.invalid`.
    """
    faults: list[Invalid] = []
    try:
        request = JobRequest.model_validate(dict(data))
    except ValidationError as error:
        only_protection = all(fault["loc"][:1] == ("protection",) for fault in error.errors())
        faults.append(refusal(error, "job.protection" if only_protection else "job.invalid", better=_BETTER, data=data))
    if _trains(data.get("task", _DEFAULT)):
        faults += _faults_of_specifications(data)
    if faults:
        raise _together(faults)
    return request


def _faults_of_specifications(data: Mapping[str, Any]) -> Iterator[Invalid]:
    """What is wrong within model, strategy and local training, as far as they can be read."""
    protection = data.get("protection")
    mode = protection.get("mode") if isinstance(protection, Mapping) else None
    parse_strategy_here = partial(_parse_workable_strategy, mode=mode if isinstance(mode, str) else "")
    for name, parse in (("model", _parse_bare_model), ("strategy", parse_strategy_here), ("local", parse_local)):
        given = data.get(name)
        if isinstance(given, Mapping):
            try:
                parse(given)
            except Invalid as fault:
                yield fault


def _parse_workable_strategy(given: Mapping[str, Any], mode: str) -> None:
    """Raise what ``parse_strategy`` raises, and Invalid ``strategy.*`` for one that nothing here could carry out.

    Under a mode of which the platform reads no update the strategy has to do with their sum.
    """
    strategy = parse_strategy(given)
    check_fit(strategy, COMBINERS[strategy.combiner])
    if mode in MODES:
        _check_mode(strategy, MODES[mode])
    check_client_hooks(strategy.client_hooks)


def _check_mode(strategy: Strategy, mode: Mode) -> None:
    if strategy.updates_needed is UpdatesNeeded.SINGLE and not mode.platform_reads_updates:
        message = Sentence(
            "%(strategy)s looks at each silo's own update; the protection mode %(mode)s gives only their sum. "
            "Choose another strategy, or a mode in which the platform reads updates.",
            strategy=strategy.title,
            mode=mode.name,
        )
        raise Invalid("strategy.needs_single_updates", message, "strategy.name")


def _parse_bare_model(given: Mapping[str, Any]) -> None:
    """Raise what ``parse_model`` raises, and Invalid ``model.needs_plan`` for a plan's model without the plan."""
    if given.get("family") == FAMILY:
        raise Invalid(
            "model.needs_plan",
            'Name the training plan instead of its model, as in "plan": "sha256:…".',
            "model.family",
        )
    parse_model(given)


def _together(faults: Sequence[Invalid]) -> Invalid:
    """Several refusals as one."""
    fields = {path: one_report for fault in faults for path, one_report in fault.fields.items()}
    if len(faults) == len(fields) == 1:
        return faults[0]
    codes = {fault.code for fault in faults}
    message = _("Some of what was asked for is wrong: %(fields)s.") % {"fields": ", ".join(sorted(fields))}
    return Invalid(codes.pop() if len(codes) == 1 else "job.invalid", message, fields=fields)
