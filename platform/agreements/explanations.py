"""What each clause and each term means, in words for people who sign, not for those who program."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from django.utils.translation import gettext
from django.utils.translation import gettext_noop as _

from federation.protection import MODES
from federation.tasks import TASKS


@dataclass(frozen=True)
class TermExplanation:
    """A term as it is labelled where it is filled in, and what agreeing to it means."""

    label: str
    help: str


CLAUSES: Mapping[str, TermExplanation] = MappingProxyType(
    {
        "members": TermExplanation(
            _("Members"),
            _(
                "Who is bound. Each organisation signs with its signatory key, of which the private half is on its "
                "own premises only. The agreement comes into force when the last of them has signed."
            ),
        ),
        "purposes": TermExplanation(
            _("Purposes"),
            _(
                "What the data may be used for. Who launches a job declares its purpose; a job whose "
                "purpose is outside this clause is refused by every silo. The codes are those of the "
                "GA4GH Data Use Ontology."
            ),
        ),
        "datasets": TermExplanation(
            _("Data sets"),
            _(
                "Which data each member brings. What is not listed is not touched. A member can make its own data "
                "stricter than the common purposes, never looser."
            ),
        ),
        "training_limits": TermExplanation(
            _("What jobs may do"), _("What a job may be: which kinds of task and model, how large, and for how long.")
        ),
        "code": TermExplanation(
            _("Custom code"),
            _(
                "Training code that members wrote themselves. It runs only if its exact hash stands here and the "
                "silo's own people have reviewed it. Without a hash, none runs."
            ),
        ),
        "protection": TermExplanation(
            _("Protection of updates"),
            _(
                "How a silo's contribution is protected on its way to the platform. Masked and encrypted "
                "contributions can be read only as a sum over several silos; those in clear can be read "
                "one by one by the platform's operator. Masks and encryption are not built yet: until "
                "they are, a job runs in clear only, where this clause allows it and gives a reason."
            ),
        ),
        "privacy": TermExplanation(
            _("Differential privacy"),
            _(
                "Differential privacy bounds by how much any one person's record can change a model. Epsilon and "
                "delta are the measure: the smaller, the less a model can tell about anybody."
            ),
        ),
        "cohort": TermExplanation(
            _("How many take part"),
            _("How many organisations, and how much data, must take part so that nobody stands out."),
        ),
        "disclosure": TermExplanation(
            _("What may leave, and to whom"),
            _("Which figures and models may leave the silos and the consortium, and who may have them."),
        ),
        "validity": TermExplanation(
            _("Validity"), _("From when to when the agreement allows jobs. After the end nothing is done under it.")
        ),
        "retention": TermExplanation(_("Retention"), _("How long contributions and models are kept.")),
        "amendment": TermExplanation(
            _("Changes, suspension and leaving"),
            _("What becomes of running jobs when the agreement changes, and of models when a member leaves."),
        ),
        "notes": TermExplanation(
            _("Notes"), _("What the members want to say beyond this. It binds people; no machine checks it.")
        ),
    }
)

TERMS: Mapping[str, TermExplanation] = MappingProxyType(
    {
        "members": TermExplanation(
            _("Members"),
            _("Organisations of this consortium with a signatory key. Each that is ticked has to sign."),
        ),
        "use.permission": TermExplanation(
            _("Permission"), _("The broadest use that is allowed. Everything below narrows it.")
        ),
        "use.diseases": TermExplanation(
            _("Diseases"),
            _(
                "With DS only: codes such as ICD-10:I25 (that code and all narrower ones) or MONDO:0005010 (exactly "
                "that one), one a line."
            ),
        ),
        "use.finance": TermExplanation(_("Purposes of a bank"), _("With FIN only: the uses that are allowed.")),
        "use.modifiers": TermExplanation(
            _("Further conditions"), _("Each one that is ticked has to be met too. Some need a word more below.")
        ),
        "use.countries": TermExplanation(
            _("Countries"), _("With GS: where results may be used; two capital letters, one a line.")
        ),
        "use.institutions": TermExplanation(_("Institutions"), _("With IS: who may use results, one a line.")),
        "use.users": TermExplanation(
            _("Users"),
            _(
                "With US: who may launch jobs, one a line, by e-mail address or by id. Everybody finds "
                "the id on the page of their own account. What is signed is the id."
            ),
        ),
        "use.projects": TermExplanation(_("Projects"), _("With PS: the approved projects, one a line.")),
        "use.until": TermExplanation(_("Last day of use"), _("With TS: nothing is done after this day.")),
        "use.moratorium_until": TermExplanation(
            _("Nothing published before"), _("With MOR: the day on which results may be published.")
        ),
        "use.research": TermExplanation(
            _("Kind of research"),
            _("With RS: in words. No machine checks it; who launches a job declares compliance with it."),
        ),
        "dataset.covered": TermExplanation(_("Covered"), _("Only data sets that are ticked may be used.")),
        "dataset.epsilon_max": TermExplanation(
            _("Epsilon of all jobs together"),
            _("How much privacy all jobs on this data set may cost in all; empty for no ceiling."),
        ),
        "dataset.delta_max": TermExplanation(
            _("Delta of all jobs together"),
            _("The same for delta, the chance that the bound fails; empty for no ceiling."),
        ),
        "training_limits.tasks": TermExplanation(
            _("Tasks"), _("Training changes a model; evaluation only tries one; statistics only count.")
        ),
        "training_limits.families": TermExplanation(_("Model families"), _("The kinds of models that may be trained.")),
        "training_limits.parameters_max": TermExplanation(
            _("Parameters at most"), _("How large a model may be. A larger one can remember more of the data.")
        ),
        "training_limits.rounds_max": TermExplanation(
            _("Rounds at most"), _("How often a job may go through the data of every silo.")
        ),
        "training_limits.update_norm_l2_max": TermExplanation(
            _("Longest update"),
            _("The largest L2 norm of a silo's contribution in one round: no silo can say more than that."),
        ),
        "training_limits.trainer_network": TermExplanation(
            _("Trainers with a network"),
            _("A trainer should have no network, so that nothing can leave past the relay. Each says how it runs."),
        ),
        "code.digests": TermExplanation(
            _("Hashes of allowed code"), _("One a line, beginning with sha256:. Empty for none.")
        ),
        "code.reviewers": TermExplanation(
            _("Reviewers"), _("How many people of each silo's organisation review the code first.")
        ),
        "protection": TermExplanation(_("Allowed ways of protection"), _("A job has to use one of these.")),
        "clear_reason": TermExplanation(
            _("Why updates may leave in clear"),
            _("Needed where clear is allowed. Everybody reads it who signs, launches a job or looks at one."),
        ),
        "privacy.required": TermExplanation(
            _("Differential privacy is required"),
            _("Every job needs it, and both ceilings. It is not built yet: until it is, no job can meet this."),
        ),
        "privacy.epsilon_max": TermExplanation(
            _("Epsilon of one job at most"), _("Empty for no ceiling. Common values lie between 0.5 and 10.")
        ),
        "privacy.delta_max": TermExplanation(
            _("Delta of one job at most"),
            _("Empty for no ceiling. It should be well below one over the number of records."),
        ),
        "cohort.minimum_participants": TermExplanation(
            _("Organisations at least"),
            _("Fewer than that and no round is done. Several silos of one organisation count once."),
        ),
        "cohort.minimum_rows": TermExplanation(
            _("Rows of a data set at least"), _("A smaller data set takes no part.")
        ),
        "cohort.organisation_share_max": TermExplanation(
            _("Share of one organisation at most"),
            _(
                "How much one organisation may weigh among all, 0.5 at most. Empty: one half where three or more take "
                "part."
            ),
        ),
        "disclosure.metrics": TermExplanation(
            _("Figures that may leave"), _("What a silo reports of how well a model does on its data.")
        ),
        "disclosure.minimum_cell": TermExplanation(
            _("Minimum cell size"),
            _("No figure about fewer rows than this leaves a silo. Statistics need 3 at least."),
        ),
        "disclosure.round_models": TermExplanation(
            _("Models of single rounds may be released"), _("Not only the one at the end.")
        ),
        "disclosure.final_model": TermExplanation(
            _("The final model may be released"), _("To the members, and whom you name below.")
        ),
        "disclosure.recipients": TermExplanation(
            _("Further recipients"), _("Organisations beyond the members that may have a model, one a line.")
        ),
        "disclosure.release_confirmed_by_each": TermExplanation(
            _("Each member confirms a release"), _("No model is released before every member has confirmed it.")
        ),
        "validity.not_before": TermExplanation(_("Valid from"), _("The moment in UTC.")),
        "validity.not_after": TermExplanation(
            _("Valid until"), _("The moment in UTC. A new version can follow before that.")
        ),
        "retention.updates_rounds": TermExplanation(
            _("Rounds for which updates are kept"),
            _("The platform deletes a silo's contribution that many rounds later, and at the end of its job all."),
        ),
        "retention.models_days": TermExplanation(
            _("Days for which models are kept"), _("After the job has ended; empty for no limit.")
        ),
        "amendment.running_jobs": TermExplanation(
            _("Running jobs, when a new version comes into force"), _("They stop, or go on under the old version.")
        ),
        "amendment.on_leaving": TermExplanation(
            _("Models, when a member leaves"), _("They stay in use, or those learned with its data are retired.")
        ),
        "notes": TermExplanation(_("Notes"), _("Beyond the clauses; for people.")),
    }
)

_GROUPS: Mapping[str, tuple[str, ...]] = {
    "purposes": ("use.",),
    "datasets": ("dataset.", "use."),
    "protection": ("clear_reason",),
}
_CHOICES = {
    "credit_risk": _("credit risk"),
    "fraud": _("fraud"),
    "aml": _("anti-money laundering"),
    "stress_testing": _("stress testing"),
    "forbidden": _("forbidden: such a trainer carries out no order"),
    "allowed": _("allowed"),
    "stop": _("they stop"),
    "continue": _("they go on under the old version"),
    "models_stay": _("they stay in use"),
    "models_retired": _("those learned with its data are retired"),
}


def terms_in(clause: str) -> list[TermExplanation]:
    """The terms that a clause is made of, in the reader's language."""
    prefixes = _GROUPS.get(clause, (f"{clause}.",))
    found = [term for name, term in TERMS.items() if name == clause or name.startswith(prefixes)]
    return [TermExplanation(gettext(term.label), gettext(term.help)) for term in found]


def about(clause: str) -> str:
    """What a clause is about, in the reader's language."""
    return gettext(CLAUSES[clause].help)


def title(clause: str) -> str:
    """What a clause is called, in the reader's language; the signed text has it in its own."""
    return gettext(CLAUSES[clause].label)


def choices(*names: str) -> list[tuple[str, str]]:
    """Values to choose from, in the reader's language."""
    return [(name, gettext(_explained(name))) for name in names]


def _explained(name: str) -> str:
    if name in MODES:
        return MODES[name].explained_as
    return TASKS[name].agreed_as if name in TASKS else _CHOICES[name]
