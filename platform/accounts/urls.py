"""The pages of accounts."""

from django.urls import include, path

from accounts import organisation_views, views

_OFFER = "role-offers/<uuid:offer_id>/"
_ORGANISATION = "organisations/<uuid:organisation_id>/"

urlpatterns = [
    path("", include("accounts.sign_in_urls")),
    path("account/", views.account, name="account"),
    path("account/password/", views.Password.as_view(), name="password"),
    path("account/language/", views.language, name="language"),
    path("account/sessions/end/", views.end_every_session, name="sessions-end"),
    path("account/sessions/<int:session_id>/end/", views.end_one_session, name="session-end"),
    path("account/tokens/", views.tokens, name="tokens"),
    path("account/tokens/<uuid:token_id>/revoke/", views.revoke, name="token-revoke"),
    path(f"{_OFFER}accept/", views.answer_role_offer, {"answer": "accept"}, name="role-offer-accept"),
    path(f"{_OFFER}decline/", views.answer_role_offer, {"answer": "decline"}, name="role-offer-decline"),
    path("organisations/", organisation_views.organisations, name="organisations"),
    path(_ORGANISATION, organisation_views.organisation, name="organisation"),
    path(f"{_ORGANISATION}edit/", organisation_views.edit, name="organisation-edit"),
    path(f"{_ORGANISATION}people/", organisation_views.add_person, name="organisation-people"),
    path(f"{_ORGANISATION}people/<uuid:user_id>/welcome/", organisation_views.welcome_again, name="person-welcome"),
    path(
        f"{_ORGANISATION}roles/<uuid:role_id>/revoke/", organisation_views.remove_role, name="organisation-role-revoke"
    ),
    path(
        f"{_ORGANISATION}role-offers/<uuid:offer_id>/withdraw/",
        organisation_views.withdraw_offer,
        name="role-offer-withdraw",
    ),
    path(f"{_ORGANISATION}signatory-keys/", organisation_views.add_key, name="signatory-keys"),
    path(
        f"{_ORGANISATION}signatory-keys/<uuid:signatory_key_id>/revoke/",
        organisation_views.revoke_key,
        name="signatory-key-revoke",
    ),
]
