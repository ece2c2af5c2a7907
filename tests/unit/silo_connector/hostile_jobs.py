"""Attacks of a hostile platform by way of the job: what it is for, what it does, who takes part."""

from __future__ import annotations

from federation.protocol.digests import digest_bytes
from federation.protocol.documents import Order, OrderKind
from federation.protocol.keys import PrivateKey
from silo_connector import spool
from silo_connector.trainer.trainer import Trainer
from tests.unit.silo_connector.hostile import CANCER, certificate, honest, play, refused_as, silo_of, with_cohort
from tests.unit.silo_connector.sites import Site

# --- what the job is for -------------------------------------------------------------------------------------------


@refused_as("agreement.purpose", "purposes")
def a_job_outside_the_purpose(site: Site, trainer: Trainer) -> Order:
    site.agree(purposes=CANCER)
    return play(site, site.job(use={"category": "disease", "diseases": ["ICD-10:I25"]}))


@refused_as("agreement.purpose", "purposes")
def a_job_that_names_no_purpose(site: Site, trainer: Trainer) -> Order:
    site.agree(purposes=CANCER)
    return play(site, site.job())


@refused_as("agreement.purpose", "datasets")
def a_job_outside_what_the_data_set_is_for(site: Site, trainer: Trainer) -> Order:
    use = {"permission": "NRES", "modifiers": ["NPU"]}
    site.agree(datasets=[{"signatory_key": site.signatory.public.encoded, "dataset": "tiny", "use": use}])
    return play(site, site.job(use={"category": "health", "for_profit": True}))


@refused_as("agreement.purpose", "purposes")
def asking_whether_the_data_can_be_read(site: Site, trainer: Trainer) -> Order:
    (site.folder / "tiny.csv").unlink()
    site.agree(purposes=CANCER)
    return play(site, site.job())


@refused_as("agreement.dataset", "datasets")
def a_data_set_that_the_agreement_does_not_cover(site: Site, trainer: Trainer) -> Order:
    site.agree(datasets=[{"signatory_key": site.signatory.public.encoded, "dataset": "other"}])
    return play(site, site.job())


# --- what the job does ---------------------------------------------------------------------------------------------


@refused_as("agreement.rounds", "training_limits")
def more_rounds_than_the_agreement_allows(site: Site, trainer: Trainer) -> Order:
    site.agree(training_limits={"rounds_max": 5})
    return play(site, site.job(rounds=6))


@refused_as("order.round_beyond", "training_limits")
def more_rounds_than_declared(site: Site, trainer: Trainer) -> Order:
    manifest = site.job(rounds=2)
    honest(site, trainer, manifest, 0.5, round=2)
    return play(site, manifest, 0.6, round=3)


@refused_as("order.round_beyond", "training_limits")
def one_evaluation_more_than_the_last(site: Site, trainer: Trainer) -> Order:
    manifest = site.job(rounds=2)
    honest(site, trainer, manifest, 0.5, round=3, kind=OrderKind.EVALUATE, outputs={})
    return play(site, manifest, 0.6, round=4, kind=OrderKind.EVALUATE, outputs={})


@refused_as("agreement.task", "training_limits")
def training_where_evaluation_was_agreed(site: Site, trainer: Trainer) -> Order:
    site.agree(training_limits={"tasks": ["evaluate"]})
    return play(site, site.job())


@refused_as("order.task_mismatch")
def training_in_a_job_that_evaluates(site: Site, trainer: Trainer) -> Order:
    return play(site, site.job(task="evaluate"))


@refused_as("agreement.family", "training_limits")
def a_family_that_was_not_agreed(site: Site, trainer: Trainer) -> Order:
    site.agree(training_limits={"families": ["mlp"]})
    return play(site, site.job())


@refused_as("agreement.parameters", "training_limits")
def a_model_larger_than_agreed(site: Site, trainer: Trainer) -> Order:
    site.agree(training_limits={"parameters_max": 2})
    return play(site, site.job())


@refused_as("model.not_initial")
def another_model_to_begin_with(site: Site, trainer: Trainer) -> Order:
    return play(site, site.job(), 0.5)


@refused_as("model.swapped")
def another_model_for_the_same_round(site: Site, trainer: Trainer) -> Order:
    manifest = site.job()
    honest(site, trainer, manifest, 0.5, round=2)
    return play(site, manifest, 0.6, round=2, attempt=2)


@refused_as("model.digest_mismatch")
def other_weights_than_the_order_s_hash(site: Site, trainer: Trainer) -> Order:
    manifest = site.job()
    order = site.order(manifest)
    assert order.model_digest is not None
    weights = site.platform.blobs[order.inputs["model"].digest]
    (site.deliver(order, manifest) / spool.input_file("model")).write_bytes(weights[:-1] + b"\x01")
    return order


@refused_as("agreement.code", "code")
def custom_code_with_another_hash(site: Site, trainer: Trainer) -> Order:
    site.agree(code={"digests": [digest_bytes(b"what was reviewed")]})
    return play(site, site.job(code_digest=digest_bytes(b"something else")))


@refused_as("agreement.protection", "protection")
def a_downgraded_protection_mode(site: Site, trainer: Trainer) -> Order:
    site.agree(protection=["masked", "encrypted"])
    return play(site, site.job(protection={"mode": "clear"}))


@refused_as("protection.not_supported")
def a_protection_mode_that_is_not_built(site: Site, trainer: Trainer) -> Order:
    site.agree(protection=["masked"])
    return play(site, site.job(protection={"mode": "masked", "threshold": 3, "min_survivors": 3, "clip": 1.0}))


@refused_as("agreement.update_norm", "training_limits")
def a_raised_clipping_norm(site: Site, trainer: Trainer) -> Order:
    site.agree(training_limits={"update_norm_l2_max": 10})
    return play(site, site.job(limits={"update_norm_l2_max": 11, "minimum_cell": 5}))


@refused_as("agreement.minimum_cell", "disclosure")
def a_smaller_minimum_cell(site: Site, trainer: Trainer) -> Order:
    site.agree(disclosure={"minimum_cell": 10})
    return play(site, site.job(limits={"update_norm_l2_max": 1, "minimum_cell": 9}))


@refused_as("agreement.privacy_required", "privacy")
def a_job_without_the_differential_privacy_that_was_agreed(site: Site, trainer: Trainer) -> Order:
    site.agree(privacy={"required": True, "epsilon_max": 1, "delta_max": 1e-5})
    return play(site, site.job())


@refused_as("agreement.epsilon", "privacy")
def a_higher_epsilon(site: Site, trainer: Trainer) -> Order:
    site.agree(privacy={"required": True, "epsilon_max": 1, "delta_max": 1e-5})
    return play(site, site.job(privacy_cost={"epsilon": 1.01, "delta": 1e-5}))


# --- who takes part ------------------------------------------------------------------------------------------------


@refused_as("agreement.cohort", "members")
def a_cohort_with_an_invented_organisation(site: Site, trainer: Trainer) -> Order:
    site.agree(cohort={"minimum_participants": 2})
    return play(site, with_cohort(site, silo_of(site, PrivateKey.generate()), quorum=2))


@refused_as("cohort.uncertified")
def a_cohort_with_an_invented_silo_of_a_member(site: Site, trainer: Trainer) -> Order:
    site.agree(cohort={"minimum_participants": 2})
    invented = silo_of(site, site.platform.partner, certificate=None)
    return play(site, with_cohort(site, invented, quorum=2))


@refused_as("cohort.uncertified")
def a_silo_key_that_the_platform_itself_certified(site: Site, trainer: Trainer) -> Order:
    identity = PrivateKey.generate()
    forged = certificate(site.platform.partner, identity, by=site.platform.key)
    invented = silo_of(site, site.platform.partner, identity_key=identity.public.encoded, certificate=forged)
    return play(site, with_cohort(site, invented, quorum=2))


@refused_as("cohort.uncertified")
def another_silo_s_certificate(site: Site, trainer: Trainer) -> Order:
    borrowed = certificate(site.platform.partner, PrivateKey.generate())
    return play(site, with_cohort(site, silo_of(site, site.platform.partner, certificate=borrowed), quorum=2))


@refused_as("cohort.uncertified")
def a_certificate_that_has_run_out(site: Site, trainer: Trainer) -> Order:
    identity = PrivateKey.generate()
    late = certificate(site.platform.partner, identity, days=-1)
    silo = silo_of(site, site.platform.partner, identity_key=identity.public.encoded, certificate=late)
    return play(site, with_cohort(site, silo, quorum=2))


@refused_as("cohort.twice", "cohort")
def one_silo_counted_twice(site: Site, trainer: Trainer) -> Order:
    silo = silo_of(site, site.platform.partner)
    return play(site, with_cohort(site, silo, silo.model_copy(update={"silo_id": site.platform.consortium_id})))


@refused_as("cohort.identity_mismatch")
def another_key_in_this_silo_s_place(site: Site, trainer: Trainer) -> Order:
    identity = PrivateKey.generate()
    manifest = site.job()
    ours = {"identity_key": identity.public.encoded, "certificate": certificate(site.signatory, identity)}
    return play(site, manifest.model_copy(update={"cohort": (manifest.cohort[0].model_copy(update=ours),)}))


@refused_as("agreement.minimum_participants", "cohort")
def fewer_participants_than_the_minimum(site: Site, trainer: Trainer) -> Order:
    site.agree(cohort={"minimum_participants": 2})
    return play(site, site.job(quorum=2))


@refused_as("agreement.minimum_participants", "cohort")
def two_silos_of_one_organisation_for_two_participants(site: Site, trainer: Trainer) -> Order:
    site.agree(cohort={"minimum_participants": 2})
    return play(site, with_cohort(site, silo_of(site, site.signatory), quorum=2))


@refused_as("agreement.minimum_participants", "cohort")
def a_quorum_below_the_minimum(site: Site, trainer: Trainer) -> Order:
    site.agree(cohort={"minimum_participants": 2})
    return play(site, with_cohort(site, silo_of(site, site.platform.partner), quorum=1))


@refused_as("agreement.minimum_participants", "cohort")
def a_quorum_that_one_organisation_s_silos_can_fill(site: Site, trainer: Trainer) -> Order:
    site.agree(cohort={"minimum_participants": 2})
    ours, partner = silo_of(site, site.signatory), silo_of(site, site.platform.partner)
    return play(site, with_cohort(site, ours, partner, quorum=2))


@refused_as("agreement.organisation_share", "cohort")
def a_raised_weight_of_one_silo(site: Site, trainer: Trainer) -> Order:
    """The platform lets one silo weigh more than it registered, and so the mean be that silo's."""
    return play(site, with_cohort(site, silo_of(site, site.platform.partner, weight_max=10**10)))


@refused_as("agreement.organisation_share", "cohort")
def a_raised_share_of_one_organisation(site: Site, trainer: Trainer) -> Order:
    """It registered many rows, but may weigh no more than all others together."""
    site.agree(cohort={"minimum_participants": 1, "organisation_share_max": 0.5})
    large = silo_of(site, site.platform.partner, rows_coarse=10**9, weight_max=10**9)
    weighting = {"organisation_share_max": 0.5, "train_fraction": 0.66}
    return play(site, with_cohort(site, large, rows_coarse=60, weight_max=39, weighting=weighting))


@refused_as("agreement.organisation_share", "cohort")
def a_share_that_is_left_out(site: Site, trainer: Trainer) -> Order:
    site.agree(cohort={"minimum_participants": 1, "organisation_share_max": 0.5})
    return play(site, with_cohort(site, silo_of(site, site.platform.partner)))


@refused_as("agreement.organisation_share", "cohort")
def weights_that_are_left_out_as_in_an_older_protocol(site: Site, trainer: Trainer) -> Order:
    manifest = site.job(weighting=None)
    by_name = {"rows_coarse": None, "weight_max": None}
    return play(site, manifest.model_copy(update={"cohort": (manifest.cohort[0].model_copy(update=by_name),)}))


@refused_as("manifest.weights")
def more_rows_than_this_silo_registered(site: Site, trainer: Trainer) -> Order:
    """With rows invented for the honest, the share of the dishonest grows."""
    return play(site, site.job(rows_coarse=600))


@refused_as("manifest.weights")
def another_part_of_the_rows_to_train_on(site: Site, trainer: Trainer) -> Order:
    return play(site, site.job(weighting={"train_fraction": 1.0}))


@refused_as("agreement.minimum_rows", "cohort")
def too_few_rows(site: Site, trainer: Trainer) -> Order:
    site.agree(cohort={"minimum_participants": 1, "minimum_rows": 100})
    return play(site, site.job())
