"""Jobs, rounds and figures as JSON."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from accounts.serializers import UserBrief
from audit.serializers import ReasonParams
from consortia.serializers import ConsortiumBrief
from federation.protocol.documents import OrderKind
from federation.targets.classification import CONFUSION
from federation.tasks import TASKS
from registry.serializers import CombinedMetrics, VersionOut
from rest.figures import TargetOut
from silos.models import Dataset
from silos.transitions import SiloState
from training.models import Job, Round
from training.reading.absence_serializers import AbsenceOut, HealthField, SiloOfOrganisation
from training.reading.absences import absences_in
from training.reading.counting import Tally
from training.reading.rows import CohortRow, EvaluationRow, MetricsRow, OrderRow, RoundRow, StepRow
from training.reading.selectors import JobStatus
from training.transitions import OrderState, RoundState, StepState
from training.waiting import BelowQuorum, CloseReason, Wait

KINDS = f"By name: {', '.join(f'`{kind}`' for kind in OrderKind)}; or one that was added to this platform."


class JobOut(serializers.ModelSerializer[Job]):
    """A job, in a list."""

    task = serializers.ChoiceField(choices=list(TASKS))
    consortium = ConsortiumBrief()
    launched_by = UserBrief()
    reason = serializers.CharField(source="reason_text", help_text="Why it came to its state, in words.")
    reason_params = ReasonParams()
    rounds_closed = serializers.IntegerField(help_text="Rounds done, the closing evaluation included.")

    class Meta:
        model = Job
        fields = (
            "id",
            "name",
            "task",
            "consortium",
            "state",
            "reason_code",
            "reason",
            "reason_params",
            "launched_by",
            "rounds_planned",
            "rounds_closed",
            "created_at",
            "started_at",
            "ended_at",
        )


class OrderOut(serializers.Serializer[OrderRow]):
    """What a silo was asked to do, and how far it has come."""

    id = serializers.UUIDField(source="order.id")
    silo = SiloOfOrganisation(source="order.silo")
    kind = serializers.CharField(source="order.kind", help_text=KINDS)
    state = serializers.ChoiceField(source="order.state", choices=OrderState.choices)
    code = serializers.CharField(source="order.code", help_text="Why it was refused, rejected, or called back.")
    message = serializers.CharField(source="order.message_text", help_text="The same in words.")
    params = ReasonParams(source="order.params")
    issued_at = serializers.DateTimeField(source="order.issued_at")
    delivered_at = serializers.DateTimeField(source="order.delivered_at", allow_null=True)
    answered_at = serializers.DateTimeField(source="order.answered_at", allow_null=True)
    ended_at = serializers.DateTimeField(source="order.ended_at", allow_null=True)
    duration_s = serializers.FloatField(allow_null=True, help_text="From handing it over to the answer.")
    phases_s = serializers.DictField(child=serializers.FloatField(), help_text="As the trainer reported.")
    bytes_down = serializers.IntegerField()
    bytes_up = serializers.IntegerField()


class TallyOut(serializers.Serializer[Tally]):
    """Orders by what became of them; each is in exactly one of these."""

    included = serializers.IntegerField(help_text="Answered in time and counted, or to be counted at the closing.")
    refused = serializers.IntegerField(help_text="By the silo, with a code.")
    rejected = serializers.IntegerField(help_text="By the platform, with a code.")
    late = serializers.IntegerField(help_text="Answered after the round had closed.")
    missing = serializers.IntegerField(help_text="Not answered before the round closed.")
    recalled = serializers.IntegerField()
    pending = serializers.IntegerField(help_text="Still to be answered.")


class StepOut(serializers.Serializer[StepRow]):
    """A step of a round: one kind of order to everybody."""

    position = serializers.IntegerField(source="step.position")
    kind = serializers.CharField(source="step.kind", help_text=KINDS)
    state = serializers.ChoiceField(source="step.state", choices=StepState.choices)
    quorum = serializers.IntegerField(source="step.quorum")
    below_quorum = serializers.ChoiceField(
        source="step.below_quorum",
        choices=BelowQuorum.choices,
        help_text="What happens below the quorum at the deadline.",
    )
    expected = serializers.IntegerField(source="step.expected", help_text="How many silos were asked.")
    answered = serializers.IntegerField(source="tally.included", help_text="How many answers count, or will.")
    outcomes = TallyOut(source="tally", help_text="What became of every order.")
    opened_at = serializers.DateTimeField(source="step.opened_at")
    deadline_at = serializers.DateTimeField(source="step.deadline_at")
    wait = serializers.ChoiceField(source="step.wait", choices=Wait.choices)
    close_reason = serializers.ChoiceField(
        source="step.close_reason", choices=CloseReason.choices, allow_blank=True, help_text="Empty while it collects."
    )
    aggregating_at = serializers.DateTimeField(source="step.aggregating_at", allow_null=True)
    closed_at = serializers.DateTimeField(source="step.closed_at", allow_null=True)
    duration_s = serializers.FloatField(allow_null=True)
    bytes_down = serializers.IntegerField()
    bytes_up = serializers.IntegerField()


class RoundBrief(serializers.Serializer[Any]):
    """A round, without its orders. What is reported of a step, outside `steps`, is of the last one that was opened."""

    number = serializers.IntegerField(source="round.number")
    attempt = serializers.IntegerField(source="round.attempt")
    state = serializers.ChoiceField(source="round.state", choices=RoundState.choices)
    reason_code = serializers.CharField(source="round.reason_code")
    kind = serializers.CharField(source="step.kind", help_text=KINDS)
    quorum = serializers.IntegerField(source="step.quorum")
    expected = serializers.IntegerField(source="step.expected", help_text="How many silos were asked.")
    answered = serializers.IntegerField(
        source="tally.included",
        help_text="How many answered in time and count, or will at the closing: the quorum is held against these.",
    )
    outcomes = TallyOut(source="tally", help_text="What became of every order.")
    steps = StepOut(many=True, help_text="In their order; those that come are not listed yet.")
    opened_at = serializers.DateTimeField(source="round.opened_at")
    deadline_at = serializers.DateTimeField(source="step.deadline_at")
    wait = serializers.ChoiceField(
        source="step.wait", choices=Wait.choices, help_text="How it waits: `all` where the quorum is the whole cohort."
    )
    close_reason = serializers.ChoiceField(
        source="step.close_reason", choices=CloseReason.choices, allow_blank=True, help_text="Empty while it collects."
    )
    aggregating_at = serializers.DateTimeField(source="step.aggregating_at", allow_null=True)
    closed_at = serializers.DateTimeField(source="round.closed_at", allow_null=True)
    duration_s = serializers.FloatField(allow_null=True)
    update_norm_l2 = serializers.FloatField(source="round.update_norm_l2", allow_null=True)
    bytes_down = serializers.IntegerField()
    bytes_up = serializers.IntegerField()


class RoundOut(RoundBrief):
    """A round, with what each silo did in it."""

    orders = OrderOut(many=True)

    def to_representation(self, instance: Any) -> Any:
        """The round as it is shown."""
        return super().to_representation(RoundRow(instance) if isinstance(instance, Round) else instance)


class EvaluationOut(serializers.Serializer[EvaluationRow]):
    """How a model did on one silo's own test rows; null where telling would point at somebody."""

    silo = SiloOfOrganisation()
    rows_evaluated = serializers.IntegerField(allow_null=True)
    figures = serializers.DictField(
        child=serializers.FloatField(), help_text="By the names of the target's metrics; what is withheld is left out."
    )
    accuracy = serializers.FloatField(source="figures.accuracy", allow_null=True)
    loss = serializers.FloatField(source="figures.loss", allow_null=True)
    auc = serializers.FloatField(source="figures.auc", allow_null=True)
    confusion = serializers.SerializerMethodField(
        help_text="Rows of class i that were taken for class j: whole, or not at all."
    )
    suppressed = serializers.BooleanField()

    @extend_schema_field(
        serializers.ListField(child=serializers.ListField(child=serializers.IntegerField()), allow_null=True)
    )
    def get_confusion(self, row: EvaluationRow) -> Any:
        """The counts by class, of a target that has classes."""
        return row.table(CONFUSION)


class MetricsOut(serializers.Serializer[Any]):
    """How the model with which a round began did over the silos."""

    round = serializers.IntegerField(source="round.number", help_text="The round in which it was evaluated.")
    version_id = serializers.UUIDField(source="round.base_version_id")
    version_round = serializers.IntegerField(
        source="round.base_version.round_number", help_text="The round that made this model; 0 as it started."
    )
    target = TargetOut()
    combined = CombinedMetrics()
    silos = EvaluationOut(many=True)

    def to_representation(self, instance: Any) -> Any:
        """The figures as they are shown."""
        return super().to_representation(MetricsRow(instance) if isinstance(instance, Round) else instance)


class DatasetBrief(serializers.ModelSerializer[Dataset]):
    """A dataset, as others refer to it."""

    class Meta:
        model = Dataset
        fields = ("id", "name", "title", "rows_coarse")


class CohortOut(serializers.Serializer[CohortRow]):
    """A silo of a job, what it brings, what it does now, and how well the model does there."""

    silo = SiloOfOrganisation(source="cohort_member.silo")
    silo_state = serializers.ChoiceField(source="cohort_member.silo.state", choices=SiloState.choices)
    silo_health = HealthField(source="cohort_member.silo")
    weight_max = serializers.IntegerField(
        source="cohort_member.weight_max",
        allow_null=True,
        help_text="The most rows that count; null before it begins.",
    )
    dataset = DatasetBrief(source="cohort_member.dataset")
    order = OrderOut(allow_null=True)
    evaluation = EvaluationOut(allow_null=True)


class JobDetailOut(serializers.Serializer[JobStatus]):
    """A job: as it was asked for, and where it stands."""

    request = serializers.DictField(source="job.request", help_text="As it was launched.")
    quorum = serializers.IntegerField(source="job.quorum")
    round_deadline_s = serializers.FloatField(source="job.round_deadline_s")
    wait = serializers.ChoiceField(source="job.wait", choices=Wait.choices, help_text="For whom its rounds wait.")
    retries_max = serializers.IntegerField(source="job.retries_max")
    manifest_digest = serializers.CharField(source="job.manifest_digest")
    organisation_share_max = serializers.FloatField(
        source="job.organisation_share_max",
        allow_null=True,
        help_text="The part of all that one organisation weighs at most; null before it begins, or with too few.",
    )
    model_id = serializers.UUIDField(source="job.model_id", allow_null=True)
    current_round = RoundBrief(allow_null=True, help_text="The open one, else the last.")
    cohort = CohortOut(many=True)
    absences = serializers.SerializerMethodField(
        help_text="Whose work is missing in the last 40 rounds, why, and what can be done about it."
    )
    target = TargetOut()
    best_version = VersionOut(allow_null=True)
    metrics = CombinedMetrics(help_text="Of the newest model that the silos have evaluated.")

    @extend_schema_field(AbsenceOut(many=True))
    def get_absences(self, status: JobStatus) -> Any:
        """A line for each silo and reason."""
        return [AbsenceOut(one).data for one in absences_in(status.job)]

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        """What lists report about a job, too."""
        of_lists = JobOut().get_fields()
        for name, field in of_lists.items():
            field.source = f"job.{field.source or name}"
        return {**of_lists, **super().get_fields()}


class SignatureOut(serializers.Serializer[Any]):
    """A signature of an envelope."""

    keyid = serializers.CharField()
    sig = serializers.CharField()


class EnvelopeOut(serializers.Serializer[Any]):
    """A DSSE envelope."""

    payload = serializers.CharField(help_text="base64 of the signed bytes")
    payloadType = serializers.CharField()  # noqa: N815 - DSSE says so
    signatures = SignatureOut(many=True)


class ServerSentEvent(serializers.Serializer[Any]):
    """An event of a stream. The last one is called `end` and has no id."""

    id = serializers.CharField(required=False, help_text="Of the audit event; go on after it with `Last-Event-ID`.")
    event = serializers.CharField(help_text="The verb of the audit event, such as `round.closed`.")
    data = serializers.CharField(  # type: ignore[assignment]  # the name is that of the standard
        help_text="JSON: id, at, verb, actor and detail of the audit event."
    )
