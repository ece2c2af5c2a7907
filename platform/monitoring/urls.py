"""The pages of notifications."""

from django.urls import path

from monitoring import views

urlpatterns = [
    path("account/notifications/", views.notifications, name="notifications"),
    path("account/notifications/choose/", views.choose, name="notifications-choose"),
    path("account/webhooks/", views.add_webhook, name="webhooks"),
    path("account/webhooks/<uuid:webhook_id>/try/", views.try_webhook, name="webhook-try"),
    path("account/webhooks/<uuid:webhook_id>/remove/", views.remove_webhook, name="webhook-remove"),
]
