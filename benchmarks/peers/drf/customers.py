from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.db.models import Q
from rest_framework.response import Response
from rest_framework.views import APIView

from benchmarks.peers.common.cursors import cursor_of, link_to, place_of
from benchmarks.peers.common.events import CUSTOMER_FIELDS, first_values
from benchmarks.peers.common.refusals import Refused
from benchmarks.peers.drf.models import Customer, add_events
from benchmarks.peers.drf.serializers import (
    CustomerSerializer,
    NewCustomersSerializer,
    PageSerializer,
    load,
)

if TYPE_CHECKING:
    from uuid import UUID


class Customers(APIView):
    def get(self, request: Any) -> Response:
        page = load(PageSerializer, request.query_params)
        limit, cursor, headers = page["limit"], None, {}
        found = list(_page(page["cursor"])[: limit + 1])
        items = found[:limit]
        if len(found) > limit:
            cursor = cursor_of(items[-1].created_at, items[-1].id)
            headers["Link"] = link_to(request.path, limit, cursor)
        body = {"items": CustomerSerializer(items, many=True).data, "next_cursor": cursor}
        return Response(body, headers=headers)

    @transaction.atomic
    def post(self, request: Any) -> Response:
        request.user.require_writer()
        customer = Customer.objects.create(**load(CustomerSerializer, request.data))
        add_events(request, "created", [(customer, first_values(customer, CUSTOMER_FIELDS))])
        headers = {"ETag": f'"{customer.version}"', "Location": f"/v1/customers/{customer.id}"}
        return Response(CustomerSerializer(customer).data, 201, headers=headers)


class OneCustomer(APIView):
    def get(self, _: Any, key: UUID) -> Response:
        customer = Customer.objects.filter(id=key, deleted_at=None).first()
        if customer is None:
            raise Refused(404, "not-found")
        headers = {"ETag": f'"{customer.version}"'}
        return Response(CustomerSerializer(customer).data, headers=headers)


class ManyCustomers(APIView):
    @transaction.atomic
    def post(self, request: Any) -> Response:
        request.user.require_writer()
        items = load(NewCustomersSerializer, request.data)["items"]
        customers = Customer.objects.bulk_create([Customer(**item) for item in items])
        changes = [(customer, first_values(customer, CUSTOMER_FIELDS)) for customer in customers]
        add_events(request, "created", changes)
        return Response({"items": CustomerSerializer(customers, many=True).data}, 201)


def _page(cursor: str | None) -> Any:
    listed = Customer.objects.filter(deleted_at=None).order_by("-created_at", "-id")
    if cursor is None:
        return listed
    created_at, key = place_of(cursor)
    after = Q(created_at__lt=created_at) | Q(id__lt=key)
    return listed.filter(after, created_at__lte=created_at)
