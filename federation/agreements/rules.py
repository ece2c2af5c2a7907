"""Every way in which an agreement, a policy or a connector says no: a stable code, its meaning, what to do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

LOCAL_POLICY = "refused.local_policy"
"""What a silo says that does not want to report which of its own rules refused."""


@dataclass(frozen=True)
class Rule:
    """What a code means, and what the person who launched the job can do about it."""

    meaning: str
    remedy: str


RULES: Mapping[str, Rule] = MappingProxyType(
    {
        "agreement.missing": Rule(
            "The job runs under no agreement.", "Have the members sign an agreement that covers it."
        ),
        "agreement.mismatch": Rule(
            "The agreement is not the one that the job names.", "Launch the job again under the agreement in force."
        ),
        "agreement.protocol": Rule(
            "The agreement is of protocol 1.0, which authorises nothing any more.",
            "On the agreement's page draft the next version under protocol 1.1; the members sign that one.",
        ),
        "agreement.other_consortium": Rule(
            "The agreement is another consortium's.", "Launch the job in the consortium of the agreement."
        ),
        "agreement.not_a_member": Rule(
            "The silo's organisation is no party to the agreement.",
            "Leave the silo out, or amend the agreement.",
        ),
        "agreement.unsigned": Rule(
            "Not every member has signed the agreement.", "Wait until the agreement is in force."
        ),
        "agreement.malformed": Rule(
            "The agreement can't be read.", "Ask the platform's operator; it may speak another version."
        ),
        "agreement.not_signed_here": Rule(
            "The silo holds no agreement that its own organisation has signed.",
            "Its signatory runs `silo-connector sign` for this silo.",
        ),
        "agreement.suspended": Rule(
            "The agreement is suspended at this silo.", "Ask the silo's steward why, and until when."
        ),
        "agreement.superseded": Rule(
            "The silo's organisation has signed a newer version of the agreement.",
            "Launch the job again under the newer version, once it is in force.",
        ),
        "agreement.not_yet_valid": Rule("The agreement is not valid yet.", "Launch the job once it is."),
        "agreement.expired": Rule("The agreement has expired.", "Have the members sign a new version."),
        "agreement.dataset": Rule(
            "The agreement does not cover this silo's data set.", "Leave it out, or amend the agreement."
        ),
        "agreement.purpose": Rule(
            "The job's purpose is not among those allowed.",
            "Compare the purpose with the code that is named; leave the data set out, or amend the agreement.",
        ),
        "agreement.task": Rule("The task is not allowed.", "Choose an allowed task."),
        "agreement.family": Rule("The model's family is not allowed.", "Choose an allowed family."),
        "agreement.parameters": Rule("The model has too many parameters.", "Make the model smaller."),
        "agreement.rounds": Rule("The job has too many rounds.", "Ask for fewer rounds."),
        "order.round_beyond": Rule(
            "The order is for a round that the job does not have.",
            "Report it: the platform asks for more than was declared.",
        ),
        "agreement.update_norm": Rule(
            "The bound on an update's norm is larger than allowed.", "Lower limits.update_norm_l2_max."
        ),
        "agreement.trainer_network": Rule(
            "The silo's trainer was started with a network, which the agreement forbids.",
            "Ask its IT to start the trainer without `--allow-network`; leave the silo out meanwhile.",
        ),
        "agreement.code": Rule(
            "The custom code is not among those allowed.", "Have its hash added to the agreement, or use a family."
        ),
        "agreement.code_review": Rule(
            "Not enough people of the silo's organisation have approved the custom code.",
            "Ask its stewards to read the training plan, and to approve it with `silo-connector approve`.",
        ),
        "agreement.protection": Rule("The protection mode is not allowed.", "Choose an allowed mode."),
        "agreement.privacy_required": Rule(
            "Differential privacy is required.", "Launch the job with differential privacy."
        ),
        "agreement.epsilon": Rule("The job's epsilon is above the ceiling.", "Lower epsilon."),
        "agreement.delta": Rule("The job's delta is above the ceiling.", "Lower delta."),
        "agreement.dataset_epsilon": Rule(
            "The data set's epsilon would be exceeded.", "Lower epsilon, or leave the data set out."
        ),
        "agreement.dataset_delta": Rule(
            "The data set's delta would be exceeded.", "Lower delta, or leave the data set out."
        ),
        "agreement.cohort": Rule(
            "The cohort has a silo whose organisation is no member.", "Leave the silo out, or amend the agreement."
        ),
        "cohort.twice": Rule(
            "The cohort names a silo, a key or an organisation twice.",
            "Report it: the platform lets somebody count twice.",
        ),
        "agreement.minimum_participants": Rule(
            "Fewer organisations would take part than the agreement requires.",
            "Add silos of other organisations, or raise the quorum.",
        ),
        "agreement.minimum_rows": Rule("The data set has too few rows.", "Leave it out."),
        "agreement.organisation_share": Rule(
            "An organisation could weigh more in the job than the agreement allows.",
            "Launch the job again. If that is no help, report it: the platform gives a silo too much weight.",
        ),
        "agreement.minimum_cell": Rule(
            "The job's minimum cell is smaller than the agreement's.", "Raise limits.minimum_cell."
        ),
        "policy.epsilon": Rule("The silo's own epsilon limit is exceeded.", "Lower epsilon, or leave the silo out."),
        "policy.family": Rule("The silo does not train this family.", "Choose another family."),
        "policy.parameters": Rule("The model is larger than the silo allows.", "Make the model smaller."),
        "policy.code": Rule("The silo runs no custom code.", "Use a family, or leave the silo out."),
        "policy.minimum_participants": Rule(
            "The silo requires more participants.", "Add silos of other organisations, or raise the quorum."
        ),
        "policy.organisation_share": Rule(
            "One organisation may weigh more in the job than the silo's policy allows.",
            "Add silos of other organisations, or lower the share in the agreement.",
        ),
        "policy.minimum_rows": Rule("The silo's data set has too few rows for its policy.", "Leave it out."),
        "policy.quiet_hours": Rule("The silo does nothing at this hour.", "Launch the job at another hour."),
        "policy.rounds_per_day": Rule("The silo has done its rounds for today.", "Go on tomorrow."),
        "silo.protocol": Rule(
            "The silo's connector does not speak the platform's protocol.",
            "Ask its IT to upgrade the connector; leave the silo out meanwhile.",
        ),
        "silo.lacks_kind": Rule(
            "The silo's connector does not carry out orders of this kind.",
            "Ask its IT to upgrade the connector; leave the silo out meanwhile.",
        ),
        "silo.lacks_protection": Rule(
            "The silo's connector can't protect updates in this way.",
            "Ask its IT to upgrade the connector, choose another protection, or leave the silo out.",
        ),
        "silo.lacks_payload": Rule(
            "The silo's connector can't send this kind of payload.",
            "Ask its IT to upgrade the connector; leave the silo out meanwhile.",
        ),
        "silo.lacks_family": Rule(
            "The silo's connector does not have this model family.",
            "Ask its IT to upgrade the connector, choose another family, or leave the silo out.",
        ),
        "silo.lacks_target": Rule(
            "The silo's connector does not know this target.",
            "Ask its IT to upgrade the connector; leave the silo out meanwhile.",
        ),
        "silo.lacks_runner": Rule(
            "Nothing at the silo runs training plans.",
            "Ask its IT to set up the connector's runner, use a family, or leave the silo out.",
        ),
        LOCAL_POLICY: Rule("The silo's own policy refuses.", "Ask the silo's steward; leave the silo out meanwhile."),
    }
)


@dataclass(frozen=True)
class Allowed:
    """What a term would have allowed: a number at most or at least, or one of several values."""

    kind: Literal["at_most", "at_least", "one_of"]
    values: tuple[str | float, ...]


@dataclass(frozen=True)
class Violation:
    """A no: the rule's code, the clause that refused, and what exactly was at fault where that is no secret."""

    code: str
    clause: str
    what: str = ""
    disclosed_as: str = ""
    """The code that leaves the silo; `code` itself if empty."""
    allowed: Allowed | None = None
    """What the agreement's term allows, for the person who launches. It stays on this side: a silo's answer has the
    code.
    """

    @property
    def outward_code(self) -> str:
        """The code that leaves the silo."""
        return self.disclosed_as or self.code

    @property
    def meaning(self) -> str:
        """What the code means, with what was at fault."""
        text = RULES[self.code].meaning
        return f"{text[:-1]}: {self.what}." if self.what else text

    @property
    def remedy(self) -> str:
        """What the person who launched the job can do."""
        return RULES[self.code].remedy
