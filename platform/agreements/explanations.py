"""What each clause and each term means, in words for people who sign, not for those who program."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop as n


@dataclass(frozen=True)
class Term:
    """A term as it is labelled where it is filled in, and what agreeing to it means."""

    label: str
    help: str


CLAUSES: Mapping[str, Term] = MappingProxyType(
    {
        "members": Term(
            n("Members"),
            n(
                "Who is bound. Each organisation signs with its signatory key, of which the private half is on its "
                "own premises only. The agreement comes into force when the last of them has signed."
            ),
        ),
        "purposes": Term(
            n("Purposes"),
            n(
                "What the data may be used for. Whoever launches a job declares its purpose; a job whose purpose is "
                "outside this clause is refused by every silo. The codes are those of the GA4GH Data Use Ontology."
            ),
        ),
        "datasets": Term(
            n("Data sets"),
            n(
                "Which data each member brings. What is not listed is not touched. A member can make its own data "
                "stricter than the common purposes, never looser."
            ),
        ),
        "work": Term(
            n("What jobs may do"), n("What a job may be: which kinds of task and model, how large, and for how long.")
        ),
        "code": Term(
            n("Custom code"),
            n(
                "Training code that members wrote themselves. It runs only if its exact hash stands here and the "
                "silo's own people have reviewed it. Without a hash, none runs."
            ),
        ),
        "protection": Term(
            n("Protection of updates"),
            n(
                "How a silo's contribution is protected on its way to the platform. Masked and encrypted "
                "contributions can be read only as a sum over several silos; those in clear can be read one by one "
                "by whoever runs the platform."
            ),
        ),
        "privacy": Term(
            n("Differential privacy"),
            n(
                "Differential privacy bounds by how much any one person's record can change a model. Epsilon and "
                "delta are the measure: the smaller, the less a model can tell about anybody."
            ),
        ),
        "cohort": Term(
            n("How many take part"),
            n("How many organisations, and how much data, must take part so that nobody stands out."),
        ),
        "leaving": Term(
            n("What may leave, and to whom"),
            n("Which figures and models may leave the silos and the consortium, and who may have them."),
        ),
        "validity": Term(
            n("Validity"), n("From when to when the agreement allows jobs. After the end nothing is done under it.")
        ),
        "retention": Term(n("Retention"), n("How long contributions and models are kept.")),
        "changes": Term(
            n("Changes, suspension and leaving"),
            n("What becomes of running jobs when the agreement changes, and of models when a member leaves."),
        ),
        "notes": Term(
            n("Notes"), n("What the members want to say beyond this. It binds people; no machine checks it.")
        ),
    }
)

TERMS: Mapping[str, Term] = MappingProxyType(
    {
        "members": Term(
            n("Members"),
            n("Organisations of this consortium with a signatory key. Each that is ticked has to sign."),
        ),
        "use.permission": Term(n("Permission"), n("The broadest use that is allowed. Everything below narrows it.")),
        "use.diseases": Term(
            n("Diseases"),
            n(
                "With DS only: codes such as ICD-10:I25 (that code and all narrower ones) or MONDO:0005010 (exactly "
                "that one), one a line."
            ),
        ),
        "use.finance": Term(n("Purposes of a bank"), n("With FIN only: the uses that are allowed.")),
        "use.modifiers": Term(
            n("Further conditions"), n("Each one that is ticked has to be met too. Some need a word more below.")
        ),
        "use.countries": Term(
            n("Countries"), n("With GS: where results may be used; two capital letters, one a line.")
        ),
        "use.institutions": Term(n("Institutions"), n("With IS: who may use results, one a line.")),
        "use.users": Term(n("Users"), n("With US: who may launch jobs, by their e-mail address, one a line.")),
        "use.projects": Term(n("Projects"), n("With PS: the approved projects, one a line.")),
        "use.until": Term(n("Last day of use"), n("With TS: nothing is done after this day.")),
        "use.moratorium_until": Term(
            n("Nothing published before"), n("With MOR: the day on which results may be published.")
        ),
        "use.research": Term(
            n("Kind of research"),
            n("With RS: in words. No machine checks it; whoever launches a job declares that it is kept to."),
        ),
        "dataset.covered": Term(n("Covered"), n("Only data sets that are ticked may be used.")),
        "dataset.epsilon_max": Term(
            n("Epsilon of all jobs together"),
            n("How much privacy all jobs on this data set may cost in all; empty for no ceiling."),
        ),
        "dataset.delta_max": Term(
            n("Delta of all jobs together"),
            n("The same for delta, the chance that the bound fails; empty for no ceiling."),
        ),
        "work.tasks": Term(n("Tasks"), n("Training changes a model; evaluation only tries one; statistics count.")),
        "work.families": Term(n("Model families"), n("The kinds of models that may be trained.")),
        "work.parameters_max": Term(
            n("Parameters at most"), n("How large a model may be. A larger one can remember more of the data.")
        ),
        "work.rounds_max": Term(n("Rounds at most"), n("How often a job may go through the data of every silo.")),
        "work.update_norm_l2_max": Term(
            n("Longest update"),
            n("The largest L2 norm of a silo's contribution in one round: no silo can say more than that."),
        ),
        "code.digests": Term(n("Hashes of allowed code"), n("One a line, beginning with sha256:. Empty for none.")),
        "code.reviewers": Term(n("Reviewers"), n("How many people of each silo's organisation review the code first.")),
        "protection": Term(n("Allowed ways of protection"), n("A job has to use one of these.")),
        "privacy.required": Term(n("Differential privacy is required"), n("Every job needs it, and both ceilings.")),
        "privacy.epsilon_max": Term(
            n("Epsilon of one job at most"), n("Empty for no ceiling. Common values lie between 0.5 and 10.")
        ),
        "privacy.delta_max": Term(
            n("Delta of one job at most"),
            n("Empty for no ceiling. It should be well below one over the number of records."),
        ),
        "cohort.minimum_participants": Term(
            n("Organisations at least"),
            n("Fewer than that and no round is done. Several silos of one house count once."),
        ),
        "cohort.minimum_rows": Term(n("Rows of a data set at least"), n("A smaller data set takes no part.")),
        "leaving.metrics": Term(
            n("Figures that may leave"), n("What a silo tells about how well a model does on its data.")
        ),
        "leaving.minimum_cell": Term(
            n("Smallest count told"), n("No figure about fewer rows than this leaves a silo.")
        ),
        "leaving.round_models": Term(n("Models of single rounds may be handed out"), n("Not only the one at the end.")),
        "leaving.final_model": Term(
            n("The final model may be handed out"), n("To the members, and whom you name below.")
        ),
        "leaving.recipients": Term(
            n("Further recipients"), n("Organisations beyond the members that may have a model, one a line.")
        ),
        "leaving.release_confirmed_by_each": Term(
            n("Each member confirms a release"), n("No model is handed out before every member has said yes to it.")
        ),
        "validity.not_before": Term(n("Valid from"), n("The moment in UTC.")),
        "validity.not_after": Term(n("Valid until"), n("The moment in UTC. A new version can follow before that.")),
        "retention.updates_rounds": Term(
            n("Rounds for which updates are kept"),
            n("The platform deletes a silo's contribution that many rounds later."),
        ),
        "retention.models_days": Term(
            n("Days for which models are kept"), n("After the job has ended; empty for no limit.")
        ),
        "changes.running_jobs": Term(
            n("Running jobs, when a new version comes into force"), n("They stop, or go on under the old version.")
        ),
        "changes.on_leaving": Term(
            n("Models, when a member leaves"), n("They stay in use, or those learned with its data are retired.")
        ),
        "notes": Term(n("Notes"), n("Beyond the clauses; for people.")),
    }
)

_GROUPS: Mapping[str, tuple[str, ...]] = {"purposes": ("use.",), "datasets": ("dataset.", "use.")}
_CHOICES = {
    "train": n("training"),
    "evaluate": n("evaluation"),
    "statistics": n("statistics"),
    "masked": n("masked: hidden in the sum over several silos"),
    "encrypted": n("encrypted: added up without being read"),
    "clear": n("clear: whoever runs the platform can read each one"),
    "loss": n("loss"),
    "accuracy": n("accuracy"),
    "auc": n("area under the ROC curve"),
    "confusion": n("confusion matrix"),
    "stop": n("they stop"),
    "continue": n("they go on under the old version"),
    "models_stay": n("they stay in use"),
    "models_retired": n("those learned with its data are retired"),
}


def terms_in(clause: str) -> list[Term]:
    """The terms that a clause is made of, in the reader's language."""
    prefixes = _GROUPS.get(clause, (f"{clause}.",))
    found = [term for name, term in TERMS.items() if name == clause or name.startswith(prefixes)]
    return [Term(_(term.label), _(term.help)) for term in found]


def about(clause: str) -> str:
    """What a clause is about, in the reader's language."""
    return _(CLAUSES[clause].help)


def title(clause: str) -> str:
    """What a clause is called, in the reader's language; the signed text has it in its own."""
    return _(CLAUSES[clause].label)


def choices(*names: str) -> list[tuple[str, str]]:
    """Values to choose from, in the reader's language."""
    return [(name, _(_CHOICES[name])) for name in names]
