"""The forms of training plans: uploading one, saying what one thinks of it, handing a signed review in."""

from __future__ import annotations

from django import forms
from django.utils.translation import gettext_lazy as _

from agreements.small_forms import ApprovalForm
from plans.models import Verdict


class UploadForm(forms.Form):
    """A plan as a file, or as text; the file wins where both are given."""

    file = forms.FileField(
        label=_("The file"),
        required=False,
        help_text=_("One Python file. It is read here and never run."),
        widget=forms.FileInput(attrs={"accept": ".py,text/x-python"}),
    )
    text = forms.CharField(
        label=_("Or its text"),
        required=False,
        strip=False,
        help_text=_("Counts where no file is chosen. Its lines end with a line feed alone, as on Linux or macOS."),
        widget=forms.Textarea(attrs={"rows": 14, "spellcheck": "false", "class": "mono", "autocapitalize": "none"}),
    )
    propose = forms.BooleanField(
        label=_("Ask the members' stewards to review it now"),
        required=False,
        help_text=_(
            "They find it on their home page and are notified by e-mail. You can also do so later, on its page."
        ),
    )


class ReviewForm(ApprovalForm):
    """A steward shows again who they are, and says what they hold of this very file."""

    verdict = forms.ChoiceField(
        label=_("Your verdict"),
        choices=[(Verdict.APPROVED, _("I have read it and approve it")), (Verdict.REFUSED, _("I refuse it"))],
        widget=forms.RadioSelect,
        error_messages={"required": _("Say whether you approve or refuse it.")},
    )
    note = forms.CharField(
        label=_("Note"),
        required=False,
        max_length=4000,
        help_text=_("What you looked at, or why you refuse it; the other members read it."),
        widget=forms.Textarea(attrs={"rows": 2}),
    )


class SignedReviewForm(forms.Form):
    """A review that was signed on premises."""

    document = forms.FileField(
        label=_("Signed review"),
        help_text=_("The file that silo-connector approve --export wrote"),
        widget=forms.ClearableFileInput(attrs={"accept": ".json,application/json"}),
    )
