from __future__ import annotations

from typing import Any

from rest_framework import serializers

from benchmarks.peers.common.cursors import LIMIT
from benchmarks.peers.common.money import AMOUNT, CURRENCIES, KINDS, minor_units
from benchmarks.peers.drf.models import Customer

_ROW = ("id", "version", "created_at", "updated_at")


class Strict:
    """Refuses unknown fields, which a serializer would ignore."""

    def to_internal_value(self, data: Any) -> Any:
        values = super().to_internal_value(data)  # type: ignore[misc] # of the serializer
        if unknown := set(data) - set(self.fields):  # type: ignore[attr-defined] # same
            raise serializers.ValidationError({name: ["It is unknown."] for name in unknown})
        return values


class CustomerSerializer(Strict, serializers.ModelSerializer):
    attributes = serializers.DictField(required=False)

    class Meta:
        model = Customer
        fields = (*_ROW, "reference", "name", "email", "phone", "attributes")
        read_only_fields = _ROW


class NewCustomersSerializer(Strict, serializers.Serializer):
    items = CustomerSerializer(many=True, allow_empty=False, max_length=1000)


class PageSerializer(serializers.Serializer):
    limit = serializers.IntegerField(default=LIMIT, min_value=1, max_value=100)
    cursor = serializers.CharField(default=None)


class MoneySerializer(Strict, serializers.Serializer):
    amount = serializers.RegexField(AMOUNT)
    currency = serializers.ChoiceField(CURRENCIES)


class EntrySerializer(Strict, serializers.Serializer):
    account_id = serializers.UUIDField()
    amount = MoneySerializer()


class RowSerializer(serializers.Serializer):
    id = serializers.UUIDField(read_only=True)
    version = serializers.IntegerField(read_only=True)
    created_at = serializers.DateTimeField(read_only=True)
    updated_at = serializers.DateTimeField(read_only=True)


class TransactionSerializer(Strict, RowSerializer):
    kind = serializers.ChoiceField(KINDS)
    description = serializers.CharField(default="", max_length=500, allow_blank=True)
    entries = EntrySerializer(many=True, min_length=2, max_length=100)
    reference = serializers.CharField(read_only=True)
    conversation_id = serializers.UUIDField(read_only=True)
    task_id = serializers.UUIDField(read_only=True)
    expires_at = serializers.DateTimeField(read_only=True)
    status = serializers.CharField(read_only=True)
    posted_at = serializers.DateTimeField(read_only=True)
    reverses_id = serializers.UUIDField(read_only=True)
    reversed_by_id = serializers.UUIDField(read_only=True)
    needs_approval = serializers.BooleanField(read_only=True)
    approved_by_id = serializers.UUIDField(read_only=True)
    created_by = serializers.SerializerMethodField()

    def validate_entries(self, entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
        if sum(minor_units(entry["amount"]["amount"]) for entry in entries):
            raise serializers.ValidationError("They do not sum to zero.")
        return entries

    def get_created_by(self, made: Any) -> dict[str, Any]:
        return {
            "type": made.created_by_kind,
            "id": made.created_by_id,
            "name": made.created_by_name,
        }


class TaskSerializer(Strict, RowSerializer):
    kind = serializers.CharField(max_length=64)
    queue = serializers.RegexField(r"^[a-z0-9][a-z0-9._-]{0,63}$")
    priority = serializers.IntegerField(required=False, min_value=0, max_value=9)
    agent_id = serializers.UUIDField(read_only=True)
    input = serializers.DictField(required=False)
    metadata = serializers.DictField(required=False)
    run_after = serializers.DateTimeField(read_only=True)
    max_attempts = serializers.IntegerField(required=False, min_value=1, max_value=100)
    dedupe_key = serializers.CharField(read_only=True)
    conversation_id = serializers.UUIDField(read_only=True)
    parent_id = serializers.UUIDField(read_only=True)
    status = serializers.CharField(read_only=True)
    attempt = serializers.IntegerField(read_only=True)
    cancel_requested = serializers.BooleanField(read_only=True)
    claimed_by_id = serializers.UUIDField(read_only=True)
    output = serializers.JSONField(read_only=True)
    error = serializers.CharField(read_only=True)
    progress = serializers.JSONField(read_only=True)
    lease_expires_at = serializers.DateTimeField(read_only=True)
    started_at = serializers.DateTimeField(read_only=True)
    completed_at = serializers.DateTimeField(read_only=True)


class ClaimedTaskSerializer(TaskSerializer):
    lease_token = serializers.UUIDField(read_only=True)


class ClaimSerializer(Strict, serializers.Serializer):
    queues = serializers.ListField(child=serializers.CharField(), default=None)
    limit = serializers.IntegerField(default=1, min_value=1, max_value=100)
    lease_seconds = serializers.IntegerField(default=60, min_value=1, max_value=86_400)


class CompletionSerializer(Strict, serializers.Serializer):
    lease_token = serializers.UUIDField()
    output = serializers.JSONField(allow_null=True)


def load(serializer: type[serializers.Serializer], data: Any) -> dict[str, Any]:
    """The values that were sent; raises ValidationError."""
    loaded = serializer(data=data)
    loaded.is_valid(raise_exception=True)
    values: dict[str, Any] = loaded.validated_data
    return values
