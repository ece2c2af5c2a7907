"""Addresses of signing in and of the second factor. Views without a name of ours are allauth's, which looks them up."""

from allauth.account.views import AccountInactiveView, PasswordResetDoneView, ReauthenticateView
from allauth.mfa.base.views import ReauthenticateView as ReauthenticateByCodeView
from django.contrib.auth.views import LogoutView
from django.urls import include, path, re_path
from django.views.generic import RedirectView

from accounts import views
from accounts.second_factor import views as factor

_FACTOR = "account/second-factor/"

urlpatterns = [
    path("sign-in/", views.SignIn.as_view(), name="sign-in"),
    path("sign-in/", views.SignIn.as_view(), name="account_login"),
    path("sign-in/code/", factor.Code.as_view(), name="mfa_authenticate"),
    path("sign-in/closed/", AccountInactiveView.as_view(), name="account_inactive"),
    path("sign-in/with/", include("allauth.socialaccount.providers.openid_connect.urls")),
    path("sign-in/cancelled/", RedirectView.as_view(pattern_name="sign-in"), name="socialaccount_login_cancelled"),
    path("sign-out/", LogoutView.as_view(), name="sign-out"),
    path("sign-out/", LogoutView.as_view(), name="account_logout"),
    path("password/forgotten/", views.PasswordResetRequestView.as_view(), name="account_reset_password"),
    path("password/forgotten/sent/", PasswordResetDoneView.as_view(), name="account_reset_password_done"),
    re_path(
        r"^password/new/(?P<uidb36>[0-9A-Za-z]+)-(?P<key>[^/]+)/$",
        views.NewPassword.as_view(),
        name="account_reset_password_from_key",
    ),
    path("welcome/<uidb64>/<token>/", views.Welcome.as_view(), name="welcome"),
    path("account/confirm/", ReauthenticateView.as_view(), name="account_reauthenticate"),
    path("account/confirm/code/", ReauthenticateByCodeView.as_view(), name="mfa_reauthenticate"),
    path(_FACTOR, RedirectView.as_view(pattern_name="account"), name="mfa_index"),
    path(f"{_FACTOR}set-up/", factor.SetUp.as_view(), name="mfa_activate_totp"),
    path(f"{_FACTOR}remove/", factor.Remove.as_view(), name="mfa_deactivate_totp"),
    path(f"{_FACTOR}recovery-codes/", factor.RecoveryCodes.as_view(), name="mfa_view_recovery_codes"),
    path(f"{_FACTOR}recovery-codes/new/", factor.NewRecoveryCodes.as_view(), name="mfa_generate_recovery_codes"),
]
