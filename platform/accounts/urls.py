"""The pages of accounts."""

from django.contrib.auth.views import LogoutView
from django.urls import path

from accounts import organisation_views as houses
from accounts import views

_ORGANISATION = "organisations/<uuid:organisation_id>/"

urlpatterns = [
    path("sign-in/", views.SignIn.as_view(), name="sign-in"),
    path("sign-out/", LogoutView.as_view(), name="sign-out"),
    path("welcome/<uidb64>/<token>/", views.Welcome.as_view(), name="welcome"),
    path("account/", views.account, name="account"),
    path("account/password/", views.Password.as_view(), name="password"),
    path("account/tokens/", views.tokens, name="tokens"),
    path("account/tokens/<uuid:token_id>/revoke/", views.revoke, name="token-revoke"),
    path("organisations/", houses.organisations, name="organisations"),
    path(_ORGANISATION, houses.organisation, name="organisation"),
    path(f"{_ORGANISATION}people/", houses.add_person, name="organisation-people"),
    path(f"{_ORGANISATION}people/<uuid:user_id>/welcome/", houses.welcome_again, name="person-welcome"),
    path(f"{_ORGANISATION}roles/<uuid:role_id>/revoke/", houses.remove_role, name="organisation-role-revoke"),
    path(f"{_ORGANISATION}signatory-keys/", houses.add_key, name="signatory-keys"),
    path(
        f"{_ORGANISATION}signatory-keys/<uuid:signatory_key_id>/revoke/", houses.revoke_key, name="signatory-key-revoke"
    ),
]
