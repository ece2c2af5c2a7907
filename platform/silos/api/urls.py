"""The addresses of silos and datasets under `/api/v1/`."""

from django.urls import path

from silos.api.datasets import DatasetOffer, DatasetRows, Datasets, DatasetWithdrawal, OneDataset
from silos.api.silos import EnrolmentCodes, OneSilo, SiloConfirmation, SiloRevocation, Silos

_SILO = "silos/<uuid:silo_id>/"
_DATASET = "datasets/<uuid:dataset_id>/"

urlpatterns = [
    path("silos/", Silos.as_view(), name="api-silos"),
    path(_SILO, OneSilo.as_view(), name="api-silo"),
    path(f"{_SILO}enrolment-codes/", EnrolmentCodes.as_view(), name="api-enrolment-codes"),
    path(f"{_SILO}confirm/", SiloConfirmation.as_view(), name="api-silo-confirm"),
    path(f"{_SILO}revoke/", SiloRevocation.as_view(), name="api-silo-revoke"),
    path("datasets/", Datasets.as_view(), name="api-datasets"),
    path(_DATASET, OneDataset.as_view(), name="api-dataset"),
    path(f"{_DATASET}withdraw/", DatasetWithdrawal.as_view(), name="api-dataset-withdraw"),
    path(f"{_DATASET}offer/", DatasetOffer.as_view(), name="api-dataset-offer"),
    path(f"{_DATASET}rows/", DatasetRows.as_view(), name="api-dataset-rows"),
]
