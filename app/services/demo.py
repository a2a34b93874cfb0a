"""A small believable data set; loading it again changes nothing."""

from __future__ import annotations

from dataclasses import dataclass

from app.db import retry
from app.services.base import Service
from app.services.customers import CustomerService
from app.services.users import UserService

ADMIN = "ada@demo.example"

_USERS = [
    (ADMIN, "Ada Okafor", "admin"),
    ("stan@demo.example", "Stan Lindqvist", "staff"),
    ("vera@demo.example", "Vera Castellanos", "viewer"),
]
_CUSTOMERS = [
    ("DEMO-001", "Harbour Lights Bakery", "orders@harbourlights.example", "+44 20 7946 0018"),
    ("DEMO-002", "Marguerite Dubois", "marguerite@dubois.example", "+33 1 99 00 12 34"),
    ("DEMO-003", "Tanaka Instruments KK", "keiri@tanaka.example", None),
    ("DEMO-004", "Oluwaseun Adeyemi", "seun@adeyemi.example", "+44 113 496 0712"),
    ("DEMO-005", "Fjord & Fell Outfitters", "hello@fjordfell.example", "+47 22 00 01 02"),
    ("DEMO-006", "Priya Raghunathan", None, "+44 131 496 0456"),
    ("DEMO-007", "Kowalski i Synowie", "biuro@kowalski.example", None),
    ("DEMO-008", "Esperanza Núñez", "esperanza@nunez.example", "+34 910 00 05 06"),
]


@dataclass(frozen=True, kw_only=True)
class DemoService(Service):
    @retry
    def load(self) -> tuple[int, int]:
        """All of it in one unit of work; returns how many users and customers were new."""
        with self.database.session():
            return self._load_users(), self._load_customers()

    def _load_users(self) -> int:
        users = UserService(database=self.database, actor=self.actor)
        new = [row for row in _USERS if users.find(email=row[0]) is None]
        for email, name, role in new:
            users.create({"email": email, "name": name, "role": role})
        return len(new)

    def _load_customers(self) -> int:
        customers = CustomerService(database=self.database, actor=self.actor)
        new = [row for row in _CUSTOMERS if customers.find(reference=row[0]) is None]
        for reference, name, email, phone in new:
            values = {"reference": reference, "name": name, "email": email, "phone": phone}
            customers.create({**values, "attributes": {"source": "demo"}})
        return len(new)
