"""Pages by cursor: what is listed may grow while somebody reads it."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.core.exceptions import FieldDoesNotExist, ValidationError
from django.db.models import Model, QuerySet
from rest_framework.exceptions import NotFound as CursorUnreadable
from rest_framework.pagination import Cursor, CursorPagination
from rest_framework.request import Request

from rest.errors import Unprocessable

if TYPE_CHECKING:  # REST framework reads its settings, which name this module, before its views are there
    from rest_framework.views import APIView

PAGE_SIZE_MAX = 200
CURSOR_LENGTH_MAX = 1000


class CursorPage(CursorPagination):
    """`?cursor=…&page_size=…`. The order is the view's `page_ordering`, else the model's; it begins with no null."""

    page_size_query_param = "page_size"
    max_page_size = PAGE_SIZE_MAX
    _model: type[Model]

    def paginate_queryset(  # type: ignore[override]  # only querysets have cursors
        self, queryset: QuerySet[Any], request: Request, view: APIView | None = None
    ) -> list[Any] | None:
        """One page, or Unprocessable `cursor.invalid` or `page_size.invalid`."""
        self._model = queryset.model
        return super().paginate_queryset(queryset, request, view)

    def get_ordering(self, request: Request, queryset: QuerySet[Any], view: APIView) -> tuple[str, ...]:
        """What the view says, else what the model says."""
        ordering = getattr(view, "page_ordering", None) or queryset.model._meta.ordering or ("-pk",)
        return tuple(str(name) for name in ordering)

    def get_page_size(self, request: Request) -> int | None:
        """The wanted number of rows, from 1 to 200."""
        asked = request.query_params.get("page_size")
        if asked is None:
            return self.page_size
        if not asked.isascii() or not asked.isdigit() or len(asked) > 4 or not 1 <= int(asked) <= PAGE_SIZE_MAX:
            raise Unprocessable("page_size.invalid", f"A number from 1 to {PAGE_SIZE_MAX}.", "page_size")
        return int(asked)

    def decode_cursor(self, request: Request) -> Cursor | None:
        """Where the page begins. What is no cursor of this list raises Unprocessable `cursor.invalid`."""
        try:
            if len(request.query_params.get(self.cursor_query_param, "")) > CURSOR_LENGTH_MAX:
                raise ValueError("a cursor is short")
            cursor = super().decode_cursor(request)
            if cursor is not None and cursor.position is not None:
                self._check_position(str(cursor.position))
        except (CursorUnreadable, ValidationError, ValueError, OverflowError, FieldDoesNotExist) as error:
            raise Unprocessable(
                "cursor.invalid", "This is not a cursor of this list. Begin again without one.", "cursor"
            ) from error
        return cursor

    def _check_position(self, position: str) -> None:
        if "\0" in position:
            raise ValueError("no text of ours holds a NUL")
        name = self.ordering[0].lstrip("-")
        field = self._model._meta.pk if name == "pk" else self._model._meta.get_field(name)
        value = field.to_python(position)  # type: ignore[union-attr]
        if isinstance(value, datetime) and value.tzinfo is None:
            raise ValueError("a moment of ours has a zone")

    def get_schema_operation_parameters(self, view: APIView) -> list[dict[str, Any]]:
        """The two query parameters, with the bounds of the second."""
        parameters: list[dict[str, Any]] = super().get_schema_operation_parameters(view)
        for parameter in parameters:
            if parameter["name"] == "page_size":
                parameter["schema"] = {"type": "integer", "minimum": 1, "maximum": PAGE_SIZE_MAX, "default": 50}
        return parameters
