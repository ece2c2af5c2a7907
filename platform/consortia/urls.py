"""The pages of consortia; those of one stand in `dashboards`."""

from django.urls import path

from consortia import views

_CONSORTIUM = "consortia/<uuid:consortium_id>/"
_OFFER = "consortium-role-offers/<uuid:offer_id>/"
_INVITATION = "invitations/<uuid:invitation_id>/"

urlpatterns = [
    path("consortia/found/", views.found, name="consortium-found"),
    path(f"{_CONSORTIUM}participants/<uuid:organisation_id>/leave/", views.leave, name="consortium-leave"),
    path(f"{_CONSORTIUM}participants/<uuid:organisation_id>/remove/", views.remove, name="consortium-remove"),
    path(f"{_CONSORTIUM}roles/<uuid:role_id>/revoke/", views.revoke, name="consortium-role-revoke"),
    path(
        f"{_CONSORTIUM}role-offers/<uuid:offer_id>/withdraw/",
        views.withdraw_offer,
        name="consortium-role-offer-withdraw",
    ),
    path(f"{_OFFER}accept/", views.answer_role_offer, {"answer": "accept"}, name="consortium-role-offer-accept"),
    path(f"{_OFFER}decline/", views.answer_role_offer, {"answer": "decline"}, name="consortium-role-offer-decline"),
    path(f"{_INVITATION}accept/", views.answer, {"answer": "accept"}, name="invitation-accept"),
    path(f"{_INVITATION}decline/", views.answer, {"answer": "decline"}, name="invitation-decline"),
    path(f"{_INVITATION}withdraw/", views.withdraw, name="invitation-withdraw"),
]
