"""Custom code through every real process: uploaded, agreed on, read and approved on premises, run, and killed."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from demo.agreement import SCOPES as AGREEMENTS
from demo.agreement import bring_into_force
from demo.client import Client
from demo.hospitals import CONSORTIUM_ADMINISTRATOR, DATA_SCIENTIST, STEWARD
from demo.job import SCOPES
from demo.processes import Child, DemoError
from tests.faults.conftest import Federation
from tests.support.patience import until

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("federation")]

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "logistic_plan.py"


@pytest.fixture(scope="module")
def scientist(federation: Federation) -> Client:
    """The data scientist, who may upload plans."""
    signed_in = federation.ensemble.sign_in(DATA_SCIENTIST.email)
    return signed_in.with_token("plans", [*SCOPES, "plans:read", "plans:write"])


@pytest.fixture(scope="module")
def runners(federation: Federation, scientist: Client) -> list[Child]:
    """A runner beside every trainer; every silo has reported it to the platform."""
    until(
        "every silo tells that it runs training plans",
        lambda: all("plan" in silo["capabilities"].get("families", ()) for silo in scientist.all("silos/")),
    )
    return federation.runners


@pytest.fixture(scope="module")
def plan(federation: Federation, scientist: Client) -> dict[str, Any]:
    """The example, uploaded, and named by an agreement that everybody has signed."""
    uploaded = dict(scientist.post("plans/", {"consortium": federation.consortium, "text": EXAMPLE.read_text()}))
    ensemble = federation.ensemble
    administrator = ensemble.sign_in(CONSORTIUM_ADMINISTRATOR.email).with_token("plans", AGREEMENTS)
    steward = ensemble.sign_in(STEWARD.email).with_token("plans", AGREEMENTS)
    current = next(iter(administrator.all("agreements/versions/", state="in_force")))
    terms = administrator.get(f"agreements/versions/{current['id']}/")["terms"]
    terms["code"] = {"digests": [uploaded["digest"]], "reviewers": 1}
    terms["training_limits"]["families"] = ["logistic", "mlp", "plan"]
    bring_into_force(
        administrator, steward, federation.consortium, terms, ensemble.connectors, ensemble.coordinator_signatory
    )
    return uploaded


def launch(federation: Federation, plan: dict[str, Any]) -> str:
    """A job by the plan."""
    return federation.launch(model=None, plan=plan["digest"], rounds=3, local={"steps": 60, "batch_size": 4})


@pytest.mark.usefixtures("runners")
def test_nothing_runs_before_people_of_every_organisation_have_approved_it(
    federation: Federation, plan: dict[str, Any]
) -> None:
    with pytest.raises(DemoError, match=r"agreement\.code_review"):
        launch(federation, plan)


def test_a_plan_trains_and_a_runner_that_is_killed_changes_nothing(
    federation: Federation, scientist: Client, plan: dict[str, Any], runners: list[Child]
) -> None:
    for connector in federation.ensemble.connectors:
        connector.approve(EXAMPLE, f"Steward of {connector.hospital.silo}")
    until(
        f"{len(runners)} reviews came", lambda: len(list(scientist.get(f"plans/{plan['id']}/reviews/"))) == len(runners)
    )
    in_peace = launch(federation, plan)
    learned = federation.final_digest(in_peace)
    killed = launch(federation, plan)
    federation.wait_for_round(killed, 2)
    runners[0].kill()
    time.sleep(0.3)
    runners[0].start()
    assert federation.final_digest(killed) == learned
