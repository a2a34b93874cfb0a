"""The words and numbers of the demo's data set."""

from __future__ import annotations

from app.domain.messages import NewMessage
from app.domain.money import Money
from app.domain.tasks import NewTask

ADMIN = "ada@demo.example"

# E-mail address, name, role.
USERS = [
    (ADMIN, "Ada Okafor", "admin"),
    ("stan@demo.example", "Stan Lindqvist", "staff"),
    ("vera@demo.example", "Vera Castellanos", "viewer"),
]
# Reference, name, e-mail address, phone number.
CUSTOMERS = [
    ("DEMO-001", "Harbour Lights Bakery", "orders@harbourlights.example", "+44 20 7946 0018"),
    ("DEMO-002", "Marguerite Dubois", "marguerite@dubois.example", "+33 1 99 00 12 34"),
    ("DEMO-003", "Tanaka Instruments KK", "keiri@tanaka.example", None),
    ("DEMO-004", "Oluwaseun Adeyemi", "seun@adeyemi.example", "+44 113 496 0712"),
    ("DEMO-005", "Fjord & Fell Outfitters", "hello@fjordfell.example", "+47 22 00 01 02"),
    ("DEMO-006", "Priya Raghunathan", None, "+44 131 496 0456"),
    ("DEMO-007", "Kowalski i Synowie", "biuro@kowalski.example", None),
    ("DEMO-008", "Esperanza Núñez", "esperanza@nunez.example", "+34 910 00 05 06"),
]
# Name, kind, queues, and the e-mail address of the user to whom a person is linked.
AGENTS = [
    ("Triage bot", "ai", ["triage", "replies"], None),
    ("Stan Lindqvist", "human", ["back-office"], "stan@demo.example"),
]
# Customer, channel, priority, subject, the customer's message, the task about it.
CONVERSATIONS = [
    (
        "DEMO-001",
        "email",
        "high",
        "Charged twice for October",
        NewMessage(
            body="Our statement shows the October fee twice. Could you give one of them back?",
            external_id="demo-1",
        ),
        NewTask(kind="check-fee", queue="back-office"),
    ),
    (
        "DEMO-002",
        "web",
        "normal",
        "Where do I change my address?",
        NewMessage(
            body="I have moved to Lyon and can't find where to tell you.", external_id="demo-2"
        ),
        NewTask(kind="answer", queue="replies"),
    ),
    (
        "DEMO-004",
        "chat",
        "urgent",
        "Card payment refused",
        NewMessage(
            body="I am at the till and my card is refused. There is money on the account!",
            external_id="demo-3",
        ),
        NewTask(kind="classify", queue="triage"),
    ),
    (
        "DEMO-008",
        "phone",
        "low",
        "Paper statements",
        NewMessage(
            body="She would like her statements on paper from January on.", external_id="demo-4"
        ),
        None,
    ),
]
# Customer, the account's name, its currency, and its history: kind, amount, description.
ACCOUNTS = [
    (
        "DEMO-001",
        "Business",
        "GBP",
        [
            ("deposit", Money(1_250_000, "GBP"), "Takings"),
            ("fee", Money(-1_500, "GBP"), "October fee"),
            ("fee", Money(-1_500, "GBP"), "October fee"),
        ],
    ),
    ("DEMO-002", "Current", "EUR", [("deposit", Money(84_250, "EUR"), "Salary")]),
    ("DEMO-003", "Business", "JPY", [("deposit", Money(3_000_000, "JPY"), "Opening")]),
    ("DEMO-004", "Current", "GBP", [("deposit", Money(31_999, "GBP"), "Salary")]),
]
# SKU, name, description, price.
PRODUCTS = [
    (
        "DEMO-CUR",
        "Current account",
        "For every day, with a card and no monthly fee.",
        Money(0, "GBP"),
    ),
    (
        "DEMO-BIZ",
        "Business account",
        "With invoices, several users and a monthly fee.",
        Money(1_500, "GBP"),
    ),
    (
        "DEMO-TRV",
        "Travel card",
        "Pays abroad in any currency without extra fees.",
        Money(950, "EUR"),
    ),
]
# Question, answer, the SKU of its product, tags, and whether it is published.
FAQS = [
    (
        "How do I get a fee refunded?",
        "Write to us within 60 days. A fee that was charged in error is refunded the same day.",
        "DEMO-BIZ",
        ["fees"],
        True,
    ),
    (
        "Why was my card refused?",
        "Mostly the PIN was mistyped three times or the limit was reached. The app says which.",
        "DEMO-CUR",
        ["cards"],
        True,
    ),
    (
        "What does the travel card cost abroad?",
        "Nothing on top of the rate. Cash machines may charge a fee of their own, and say so.",
        "DEMO-TRV",
        ["cards", "fees"],
        True,
    ),
    (
        "How do I change my address?",
        "In the app under Profile, or by a signed letter. We confirm it to both addresses.",
        None,
        ["profile"],
        True,
    ),
    (
        "Can I have my statements on paper?",
        "Yes, from the first of the next month on. To be agreed: what each of them costs.",
        None,
        ["statements"],
        False,
    ),
]
REMINDER = "Call Fjord & Fell about their new signatories"
