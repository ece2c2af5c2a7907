"""Attacks of a hostile platform by way of the agreement, the manifest's seal, and the order of orders."""

from __future__ import annotations

from datetime import timedelta

from federation.protocol.documents import Order, now, sign_document
from federation.protocol.keys import PrivateKey
from silo_connector import spool
from silo_connector.trainer.trainer import Trainer
from tests.unit.silo_connector import agreed
from tests.unit.silo_connector.hostile import edited, honest, play, refused_as, signed_as
from tests.unit.silo_connector.sites import Site

# --- the agreement itself ------------------------------------------------------------------------------------------


@refused_as("agreement.missing", "members")
def no_agreement_at_all(site: Site, trainer: Trainer) -> Order:
    return play(site, site.job(agreement_digest=None))


@refused_as("agreement.missing", "members")
def an_agreement_that_is_withheld(site: Site, trainer: Trainer) -> Order:
    manifest = site.job()
    site.platform.agreement = None
    return play(site, manifest)


@refused_as("agreement.expired", "validity")
def an_expired_agreement(site: Site, trainer: Trainer) -> Order:
    moment = now()
    site.agree(validity={"not_before": moment - timedelta(days=9), "not_after": moment - timedelta(seconds=1)})
    return play(site, site.job())


@refused_as("agreement.protocol", "members")
def an_agreement_of_protocol_1_0_under_which_nothing_runs_any_more(site: Site, trainer: Trainer) -> Order:
    site.agree(protocol="1.0")
    return play(site, site.job())


@refused_as("document.malformed")
def an_agreement_of_protocol_1_0_with_a_manifest_that_only_says_it_is_of_1_0(site: Site, trainer: Trainer) -> Order:
    site.agree(protocol="1.0")
    return play(site, site.job(protocol="1.0"))


@refused_as("agreement.not_yet_valid", "validity")
def an_agreement_that_has_not_begun(site: Site, trainer: Trainer) -> Order:
    moment = now()
    site.agree(validity={"not_before": moment + timedelta(minutes=1), "not_after": moment + timedelta(days=9)})
    return play(site, site.job())


@refused_as("agreement.suspended", "amendment")
def a_suspended_agreement(site: Site, trainer: Trainer) -> Order:
    site.store.suspend(site.store.ids()[0], "a breach")
    return play(site, site.job())


@refused_as("agreement.suspended", "amendment")
def a_withheld_suspension_of_a_job_that_runs(site: Site, trainer: Trainer) -> Order:
    manifest = site.job()
    honest(site, trainer, manifest)
    site.store.suspend(site.store.ids()[0], "a breach")
    return play(site, manifest, 0.5, round=2)


@refused_as("agreement.forged")
def an_agreement_that_the_platform_edited(site: Site, trainer: Trainer) -> Order:
    site.platform.agreement = edited(site.agree(training_limits={"rounds_max": 5}), training_limits={"rounds_max": 100})
    return play(site, site.job())


@refused_as("agreement.unsigned", "members")
def an_edited_agreement_that_the_platform_signed(site: Site, trainer: Trainer) -> Order:
    site.agree(keep=False, by=[site.platform.key], training_limits={"rounds_max": 100})
    return play(site, site.job())


@refused_as("agreement.unsigned", "members")
def an_agreement_without_this_organisation_s_signature(site: Site, trainer: Trainer) -> Order:
    site.agree(keep=False, by=[site.platform.partner])
    return play(site, site.job())


@refused_as("agreement.unsigned", "members")
def an_agreement_that_another_member_has_not_signed(site: Site, trainer: Trainer) -> Order:
    site.agree(by=[site.signatory])
    return play(site, site.job())


@refused_as("agreement.not_signed_here", "members")
def an_agreement_that_this_trainer_was_never_given(site: Site, trainer: Trainer) -> Order:
    site.agree(keep=False)
    return play(site, site.job())


@refused_as("agreement.not_a_member", "members")
def an_agreement_of_others(site: Site, trainer: Trainer) -> Order:
    partner = site.platform.partner
    document = agreed.agreement(site.platform.consortium_id, agreed.terms([partner.public]))
    site.platform.agreement = agreed.signed(document, partner)
    return play(site, site.job())


@refused_as("agreement.other_consortium", "members")
def another_consortium_s_agreement(site: Site, trainer: Trainer) -> Order:
    return play(site, site.job(consortium_id=site.platform.silo_id))


@refused_as("agreement.mismatch", "members")
def another_agreement_than_the_manifest_names(site: Site, trainer: Trainer) -> Order:
    narrow = site.agree(training_limits={"rounds_max": 5})
    site.agree(training_limits={"rounds_max": 100})
    return play(site, site.job(agreement_digest=agreed.digest_of(narrow)))


@refused_as("agreement.superseded", "amendment")
def a_superseded_version_played_again(site: Site, trainer: Trainer) -> Order:
    first = site.agree()
    agreement_id = agreed.opened(first).agreement_id
    site.agree(version=2, agreement_id=agreement_id, training_limits={"rounds_max": 5})
    site.platform.agreement = first
    return play(site, site.job())


@refused_as("agreement.superseded", "amendment")
def a_running_job_that_the_terms_stop(site: Site, trainer: Trainer) -> Order:
    first = site.agree(amendment={"running_jobs": "stop"})
    manifest = site.job()
    honest(site, trainer, manifest)
    site.agree(version=2, agreement_id=agreed.opened(first).agreement_id)
    site.platform.agreement = first
    return play(site, manifest, 0.5, round=2)


@refused_as("agreement.superseded", "amendment")
def a_job_that_pretends_to_have_run_before(site: Site, trainer: Trainer) -> Order:
    first = site.agree(amendment={"running_jobs": "continue"})
    known = site.job()
    honest(site, trainer, known)
    site.agree(version=2, agreement_id=agreed.opened(first).agreement_id)
    site.platform.agreement = first
    return play(site, site.job(created_at=known.created_at))


@refused_as("agreement.forged")
def a_signature_under_another_key_s_id(site: Site, trainer: Trainer) -> Order:
    genuine = site.agree(by=[site.signatory])
    site.platform.agreement = signed_as(genuine, site.platform.partner, site.platform.key)
    return play(site, site.job())


@refused_as("manifest.untrusted")
def a_manifest_under_another_key_s_id(site: Site, trainer: Trainer) -> Order:
    manifest = site.job()
    order = site.order(manifest)
    folder = site.deliver(order, manifest)
    sealed = sign_document(manifest, site.platform.key)
    (folder / spool.MANIFEST).write_bytes(signed_as(sealed, site.platform.key, PrivateKey.generate()))
    return order


@refused_as("manifest.changed")
def another_manifest_for_the_same_job(site: Site, trainer: Trainer) -> Order:
    manifest = site.job()
    honest(site, trainer, manifest)
    return play(site, manifest.model_copy(update={"rounds": 100}), 0.5, round=2)


# --- orders --------------------------------------------------------------------------------------------------------


@refused_as("order.number_reused")
def a_number_used_twice(site: Site, trainer: Trainer) -> Order:
    manifest = site.job()
    first = honest(site, trainer, manifest)
    return play(site, manifest, number=first.number)


@refused_as("order.reordered")
def an_order_for_a_round_that_is_over(site: Site, trainer: Trainer) -> Order:
    manifest = site.job()
    honest(site, trainer, manifest, 0.5, round=3)
    return play(site, manifest, 0.4, round=2)


@refused_as("order.reordered")
def an_attempt_that_was_given_up(site: Site, trainer: Trainer) -> Order:
    manifest = site.job()
    honest(site, trainer, manifest, 0.5, round=2, attempt=2)
    return play(site, manifest, 0.5, round=2, attempt=1)


@refused_as("order.expired")
def an_order_that_has_expired(site: Site, trainer: Trainer) -> Order:
    return play(site, site.job(), expires_at=now() - timedelta(seconds=1))
