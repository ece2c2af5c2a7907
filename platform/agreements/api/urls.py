"""The addresses of agreements under `/api/v1/`."""

from django.urls import path

from agreements.api.members import Comments, Lift, Revisions, Signatures, Suspend, Terminate
from agreements.api.versions import (
    OneVersion,
    OpenSigningView,
    Propose,
    Reopen,
    ReturnToDraft,
    Upgrade,
    VersionDocument,
    Versions,
    VersionText,
    Withdraw,
)

_VERSION = "agreements/versions/<uuid:agreement_version_id>/"

urlpatterns = [
    path("agreements/versions/", Versions.as_view(), name="api-agreements"),
    path(_VERSION, OneVersion.as_view(), name="api-agreement"),
    path(f"{_VERSION}text/", VersionText.as_view(), name="api-agreement-text"),
    path(f"{_VERSION}document/", VersionDocument.as_view(), name="api-agreement-document"),
    path(f"{_VERSION}upgrade/", Upgrade.as_view(), name="api-agreement-upgrade"),
    path(f"{_VERSION}propose/", Propose.as_view(), name="api-agreement-propose"),
    path(f"{_VERSION}return-to-draft/", ReturnToDraft.as_view(), name="api-agreement-return-to-draft"),
    path(f"{_VERSION}open-signing/", OpenSigningView.as_view(), name="api-agreement-open-signing"),
    path(f"{_VERSION}reopen/", Reopen.as_view(), name="api-agreement-reopen"),
    path(f"{_VERSION}withdraw/", Withdraw.as_view(), name="api-agreement-withdraw"),
    path(f"{_VERSION}terminate/", Terminate.as_view(), name="api-agreement-terminate"),
    path(f"{_VERSION}revisions/", Revisions.as_view(), name="api-agreement-revisions"),
    path(f"{_VERSION}comments/", Comments.as_view(), name="api-agreement-comments"),
    path(f"{_VERSION}signatures/", Signatures.as_view(), name="api-agreement-signatures"),
    path(f"{_VERSION}suspend/", Suspend.as_view(), name="api-agreement-suspend"),
    path(f"{_VERSION}lift/", Lift.as_view(), name="api-agreement-lift"),
]
