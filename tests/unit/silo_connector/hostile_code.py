"""Attacks of a hostile platform by way of custom code: it has the file, and every word on it that ever left an
organisation.
"""

from __future__ import annotations

from federation.plans.declaration import Plan, read_plan
from federation.plans.reviews import sign_review
from federation.protocol.documents import CodeReview, Order, now, sign_document
from federation.protocol.keys import PrivateKey
from silo_connector import spool
from silo_connector.plans import FOLDER, PLAN, REVIEWS
from silo_connector.trainer.trainer import Trainer
from tests.unit.silo_connector.hostile import play, refused_as
from tests.unit.silo_connector.runners import GOOD, agreed_to, job_of, reviewed
from tests.unit.silo_connector.sites import Site

NEW = GOOD + "# and something new\n"


def word_on(plan: Plan, by: PrivateKey, claimed: PrivateKey) -> bytes:
    """A review by one key that names another as its own."""
    statement = CodeReview.model_validate(
        {
            "code_digest": plan.digest,
            "signatory_key": claimed.public.encoded,
            "reviewer": "Ada",
            "verdict": "approved",
            "reviewed_at": now(),
        }
    )
    return sign_review(statement, by) if by == claimed else sign_document(statement, by)


def planted(site: Site, plan: Plan, sealed: bytes) -> None:
    """What only somebody who writes in the trainer's state could do."""
    folder = site.config.trainer_state / FOLDER / plan.digest.removeprefix("sha256:")
    (folder / REVIEWS).mkdir(parents=True, exist_ok=True)
    (folder / PLAN).write_bytes(plan.source)
    (folder / REVIEWS / "planted.json").write_bytes(sealed)


@refused_as("agreement.code", "code")
def custom_code_that_is_not_agreed_although_it_was_approved_here(site: Site, trainer: Trainer) -> Order:
    agreed_to(site, reviewed(site, GOOD, "Ada"))
    return play(site, job_of(site, reviewed(site, NEW, "Ada")))


@refused_as("agreement.code", "code")
def the_model_of_a_plan_without_its_code(site: Site, trainer: Trainer) -> Order:
    plan = reviewed(site, GOOD, "Ada")
    agreed_to(site, plan)
    return play(site, job_of(site, plan, code_digest=None))


@refused_as("agreement.code", "code")
def custom_code_behind_the_model_of_a_family(site: Site, trainer: Trainer) -> Order:
    plan = reviewed(site, GOOD, "Ada")
    agreed_to(site, plan)
    return play(site, site.job(code_digest=plan.digest))


@refused_as("agreement.code_review", "code")
def custom_code_that_nobody_here_has_read(site: Site, trainer: Trainer) -> Order:
    plan = read_plan(GOOD.encode())
    agreed_to(site, plan)
    return play(site, job_of(site, plan))


@refused_as("agreement.code_review", "code")
def custom_code_with_one_reviewer_where_two_were_agreed(site: Site, trainer: Trainer) -> Order:
    plan = reviewed(site, GOOD, "Ada", " ADA  ")
    agreed_to(site, plan, reviewers=2)
    return play(site, job_of(site, plan))


@refused_as("agreement.code_review", "code")
def custom_code_that_a_second_reviewer_refused(site: Site, trainer: Trainer) -> Order:
    plan = reviewed(site, GOOD, "Ada")
    reviewed(site, GOOD, "Bob", verdict="refused")
    agreed_to(site, plan)
    return play(site, job_of(site, plan))


@refused_as("agreement.code_review", "code")
def a_review_that_comes_with_the_order(site: Site, trainer: Trainer) -> Order:
    plan = read_plan(GOOD.encode())
    agreed_to(site, plan)
    manifest = job_of(site, plan)
    order = site.order(manifest)
    folder = site.deliver(order, manifest)
    (folder / PLAN).write_bytes(plan.source)
    (folder / spool.DOCUMENT).write_bytes(word_on(plan, site.signatory, site.signatory))
    return order


@refused_as("agreement.code_review", "code")
def a_review_of_ours_for_other_code(site: Site, trainer: Trainer) -> Order:
    reviewed(site, GOOD, "Ada")
    plan = read_plan(NEW.encode())
    agreed_to(site, plan)
    return play(site, job_of(site, plan))


@refused_as("plans.unreadable")
def a_review_that_the_platform_signed_in_our_name(site: Site, trainer: Trainer) -> Order:
    plan = read_plan(GOOD.encode())
    planted(site, plan, word_on(plan, site.platform.key, site.signatory))
    agreed_to(site, plan)
    return play(site, job_of(site, plan))


@refused_as("plans.unreadable")
def another_member_s_review_in_place_of_ours(site: Site, trainer: Trainer) -> Order:
    plan = read_plan(GOOD.encode())
    planted(site, plan, word_on(plan, site.platform.partner, site.platform.partner))
    agreed_to(site, plan)
    return play(site, job_of(site, plan))


@refused_as("plans.unreadable")
def other_code_under_the_hash_that_was_reviewed(site: Site, trainer: Trainer) -> Order:
    plan = reviewed(site, GOOD, "Ada")
    (site.config.trainer_state / FOLDER / plan.digest.removeprefix("sha256:") / PLAN).write_text(NEW)
    agreed_to(site, plan)
    return play(site, job_of(site, plan))


@refused_as("code.other_model")
def a_model_that_is_not_the_plan_s(site: Site, trainer: Trainer) -> Order:
    plan = reviewed(site, GOOD, "Ada")
    agreed_to(site, plan)
    larger = {"name": "by.heart", "shape": [1000]}
    model = {"family": "plan", "parameters": [*plan.model["parameters"], larger]}
    return play(site, job_of(site, plan, model=model))


@refused_as("policy.code", "policy")
def custom_code_where_the_site_itself_wants_none(site: Site, trainer: Trainer) -> Order:
    plan = reviewed(site, GOOD, "Ada")
    agreed_to(site, plan)
    (site.folder / "policy.toml").write_text("disclose_rule = true\n")
    return play(site, job_of(site, plan))


@refused_as("code.privacy")
def custom_code_under_differential_privacy(site: Site, trainer: Trainer) -> Order:
    plan = reviewed(site, GOOD, "Ada")
    agreed_to(site, plan, privacy={"required": True, "epsilon_max": 1, "delta_max": 1e-5})
    return play(site, job_of(site, plan, privacy_cost={"epsilon": 1, "delta": 1e-5}))


@refused_as("code.no_runner")
def custom_code_where_there_is_no_runner(site: Site, trainer: Trainer) -> Order:
    plan = reviewed(site, GOOD, "Ada")
    agreed_to(site, plan)
    return play(site, job_of(site, plan))
