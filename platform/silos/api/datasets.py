"""REST: the datasets that silos offer."""

from __future__ import annotations

from uuid import UUID

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.access import signed_in
from accounts.models import Scope
from accounts.permissions import Permission
from rest.idempotency import idempotent
from silos import selectors
from silos.datasets import offer_again, withdraw
from silos.filters import DatasetFilter
from silos.growth import confirm_rows
from silos.models import Dataset
from silos.permissions import access_dataset
from silos.serializers import DatasetDetailOut, DatasetOut, RowsConfirmation


class Datasets(ListAPIView[Dataset]):
    """The datasets that your organisations and those that they train with offer."""

    scopes = {"GET": Scope.DATASETS_READ}
    queryset = Dataset.objects.none()
    serializer_class = DatasetOut
    filterset_class = DatasetFilter
    page_ordering = ("name", "id")

    def get_queryset(self) -> QuerySet[Dataset]:
        """Those that the asker sees."""
        return selectors.datasets_visible_to(signed_in(self.request))


class OneDataset(APIView):
    """A dataset."""

    scopes = {"GET": Scope.DATASETS_READ}

    @extend_schema(responses=DatasetDetailOut)
    def get(self, request: Request, dataset_id: UUID) -> Response:
        """What its silo has declared of it: columns, transformations, split, and about how many rows."""
        return Response(DatasetDetailOut(access_dataset(signed_in(request), dataset_id)).data)


class DatasetWithdrawal(APIView):
    """The end of an offer."""

    scopes = {"POST": Scope.DATASETS_WRITE}

    @extend_schema(request=None, responses=DatasetDetailOut)
    @idempotent()
    def post(self, request: Request, dataset_id: UUID) -> Response:
        """Offer it no longer, until somebody offers it again: running jobs go on, new ones can't name it."""
        user = signed_in(request)
        dataset = access_dataset(user, dataset_id, Permission.DATASET_MANAGE)
        return Response(DatasetDetailOut(withdraw(dataset=dataset, by=user)).data)


class DatasetOffer(APIView):
    """The end of a withdrawal."""

    scopes = {"POST": Scope.DATASETS_WRITE}

    @extend_schema(request=None, responses=DatasetDetailOut)
    @idempotent()
    def post(self, request: Request, dataset_id: UUID) -> Response:
        """Offer it again: new jobs can name it."""
        user = signed_in(request)
        dataset = access_dataset(user, dataset_id, Permission.DATASET_MANAGE)
        return Response(DatasetDetailOut(offer_again(dataset=dataset, by=user)).data)


class DatasetRows(APIView):
    """A growth that waits."""

    scopes = {"POST": Scope.DATASETS_WRITE}

    @extend_schema(request=RowsConfirmation, responses=DatasetDetailOut)
    @idempotent()
    def post(self, request: Request, dataset_id: UUID) -> Response:
        """Confirm that the dataset has ten times as many rows as before: they count in jobs that begin afterwards."""
        user = signed_in(request)
        dataset = access_dataset(user, dataset_id, Permission.DATASET_CONFIRM)
        statement = RowsConfirmation(data=request.data)
        statement.is_valid(raise_exception=True)
        confirmed = confirm_rows(dataset=dataset, rows_coarse=statement.validated_data["rows_coarse"], by=user)
        return Response(DatasetDetailOut(confirmed).data)
