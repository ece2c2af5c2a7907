"""The pages of silos and datasets; that of one dataset stands in `dashboards`."""

from django.urls import path

from silos import dataset_views, views

_SILO = "silos/<uuid:silo_id>/"
_DATASET = "datasets/<uuid:dataset_id>/"

urlpatterns = [
    path("silos/", views.silos, name="silos"),
    path("silos/new/", views.new_silo, name="silo-new"),
    path(_SILO, views.silo, name="silo"),
    path(f"{_SILO}code/", views.code, name="silo-code"),
    path(f"{_SILO}progress/", views.progress, name="silo-progress"),
    path(f"{_SILO}confirm/", views.confirm, name="silo-confirm"),
    path(f"{_SILO}revoke/", views.revoke, name="silo-revoke"),
    path("datasets/", dataset_views.datasets, name="datasets"),
    path(f"{_DATASET}withdraw/", dataset_views.dataset_withdraw, name="dataset-withdraw"),
    path(f"{_DATASET}offer/", dataset_views.dataset_offer, name="dataset-offer"),
    path(f"{_DATASET}rows/", dataset_views.dataset_rows, name="dataset-rows"),
]
