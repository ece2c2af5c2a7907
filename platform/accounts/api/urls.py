"""The addresses of accounts under `/api/v1/`."""

from django.urls import path

from accounts.api.organisations import OneOrganisation, OneSignatoryKey, Organisations, SignatoryKeys
from accounts.api.people import OneOrganisationRole, OneUser, OrganisationRoles, People, Users, Welcome
from accounts.api.role_offers import AcceptOffer, DeclineOffer, OffersOfOrganisation, OffersToMe, OneOfferOfOrganisation
from accounts.api.tokens import OneToken, Tokens

_ORGANISATION = "organisations/<uuid:organisation_id>/"

urlpatterns = [
    path("organisations/", Organisations.as_view(), name="api-organisations"),
    path(_ORGANISATION, OneOrganisation.as_view(), name="api-organisation"),
    path(f"{_ORGANISATION}people/", People.as_view(), name="api-people"),
    path(f"{_ORGANISATION}roles/", OrganisationRoles.as_view(), name="api-organisation-roles"),
    path(f"{_ORGANISATION}roles/<uuid:role_id>/", OneOrganisationRole.as_view(), name="api-organisation-role"),
    path(f"{_ORGANISATION}role-offers/", OffersOfOrganisation.as_view(), name="api-organisation-role-offers"),
    path(
        f"{_ORGANISATION}role-offers/<uuid:offer_id>/",
        OneOfferOfOrganisation.as_view(),
        name="api-organisation-role-offer",
    ),
    path(f"{_ORGANISATION}signatory-keys/", SignatoryKeys.as_view(), name="api-signatory-keys"),
    path(
        f"{_ORGANISATION}signatory-keys/<uuid:signatory_key_id>/",
        OneSignatoryKey.as_view(),
        name="api-signatory-key",
    ),
    path("role-offers/", OffersToMe.as_view(), name="api-role-offers"),
    path("role-offers/<uuid:offer_id>/accept/", AcceptOffer.as_view(), name="api-role-offer-accept"),
    path("role-offers/<uuid:offer_id>/decline/", DeclineOffer.as_view(), name="api-role-offer-decline"),
    path("users/", Users.as_view(), name="api-users"),
    path("users/<uuid:user_id>/", OneUser.as_view(), name="api-user"),
    path("users/<uuid:user_id>/welcome/", Welcome.as_view(), name="api-user-welcome"),
    path("tokens/", Tokens.as_view(), name="api-tokens"),
    path("tokens/<uuid:token_id>/", OneToken.as_view(), name="api-token"),
]
