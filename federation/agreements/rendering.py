"""An agreement as people read it: the same clauses in the browser, printed and in the signatory's terminal.

The text is a function of the signed bytes alone, so that what is read is what is signed.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from federation.agreements.vocabulary import FINANCE, MODIFIERS, PERMISSIONS
from federation.protection import mode_of
from federation.protocol.documents import Agreement, CoveredDataset, Terms, UseConditions
from federation.protocol.keys import PublicKey
from federation.targets import figures_called
from federation.tasks import task_of

WIDTH = 92
CLAUSES = (
    *("members", "purposes", "datasets", "training_limits", "code", "protection", "privacy"),
    *("cohort", "disclosure", "validity", "retention", "amendment", "notes"),
)
"""The ids of all clauses, in their order: what refusals name."""


@dataclass(frozen=True)
class Clause:
    """One clause: the stable id that refusals name, its number, its title, and what it says."""

    id: str
    number: int
    title: str
    lines: tuple[str, ...]


def clauses(agreement: Agreement) -> tuple[Clause, ...]:
    """All clauses, in their order."""
    terms = agreement.terms
    written: Sequence[tuple[str, str, Iterator[str]]] = (
        ("members", "Members", _members(terms)),
        ("purposes", "Purposes", _use(terms.purposes)),
        ("datasets", "Data sets", _datasets(terms)),
        ("training_limits", "What jobs may do", _training_limits(terms)),
        ("code", "Custom code", _code(terms)),
        ("protection", "Protection of updates", _protection(terms)),
        ("privacy", "Differential privacy", _privacy(terms)),
        ("cohort", "How many take part", _cohort(terms)),
        ("disclosure", "What may leave, and to whom", _disclosure(terms)),
        ("validity", "Validity", _validity(terms)),
        ("retention", "Retention", _retention(terms)),
        ("amendment", "Changes, suspension and leaving", _amendment(terms)),
        ("notes", "Notes", _notes(terms)),
    )
    return tuple(
        Clause(id_, number, title, tuple(lines)) for number, (id_, title, lines) in enumerate(written, start=1)
    )


def plain_text(agreement: Agreement, digest: str) -> str:
    """The whole agreement as plain text, with the hash of the bytes that it was made from."""
    head = [
        f"DATA-USE AGREEMENT OF {' '.join(agreement.consortium.upper().split())}",
        f"Version {agreement.version}, proposed on {day(agreement.proposed_at)}",
        f"Agreement {agreement.agreement_id}",
        f"Supersedes {agreement.supersedes}" if agreement.supersedes else "The first version.",
        f"Hash {digest}",
    ]
    body: list[str] = []
    for clause in clauses(agreement):
        body += ["", f"{clause.number}. {clause.title}"]
        for line in clause.lines:
            body += textwrap.wrap(line, WIDTH, initial_indent="   ", subsequent_indent="   ") or [""]
    return "\n".join([*head, *body]) + "\n"


def day(moment: datetime) -> str:
    """A moment to the minute, in UTC: the same text everywhere."""
    from datetime import UTC

    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


def _members(terms: Terms) -> Iterator[str]:
    yield "These organisations are bound once every one of them has signed with the key whose fingerprint stands here:"
    for member in terms.members:
        fingerprint = PublicKey.from_encoded(member.signatory_key).fingerprint
        yield f"{member.organisation}: {fingerprint}"


def _use(use: UseConditions) -> Iterator[str]:
    permission = PERMISSIONS[use.permission]
    yield f"{use.permission} ({permission.id}), {permission.label}. {permission.meaning} {permission.judged}"
    if use.diseases:
        yield f"Diseases: {', '.join(use.diseases)}."
    if use.finance:
        yield f"Purposes: {', '.join(FINANCE[name].label for name in use.finance)}."
    for name in use.modifiers:
        modifier = MODIFIERS[name]
        yield f"{name} ({modifier.id}), {modifier.label}. {modifier.meaning} {modifier.judged}"
    for label, values in (
        ("Countries", use.countries),
        ("Institutions", use.institutions),
        ("Users", use.users),
        ("Projects", use.projects),
    ):
        if values:
            yield f"{label}: {', '.join(values)}."
    if use.until is not None:
        yield f"Last day of use: {use.until.isoformat()}."
    if use.moratorium_until is not None:
        yield f"Nothing is published before {use.moratorium_until.isoformat()}."
    if use.research:
        yield f"Kind of research: {use.research}"


def _datasets(terms: Terms) -> Iterator[str]:
    names = {member.signatory_key: member.organisation for member in terms.members}
    yield "Only these data sets are covered. A condition here comes on top of the purposes above."
    for covered in terms.datasets:
        yield f"{names.get(covered.signatory_key, covered.signatory_key)}: {covered.dataset}{_ceilings(covered)}"
        if covered.use is not None:
            yield from _use(covered.use)


def _ceilings(covered: CoveredDataset) -> str:
    parts = []
    if covered.epsilon_max is not None:
        parts.append(f"epsilon of all jobs together at most {covered.epsilon_max:g}")
    if covered.delta_max is not None:
        parts.append(f"delta of all jobs together at most {covered.delta_max:g}")
    return f" ({', '.join(parts)})" if parts else ""


def _training_limits(terms: Terms) -> Iterator[str]:
    limits = terms.training_limits
    yield f"Allowed tasks: {', '.join(task_of(task).agreed_as for task in limits.tasks)}."
    yield f"Allowed model families: {', '.join(limits.families)}, with at most {limits.parameters_max:,} parameters."
    yield f"A job has at most {limits.rounds_max:,} rounds."
    yield f"No update that leaves a silo has an L2 norm above {limits.update_norm_l2_max:g}."
    if limits.trainer_network == "forbidden":
        yield "A trainer that was started with a network carries out no order."


def _code(terms: Terms) -> Iterator[str]:
    if not terms.code.digests:
        yield "No custom code is run."
        return
    people = "one person" if terms.code.reviewers == 1 else "two people"
    yield f"Only code with these hashes is run, after {people} at each silo's organisation has reviewed it:"
    yield from terms.code.digests


def _protection(terms: Terms) -> Iterator[str]:
    yield "Updates leave a silo in one of these ways only:"
    for mode in terms.protection:
        yield f"{mode}: {mode_of(mode).agreed_as}."
    if terms.clear_reason and any(mode_of(mode).platform_reads_updates for mode in terms.protection):
        yield f"Why updates may leave in clear: {terms.clear_reason}"


def _privacy(terms: Terms) -> Iterator[str]:
    privacy = terms.privacy
    yield "Every job needs differential privacy." if privacy.required else "Differential privacy is not required."
    if privacy.epsilon_max is not None:
        yield f"The epsilon of one job is at most {privacy.epsilon_max:g}."
    if privacy.delta_max is not None:
        yield f"The delta of one job is at most {privacy.delta_max:g}."


def _cohort(terms: Terms) -> Iterator[str]:
    yield f"At least {terms.cohort.minimum_participants} organisations take part in a job and in each of its rounds."
    if terms.cohort.minimum_rows:
        yield f"A data set takes part only if it has at least {terms.cohort.minimum_rows:,} rows."
    if terms.cohort.organisation_share_max is not None:
        share = f"{terms.cohort.organisation_share_max * 100:.10g} %"
        yield f"No organisation weighs more than {share} in a model, but for an equal part where fewer take part."


def _disclosure(terms: Terms) -> Iterator[str]:
    disclosure = terms.disclosure
    figures = ", ".join(figures_called()[name] for name in disclosure.metrics) or "none"
    yield f"Figures that a silo discloses about a model: {figures}."
    yield f"No figure is disclosed that is about fewer than {disclosure.minimum_cell} rows."
    if not disclosure.final_model:
        yield "No model leaves the platform."
    else:
        which = "The final model and the models of rounds" if disclosure.round_models else "The final model"
        whom = "".join(f", {name}" for name in disclosure.recipients)
        yield f"{which} may be handed to: the members{whom}."
    if disclosure.release_confirmed_by_each:
        yield "A model is handed out only once each member has confirmed it."


def _validity(terms: Terms) -> Iterator[str]:
    yield f"From {day(terms.validity.not_before)} until {day(terms.validity.not_after)}."


def _retention(terms: Terms) -> Iterator[str]:
    rounds = terms.retention.updates_rounds
    yield f"The platform deletes a silo's update once {rounds} more round{'s have' if rounds > 1 else ' has'} closed."
    yield "When a job ends, it deletes all of its updates."
    if terms.retention.models_days is not None:
        yield f"Models are kept for {terms.retention.models_days} days after their job ended."


def _amendment(terms: Terms) -> Iterator[str]:
    amendment = terms.amendment
    yield "A change is a new version, which every member signs. It replaces this one when the last has signed."
    yield {
        "continue": "Jobs that run then go on under this version.",
        "stop": "Jobs that run then stop.",
    }[amendment.running_jobs]
    yield "A member may suspend the agreement for itself at any time: nothing more is done at its silos."
    yield {
        "models_stay": "When a member leaves, models that were learned stay in use.",
        "models_retired": "When a member leaves, models that were learned with its data are retired.",
    }[amendment.on_leaving]


def _notes(terms: Terms) -> Iterator[str]:
    yield terms.notes or "None."
