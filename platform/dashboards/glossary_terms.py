"""The words of the field, each with what it means in one or two sentences; translated in `locale/`."""

from __future__ import annotations

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

GLOSSARY: tuple[tuple[Promise, tuple[tuple[Promise, Promise], ...]], ...] = (
    (
        _("Who takes part"),
        (
            (
                _("Consortium"),
                _("Organisations that train models together under one agreement. Its coordinator runs the platform."),
            ),
            (
                _("Organisation (member, party)"),
                _(
                    "A hospital or a bank, for example. It owns data, runs silos, and signs agreements with its "
                    "signatory key."
                ),
            ),
            (
                _("Silo (site, client)"),
                _(
                    "The place where an organisation's data lie, with one connector beside them. An organisation may "
                    "have several."
                ),
            ),
            (
                _("Connector"),
                _(
                    "What runs on a silo's premises: a relay with the network and no data, and a trainer with the "
                    "data and no network."
                ),
            ),
            (
                _("Platform (server, aggregator)"),
                _("What the coordinator runs: pages, REST and workers. It sees no data records."),
            ),
            (
                _("Steward"),
                _("The person who may approve and sign for an organisation. The signatory key stays on their machine."),
            ),
            (
                _("Data scientist"),
                _("The role that launches jobs and downloads models."),
            ),
            (
                _("Auditor"),
                _("The role that reads the audit log and checks evidence."),
            ),
            (
                _("Administrator"),
                _("The role that decides who takes part in an organisation or a consortium, and in which role."),
            ),
            (
                _("Operator"),
                _("Who keeps the platform running, with its servers, keys and backups."),
            ),
            (
                _("Signatory key"),
                _(
                    "The key with which an organisation signs agreements, reviews and the keys of its silos. Its "
                    "private half never leaves the premises."
                ),
            ),
            (
                _("Enrolment"),
                _(
                    "How a silo joins: its connector sends its keys with a one-time code, and an administrator "
                    "confirms their fingerprints."
                ),
            ),
        ),
    ),
    (
        _("Training"),
        (
            (
                _("Federated learning"),
                _(
                    "Data stay where they are; models travel. Cross-silo means few, known, reliable participants with "
                    "much data each."
                ),
            ),
            (
                _("Job (experiment, run)"),
                _(
                    "What a data scientist launches: model, data, strategy and number of rounds. The platform signs "
                    "all of it as its manifest."
                ),
            ),
            (
                _("Cohort"),
                _("The silos of a job, each with one dataset."),
            ),
            (
                _("Quorum"),
                _("How many silos of the cohort have to answer for a round to count."),
            ),
            (
                _("Round (communication round)"),
                _(
                    "The model goes to the cohort, updates come back, and one new model is made of them. A round has "
                    "one or more steps."
                ),
            ),
            (
                _("Abandoned round"),
                _(
                    "A round with fewer answers than the quorum when its time was over. It changes no model, and is "
                    "tried again."
                ),
            ),
            (
                _("Order"),
                _(
                    "What the platform asks of one silo in one step, signed and numbered. The silo answers with a "
                    "submission or a refusal."
                ),
            ),
            (
                _("Update"),
                _(
                    "The difference between the model after local training and before. Its norm is its Euclidean "
                    "length (L2)."
                ),
            ),
            (
                _("Aggregation"),
                _(
                    "Many updates become one, as a rule by their weighted mean. A silo's weight is its number of "
                    "training rows, within bounds."
                ),
            ),
            (
                _("Combiner (aggregation rule)"),
                _(
                    "How one update is computed from many: today the weighted mean. It reads single updates, or their "
                    "sums only."
                ),
            ),
            (
                _("Strategy"),
                _(
                    "What silos do locally, and what the platform does with the combined update: FedAvg (McMahan et "
                    "al. 2017), FedProx (Li et al. 2020), FedAdam (Reddi et al. 2021)."
                ),
            ),
            (
                _("Target"),
                _(
                    "What the column to be predicted holds: two classes, several, or a number. Outputs, loss and "
                    "metrics of a model follow from it."
                ),
            ),
            (
                _("Local epoch"),
                _("One pass over a silo's training rows in a round. A local step is one batch of them."),
            ),
            (
                _("Dropout (straggler)"),
                _(
                    "A silo that does not answer in time. The round goes on without its work, and the job's page "
                    "shows that."
                ),
            ),
            (
                _("Non-IID data"),
                _("Silos whose data differ in kind or amount. One model may then fit some of them badly."),
            ),
            (
                _("Checkpoint (model version)"),
                _("A model's weights as they are saved after a round."),
            ),
            (
                _("Evaluation"),
                _("Silos compute a model's metrics on their own test rows. No rows leave them."),
            ),
        ),
    ),
    (
        _("Agreements and evidence"),
        (
            (
                _("Data-use agreement"),
                _(
                    "Terms that every member signs: purposes, limits, and what may be disclosed. Each connector "
                    "enforces it by itself."
                ),
            ),
            (
                _("Purpose"),
                _(
                    "What data may be used for, in the codes of the Data Use Ontology (DUO): a permission with its "
                    "modifiers."
                ),
            ),
            (
                _("Minimum cell size"),
                _("Counts and figures of fewer rows than this are withheld (small-cell suppression)."),
            ),
            (
                _("Envelope"),
                _(
                    "A document with its signatures, in the format DSSE (Dead Simple Signing Envelope). Signatures "
                    "are Ed25519 (RFC 8032)."
                ),
            ),
            (
                _("Audit log"),
                _(
                    "All that was done, append-only: a hash chain under a Merkle tree (RFC 9162). The platform signs "
                    "its head, and silos countersign it."
                ),
            ),
            (
                _("Audit checkpoint"),
                _(
                    "A head of the audit log that the platform signs. A silo countersigns it after a proof that it "
                    "extends the last one."
                ),
            ),
            (
                _("Evidence (bundle)"),
                _(
                    "A job's documents and events in one file. Anybody can check it offline with python -m "
                    "federation.verify."
                ),
            ),
            (
                _("Passport"),
                _(
                    "A signed statement about one model version: the round, base and answers it came from, and its "
                    "metrics."
                ),
            ),
            (
                _("Egress"),
                _("What leaves a silo. All of it passes one allow-list and is written to the egress log first."),
            ),
            (
                _("Training plan"),
                _(
                    "Code of a member's own. It runs in a sandbox, once people of each organisation have signed that "
                    "they read it."
                ),
            ),
        ),
    ),
    (
        _("Privacy"),
        (
            (
                _("Clear mode"),
                _("The platform sees each silo's own update. Updates can give records away."),
            ),
            (
                _("Secure aggregation (masks)"),
                _("The platform learns only the sum of the updates (Bonawitz et al. 2017). Not built yet."),
            ),
            (
                _("CKKS"),
                _(
                    "A homomorphic encryption scheme for approximate numbers (Cheon et al. 2017): encrypted updates "
                    "can be summed. Not built yet."
                ),
            ),
            (
                _("Differential privacy (DP)"),
                _(
                    "A bound on what a result reveals of one record. Epsilon is the bound, delta the chance that it "
                    "fails; smaller is stricter. Not built yet."
                ),
            ),
            (
                _("Privacy budget"),
                _("How much epsilon and delta all jobs on a dataset may spend together. Not enforced over jobs yet."),
            ),
            (
                _("Clipping norm"),
                _("How long one record's gradient may be before noise is added (Abadi et al. 2016)."),
            ),
            (
                _("Noise multiplier"),
                _(
                    "How much noise hides one record's gradient, as a multiple of the clipping norm (Abadi et al. "
                    "2016)."
                ),
            ),
        ),
    ),
)
