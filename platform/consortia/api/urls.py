"""The addresses of consortia under `/api/v1/`."""

from django.urls import path

from consortia.api.consortia import Consortia, ConsortiumRoles, OneConsortium, OneConsortiumRole
from consortia.api.participants import (
    Accept,
    Decline,
    Invitations,
    Leave,
    OneInvitation,
    Participants,
    Remove,
    Withdraw,
)
from consortia.api.record import Events, WhoAmI
from consortia.api.role_offers import (
    AcceptConsortiumOffer,
    ConsortiumOffersToMe,
    DeclineConsortiumOffer,
    OffersOfConsortium,
    OneOfferOfConsortium,
)

_CONSORTIUM = "consortia/<uuid:consortium_id>/"
_OFFER = "consortium-role-offers/<uuid:offer_id>/"
_INVITATION = "invitations/<uuid:invitation_id>/"

urlpatterns = [
    path("me/", WhoAmI.as_view(), name="api-me"),
    path("consortia/", Consortia.as_view(), name="api-consortia"),
    path(_CONSORTIUM, OneConsortium.as_view(), name="api-consortium"),
    path(f"{_CONSORTIUM}participants/", Participants.as_view(), name="api-participants"),
    path(f"{_CONSORTIUM}participants/<uuid:organisation_id>/leave/", Leave.as_view(), name="api-leave"),
    path(f"{_CONSORTIUM}participants/<uuid:organisation_id>/remove/", Remove.as_view(), name="api-remove"),
    path(f"{_CONSORTIUM}roles/", ConsortiumRoles.as_view(), name="api-consortium-roles"),
    path(f"{_CONSORTIUM}roles/<uuid:role_id>/", OneConsortiumRole.as_view(), name="api-consortium-role"),
    path(f"{_CONSORTIUM}role-offers/", OffersOfConsortium.as_view(), name="api-offers-of-consortium"),
    path(f"{_CONSORTIUM}role-offers/<uuid:offer_id>/", OneOfferOfConsortium.as_view(), name="api-offer-of-consortium"),
    path("consortium-role-offers/", ConsortiumOffersToMe.as_view(), name="api-consortium-role-offers"),
    path(f"{_OFFER}accept/", AcceptConsortiumOffer.as_view(), name="api-consortium-role-offer-accept"),
    path(f"{_OFFER}decline/", DeclineConsortiumOffer.as_view(), name="api-consortium-role-offer-decline"),
    path("invitations/", Invitations.as_view(), name="api-invitations"),
    path(_INVITATION, OneInvitation.as_view(), name="api-invitation"),
    path(f"{_INVITATION}accept/", Accept.as_view(), name="api-accept"),
    path(f"{_INVITATION}decline/", Decline.as_view(), name="api-decline"),
    path(f"{_INVITATION}withdraw/", Withdraw.as_view(), name="api-withdraw"),
    path("events/", Events.as_view(), name="api-events"),
]
