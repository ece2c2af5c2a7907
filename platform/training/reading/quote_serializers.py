"""What a job would take, as JSON."""

from __future__ import annotations

from rest_framework import serializers

from training.launch.eligibility import Reason, Verdict
from training.launch.quotes import Quote
from training.reading.absence_serializers import HealthField, SiloOfOrganisation
from training.reading.serializers import DatasetBrief
from training.waiting import Wait

CLAUSE = "The clause of the agreement that says no; `policy` or `connector` where that is none."


class ReasonOut(serializers.Serializer[Reason]):
    """One reason for which a silo can't join."""

    code = serializers.CharField()
    clause = serializers.CharField(help_text=CLAUSE)
    meaning = serializers.CharField()
    allowed = serializers.CharField(help_text="What the agreement would have allowed; empty where the meaning says it.")
    remedy = serializers.CharField(help_text="What can be done about it.")


class QuotedSilo(serializers.Serializer[Verdict]):
    """A silo that was asked for: whether it can join, and if not which clause of the agreement says no."""

    silo = SiloOfOrganisation()
    dataset = DatasetBrief()
    health = HealthField(source="silo")
    allowed = serializers.BooleanField(help_text="As far as the platform knows; the silo decides by itself.")
    code = serializers.CharField(help_text="Why not; empty if it can join.")
    clause = serializers.CharField(help_text=CLAUSE)
    meaning = serializers.CharField()
    remedy = serializers.CharField(help_text="What can be done about it.")
    weight_max = serializers.IntegerField(
        allow_null=True, help_text="The most rows with which it would count; null without an agreement."
    )
    reasons = ReasonOut(many=True, help_text="All of them, the gravest first: the fields above are the first one's.")


class QuoteOut(serializers.Serializer[Quote]):
    """What a job would take."""

    silos = QuotedSilo(source="verdicts", many=True)
    rows_coarse = serializers.IntegerField()
    organisation_share_max = serializers.FloatField(
        allow_null=True, help_text="The part of all that one organisation would weigh at most; null with too few."
    )
    quorum = serializers.IntegerField()
    wait = serializers.ChoiceField(choices=Wait.choices)
    silos_silent = serializers.IntegerField(help_text="How many of them were not heard of for a while.")
    silo_down_s = serializers.FloatField(
        help_text="An estimate: how much longer a round takes in which a silo, heard of lately, does not answer."
    )
    silo_down_first_s = serializers.FloatField(help_text="The same for the first round.")
    rounds = serializers.IntegerField()
    parameters = serializers.IntegerField()
    model_size_bytes = serializers.IntegerField()
    bytes_down_per_round = serializers.IntegerField()
    bytes_up_per_round = serializers.IntegerField(help_text="At most: each answer as large as its kind may be.")
    bytes_total = serializers.IntegerField(help_text="In all rounds and the one after them, at most.")
