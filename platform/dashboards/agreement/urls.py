"""The pages of agreements, and what is done on them."""

from django.urls import path

from dashboards.agreement import edit_views, members, views
from dashboards.agreement.confirmations import STEPS

_CONSORTIUM = "consortia/<uuid:consortium_id>/agreement/"
_VERSION = "agreements/<uuid:agreement_version_id>/"
_MEMBER = f"{_VERSION}members/<uuid:organisation_id>/"

urlpatterns = [
    path(_CONSORTIUM, views.overview, name="consortium-agreement"),
    path(f"{_CONSORTIUM}draft/", edit_views.draft, name="agreement-draft"),
    path(_VERSION, views.version, name="agreement"),
    path(f"{_VERSION}edit/", edit_views.edit, name="agreement-edit"),
    path(f"{_VERSION}compare/", views.compare, name="agreement-compare"),
    path(f"{_VERSION}paper/", views.printable_text, name="agreement-printable-text"),
    path(f"{_VERSION}paper.pdf", views.agreement_pdf, name="agreement-pdf"),
    path(f"{_VERSION}document/", views.document, name="agreement-document"),
    path(f"{_VERSION}comment/", edit_views.comment, name="agreement-comment"),
    path(f"{_VERSION}signature/", members.upload_signature, name="agreement-signature-upload"),
    path(f"{_MEMBER}approve/", members.approve, name="agreement-approve"),
    path(f"{_MEMBER}suspend/", members.suspend, name="agreement-suspend"),
    path(f"{_MEMBER}lift/", members.lift, name="agreement-lift"),
    *(path(f"{_VERSION}{name}/", edit_views.step, {"name": name}, name=f"agreement-{name}") for name in STEPS),
]
