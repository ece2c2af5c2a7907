"""The small forms of negotiating and signing: comment, reason, a wording that was seen, signature, approval."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy


class CommentForm(forms.Form):
    """Something to say about a clause."""

    clause = forms.CharField(max_length=40, widget=forms.HiddenInput)
    text = forms.CharField(label=gettext_lazy("Comment"), max_length=4000, widget=forms.Textarea(attrs={"rows": 2}))


class ReasonForm(forms.Form):
    """Why."""

    reason = forms.CharField(
        label=gettext_lazy("Reason"),
        max_length=2000,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=gettext_lazy("It stays in the audit log, where the other members read it too"),
    )


class SeenDigestForm(forms.Form):
    """Which wording it is about, so that nobody opens another one for signing than they read."""

    seen_digest = forms.CharField(max_length=80, widget=forms.HiddenInput)


class SignatureForm(forms.Form):
    """A file that was signed on premises."""

    document = forms.FileField(
        label=gettext_lazy("Signed document"),
        help_text=gettext_lazy("The file that silo-connector sign --export wrote"),
        widget=forms.ClearableFileInput(attrs={"accept": ".json,application/json"}),
    )


class ApprovalForm(forms.Form):
    """A steward shows again who they are, and says that these bytes are meant."""

    seen_digest = forms.CharField(max_length=80, widget=forms.HiddenInput)
    proof = forms.CharField(max_length=200, strip=False)

    def __init__(self, data: Any = None, *, by_code: bool, **kwargs: Any) -> None:
        super().__init__(data, **kwargs)
        field = self.fields["proof"]
        if by_code:
            field.label = _("Code")
            field.help_text = _("Six digits from your authenticator app, or one of your recovery codes")
            field.widget = forms.TextInput(attrs={"autocomplete": "one-time-code", "spellcheck": "false"})
        else:
            field.label, field.help_text = (
                _("Password"),
                _("You have no second factor: show who you are by your password."),
            )
            field.widget = forms.PasswordInput(attrs={"autocomplete": "current-password"})
