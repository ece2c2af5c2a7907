"""The address of every page that somebody may open, with the ids of a platform that `bench_seed` has filled."""

from __future__ import annotations

from typing import Any

DOWNLOADS = ("job csv", "job json", "activity csv", "activity json", "agreement pdf")
"""What is written to a file while it is made: measured, and to be answered at all within the limit."""

STRANGERS = ("sign in", "password forgotten", "password forgotten, sent", "account closed")
"""Pages for who has not signed in."""

NOT_MEASURED = {
    "account_reauthenticate": "only for who signed in with a password, and it looks at nothing else",
    "mfa_authenticate": "only between a password and its second factor",
    "mfa_activate_totp": "only after a password was typed within the last minutes",
    "mfa_deactivate_totp": "only with a second factor, and after it was shown again",
    "mfa_view_recovery_codes": "only with a second factor, and after it was shown again",
    "mfa_generate_recovery_codes": "only with a second factor, and after it was shown again",
    "mfa_reauthenticate": "only with a second factor",
    "mfa_index": "leads to the account",
    "account_reset_password_from_key": "only with a link out of a letter",
    "welcome": "only with a link out of a letter",
    "openid_connect_login": "leads to the identity provider",
    "openid_connect_callback": "where the identity provider leads back to",
    "socialaccount_login_cancelled": "leads to the page of signing in",
    "signatory-key-revoke": "only with a signatory key, of which it reads that one row",
    "agreement-draft": "the form of a proposal, empty",
    "agreement-document": "a file, once signing is open",
    **{
        f"agreement-{name}": "a question before a step is taken: it reads less than the version's page"
        for name in (
            *("propose", "return-to-draft", "open-signing", "reopen", "withdraw", "terminate"),
            *("approve", "suspend", "lift", "upgrade"),
        )
    },
    "plan-source": "a file, as it was uploaded",
    "plan-reviews": "a file: the signed reviews of one plan",
    "silo-progress": "a fragment without a body: whether a silo's page is still true",
}
"""Addresses that answer GET and are not in the list, by their names, each with the reason."""


def paths(ids: dict[str, Any]) -> dict[str, str]:
    """Every page by a name."""
    job, model, silo = f"/jobs/{ids['job']}/", f"/models/{ids['model']}/", f"/silos/{ids['silo']}/"
    consortium, dataset = f"/consortia/{ids['consortium']}/", f"/datasets/{ids['dataset']}/"
    middle, agreement = ids["rounds"] // 2, f"/agreements/{ids['agreement']}/"
    return {
        "home": "/",
        "jobs": "/jobs/",
        "jobs, last page": "/jobs/?page=10",
        "jobs of a consortium": f"/jobs/?consortium={ids['consortium']}",
        "compare jobs": "/jobs/compare/?" + "&".join(f"job={one}" for one in ids["jobs"][:5]),
        "job": job,
        "job live": f"{job}live/",
        "job charts": f"{job}charts/",
        "job silos": f"{job}silos/",
        "job rounds": f"{job}rounds/",
        "job rounds, last page": f"{job}rounds/?page=11",
        "job round": f"{job}rounds/{middle}/1/",
        "job configuration": f"{job}configuration/",
        "job events": f"{job}events/",
        "job events, far back": f"{job}events/?page=400",
        "job report": f"{job}report/",
        "job csv": f"{job}figures.csv",
        "job json": f"{job}figures.json",
        "job statistics": f"/jobs/{ids['statistics']}/statistics/",
        "job statistics csv": f"/jobs/{ids['statistics']}/statistics.csv",
        "job pause": f"{job}pause/",
        "job resume": f"{job}resume/",
        "job cancel": f"{job}cancel/",
        "short job": f"/jobs/{ids['jobs'][1]}/",
        "launch": f"{consortium}launch/",
        "launch again": f"{consortium}launch/?from={ids['job']}",
        "launch statistics": f"{consortium}statistics/",
        "evaluate": f"/model-versions/{ids['version']}/evaluate/",
        "models": "/models/",
        "model": model,
        "model, two versions": f"{model}?round={middle}&with={ids['rounds'] - 1}",
        "consortium": consortium,
        **{
            f"consortium {tab}": f"{consortium}{tab}/"
            for tab in ("participants", "agreement", "silos", "datasets", "jobs", "models", "activity", "settings")
        },
        "plans": f"{consortium}plans/",
        "plan upload": f"{consortium}plans/upload/",
        "plan": f"/plans/{ids['plan']}/",
        "agreement": agreement,
        "agreement edit": f"{agreement}edit/",
        "agreement compare": f"{agreement}compare/",
        "agreement on paper": f"{agreement}paper/",
        "agreement pdf": f"{agreement}paper.pdf",
        "consortium remove": f"{consortium}participants/{ids['neighbour']}/remove/",
        "consortium leave": f"{consortium}participants/{ids['organisation']}/leave/",
        "found a consortium": "/consortia/found/",
        "activity": "/activity/",
        "chains of the record": "/activity/chains/",
        "activity of silos": "/activity/?verb=silo.",
        "activity csv": "/activity/events.csv",
        "activity json": "/activity/events.json",
        "silos": "/silos/",
        "silo": silo,
        "silo revoke": f"{silo}revoke/",
        "new silo": "/silos/new/",
        "datasets": "/datasets/",
        "data for a purpose": f"/datasets/for-a-purpose/?consortium={ids['consortium']}&category=health",
        "dataset": dataset,
        "dataset withdraw": f"{dataset}withdraw/",
        "organisations": "/organisations/",
        "organisation": f"/organisations/{ids['organisation']}/",
        "organisation edit": f"/organisations/{ids['organisation']}/edit/",
        "account": "/account/",
        "password": "/account/password/",
        "sign out everywhere": "/account/sessions/end/",
        "tokens": "/account/tokens/",
        "notifications": "/account/notifications/",
        "tutorial": "/tutorial/",
        "glossary": "/help/glossary/",
        "gallery": "/gallery/",
        "sign in": "/sign-in/",
        "password forgotten": "/password/forgotten/",
        "password forgotten, sent": "/password/forgotten/sent/",
        "account closed": "/sign-in/closed/",
    }
