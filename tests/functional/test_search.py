"""Full-text search: what is found, in which order, how it is shown, and what no search does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from tests.client import codes, problem

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.db.testing import RoundTrips
    from tests.client import Client

    Sql = Callable[..., list[tuple[Any, ...]]]

FAQS = {
    "refund": ("How do I get a refund?", "Refunds take five days. Ask us for your refund."),
    "password": ("I forgot my password", "Reset the password in the app, under Settings."),
    "card": ("Why was my card refused?", "The limit may be reached, or a refund is pending."),
    "statement": ("Where is my statement?", "Download it at bank.example/statements/2026.pdf."),
    "address": ("How do I change my address?", "Write to address-change@bank.example, any time."),
}
HOSTILE = [
    "'", '"', "''", "\\", "\\'", "a' | 'b", "!", "!refund", "! !", "&", "|", "a &", "& a", "(", ")",
    "((", "<->", "a <-> b", "<2>", ":*", "a:*", "refund:*A", "*", "%", "_", "%%", "%s",
    "%(search)s", ":search", "--", "/*", ";", "'; DROP TABLE faqs; --", "OR", "AND", "NOT", "-",
    "--refundx", "\t", "\n", "\x01", "\x7f", "\u200b", "\ufeff", "\ufffd", "\U0001f600",
    "\U0010ffff", "\N{ARABIC-INDIC DIGIT ONE}", "<b>", "&amp;", "http://", "a@b", "~/x", "1e400",
    "-1", "0x", "{", "[", "$1", "?", "$$", "x" * 200, "x " * 100, "' " * 100, "z" * 199 + "'",
    "é" * 200, "the", "the of and", "do I", "...", "-----", " ' ' ",
]  # fmt: skip


@pytest.fixture
def faqs(staff: Client) -> Client:
    for question, answer in FAQS.values():
        staff.create("/v1/faqs", {"question": question, "answer": answer})
    return staff


def found(client: Client, q: str, more: str = "") -> list[str]:
    """The names of the FAQs that are found, in their order."""
    answer = client.get(f"/v1/faqs?q={quote(q)}&include_total=true{more}")
    assert answer.status_code == 200, answer.text
    names = {question: name for name, (question, _) in FAQS.items()}
    assert answer.json["total"] == len(answer.json["items"])
    return [names[item["question"]] for item in answer.json["items"]]


@pytest.mark.parametrize(
    ("q", "names"),
    [
        ("refund", "refund card"),  # the question counts more than the answer
        ("REFUNDED", "refund card"),  # whatever its form
        ("card refund", "card"),  # every word
        ("refund card", "card"),
        ("how do I get the refund?", "refund"),  # stop words are passed over
        ("pass", "password"),  # the last word may be begun only
        ("reset pas", "password"),
        ("pas reset", ""),  # no other word may
        ("refundin", "refund card"),  # on the way to "refunding"
        ("statements pdf", "statement"),  # in parts of a path
        ("bank example", "address statement"),
        ("address-change", "address"),
        ("five-day", "refund"),
        ("2026", "statement"),
        ("nothing", ""),
        ("refund nothing", ""),
    ],
)
def test_words_are_found(faqs: Client, q: str, names: str) -> None:
    """In any form and any case; the last one as one types."""
    assert sorted(found(faqs, q)) == sorted(names.split())
    if q == "refund":
        assert found(faqs, q) == names.split()


@pytest.mark.parametrize(
    ("q", "names"),
    [
        ("pasword", "password"),  # a letter left out
        ("passsword", "password"),  # one added
        ("possword", "password"),  # another
        ("passowrd", "password"),  # two swapped
        ("pasworrd", "password"),  # two slips in a long word
        ("refnud", "refund card"),
        ("adress chang", "address"),  # also before one that is only begun
        ("stetem", "statement"),  # and in one that is
        ("crad", "card"),  # in a short word, which has no three letters left as they were
        ("acrd", "card"),
        ("crad refused", "card"),
        ("crd", ""),  # too short to tell
        ("2027", ""),  # a number means itself
        ("keyboard", ""),  # another word, too far away
        ("refund pasword", ""),  # corrected or not, every word must occur
    ],
)
def test_typos_are_forgiven(faqs: Client, q: str, names: str) -> None:
    """A word that occurs nowhere stands for those most like it."""
    assert sorted(found(faqs, q)) == sorted(names.split())


@pytest.mark.parametrize(
    ("q", "word"),
    [
        ("custmoer", "customer"),
        ("insurnace", "insurance"),
        ("insurannce", "insurance"),
        ("approvla", "approval"),
        ("cancellatoin", "cancellation"),
        ("verificaiton needed", "verification needed"),
    ],
)
def test_a_slip_may_be_in_an_ending(staff: Client, q: str, word: str) -> None:
    """Though what is compared has lost it."""
    staff.create("/v1/faqs", {"question": f"The {word} of a firm", "answer": "-", "tags": []})
    for typed in (q, f"{q} of a frim"):
        assert len(staff.get(f"/v1/faqs?q={quote(typed)}").json["items"]) == 1


@pytest.mark.parametrize(
    "word",
    [
        "cancellation",
        "verifications",
        "notification",
        "authorization",
        "internationally",
        "regulations",
        "subscribing",
        "universities",
        "transferring",
        "availability",
        "happiness",
        "employment",
    ],
)
def test_a_word_is_found_at_every_letter(staff: Client, word: str) -> None:
    """Also where it has outgrown its stem, and before it is complete."""
    staff.create("/v1/faqs", {"question": f"About {word}", "answer": "x"})
    staff.create("/v1/faqs", {"question": "Something else", "answer": "x"})
    for end in range(4, len(word) + 1):
        items = staff.get(f"/v1/faqs?q={word[:end]}").json["items"]
        assert [item["question"] for item in items] == [f"About {word}"], word[:end]


def test_what_occurs_is_not_corrected(staff: Client) -> None:
    """A rare word is no typo of a frequent one."""
    for word in ("form", "form", "from1", "forum"):
        staff.create("/v1/faqs", {"question": word, "answer": "x"})
    items = staff.get("/v1/faqs?q=forum").json["items"]
    assert [item["question"] for item in items] == ["forum"]
    for word in ("informed", "informatics"):
        staff.create("/v1/faqs", {"question": word, "answer": "x"})
    items = staff.get("/v1/faqs?q=informat").json["items"]  # on the way to no other word
    assert [item["question"] for item in items] == ["informatics"]


@pytest.mark.parametrize("path", ["/v1/faqs", "/v1/products"])
def test_a_hostile_search_finds_nothing_special(faqs: Client, path: str) -> None:
    """No syntax, no wildcard, no stop word and no oddity means everything, or breaks anything."""
    for q in HOSTILE:
        answer = faqs.get(f"{path}?q={quote(q)}&include_total=true")
        if q.strip():
            assert answer.status_code == 200, answer.text
            assert answer.json["total"] == len(answer.json["items"]) <= 2, q
        else:
            assert codes(answer) == {"q": "invalid-parameter"}, q


def test_nul_and_what_is_too_long_are_refused(faqs: Client) -> None:
    """As in every search."""
    for q in ("%00", "a%00b", "a" * 201, "%20", ""):
        assert problem(faqs.get(f"/v1/faqs?q={q}")) == (400, "invalid-parameter")


def test_a_snippet_marks_what_was_found(faqs: Client) -> None:
    """Around the words, in the form in which they stand there; only where something was asked."""
    item = faqs.get("/v1/faqs?q=refnud").json["items"][0]
    assert item["snippet"].count("<mark>") == 3
    assert "<mark>Refunds</mark> take five days" in item["snippet"]
    by_time = faqs.get("/v1/faqs?q=rese&sort=-created_at").json["items"][0]
    assert "<mark>Reset</mark>" in by_time["snippet"]
    key = item["id"]
    for answer in (faqs.get("/v1/faqs"), faqs.get(f"/v1/faqs/{key}")):
        assert "snippet" not in answer.text
    assert "rank" not in item


@pytest.mark.parametrize(
    ("q", "snippet"),
    [
        ("terms", "See bank.example/<mark>terms</mark>/2026.pdf or ask help@bank.example"),
        ("2026.pdf", "See bank.example/terms/<mark>2026</mark>.<mark>pdf</mark> or ask help"),
        ("help bank", "See <mark>bank</mark>.example/terms/2026.pdf or ask <mark>help</mark>@"),
        ("help@bank", "See <mark>bank</mark>.example/terms/2026.pdf or ask <mark>help</mark>@"),
    ],
)
def test_a_snippet_marks_parts_of_what_is_written_together(
    staff: Client, q: str, snippet: str
) -> None:
    """What is found in a path or an address is marked there, and nothing beside it."""
    answer = "See bank.example/terms/2026.pdf or ask help@bank.example"
    staff.create("/v1/faqs", {"question": "Where?", "answer": answer})
    (item,) = staff.get(f"/v1/faqs?q={quote(q)}").json["items"]
    assert item["snippet"].startswith(f"Where?\n{snippet}"), item["snippet"]


def test_a_snippet_is_safe_in_a_page(staff: Client) -> None:
    """What stands in the text is escaped; the marks are the only tags."""
    answer = """<script>alert("x")</script> & <mark> <img src='x' onerror=steal> &lt; token"""
    staff.create("/v1/faqs", {"question": "<b>Token</b>?", "answer": answer})
    (item,) = staff.get("/v1/faqs?q=token").json["items"]
    text = item["snippet"].replace("<mark>Token</mark>", "T").replace("<mark>token</mark>", "T")
    assert text.count("T") == 2
    assert not set("<>\"'") & set(text)
    assert "&lt;script&gt;" in text


def test_a_snippet_is_short(staff: Client) -> None:
    """However long the answer is."""
    answer = "word " * 1000 + "needle " + "word " * 2000
    staff.create("/v1/faqs", {"question": "Q", "answer": answer})
    (item,) = staff.get("/v1/faqs?q=needle").json["items"]
    assert "<mark>needle</mark>" in item["snippet"]
    assert len(item["snippet"]) < 600


MANY = """
    INSERT INTO faqs (id, question, answer, is_published, created_at)
    SELECT gen_random_uuid(), 'Fee ' || repeat('fee ', n %% 4) || repeat('other ', n %% 3),
           'number ' || n || repeat(' fee', n %% 5), n %% 2 = 0,
           timestamptz '2026-01-01 00:00Z' + n %% 7 * interval '1 second'
    FROM generate_series(1, 200) AS n
"""


@pytest.mark.parametrize("limit", [1, 7, 100])
@pytest.mark.parametrize("sort", ["", "&sort=-created_at", "&sort=question"])
@pytest.mark.parametrize("filters", ["", "&is_published=true"])
def test_pages_of_a_search_have_no_gap_and_no_repeat(
    viewer: Client, sql: Sql, limit: int, sort: str, filters: str
) -> None:
    """By rank, where many are equal, and in any other order; with filters and a total."""
    sql(MANY)
    query = f"/v1/faqs?q=fee&limit={limit}{sort}{filters}&include_total=true"
    whole = viewer.get(query.replace(f"limit={limit}", "limit=100")).json
    walked: list[str] = []
    cursor: str | None = ""
    while cursor is not None and len(walked) < 100:
        page = viewer.get(query + (f"&cursor={cursor}" if cursor else "")).json
        assert page["total"] == (100 if filters else 200)
        walked += [item["id"] for item in page["items"]]
        cursor = page["next_cursor"]
    assert walked[:100] == [item["id"] for item in whole["items"]]
    assert len(set(walked)) == len(walked) >= 100


def test_the_whole_search_is_walked_in_the_order_of_ranks(viewer: Client, sql: Sql) -> None:
    """Each once; equal ones the newest first."""
    sql(MANY)
    ordered = sql(
        "SELECT id::text FROM faqs WHERE search @@ 'fee'"
        " ORDER BY (ts_rank(search, 'fee', 1) * 1000000)::int DESC, id DESC"
    )
    walked: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = viewer.get("/v1/faqs?q=fee&limit=9" + (f"&cursor={cursor}" if cursor else "")).json
        walked += [item["id"] for item in page["items"]]
        cursor = page["next_cursor"]
    assert walked == [key for (key,) in ordered]


def test_a_cursor_of_a_search_fits_no_other(viewer: Client, sql: Sql) -> None:
    """Neither another search, nor another order, nor the list itself."""
    sql(MANY)
    cursor = viewer.get("/v1/faqs?q=fee&limit=2").json["next_cursor"]
    assert viewer.get(f"/v1/faqs?q=fee&cursor={cursor}").status_code == 200
    for query in ("q=fees", "", "q=fee&sort=question", "q=fee&is_published=true"):
        answer = viewer.get(f"/v1/faqs?{query}&cursor={cursor}")
        assert problem(answer) == (400, "invalid-cursor")


def test_a_total_beyond_ten_thousand_is_estimated(viewer: Client, sql: Sql) -> None:
    """From what PostgreSQL knows of the words."""
    sql(MANY.replace("200)", "12000)").replace("|| n ||", "|| n || ' w' || n %% 150 ||"))
    sql("ANALYZE faqs")
    answer = viewer.get("/v1/faqs?q=fee&limit=1&include_total=true").json
    assert answer["total_is_estimate"] is True
    assert 11_000 <= answer["total"] <= 13_000
    assert viewer.get("/v1/faqs?q=number+77&include_total=true").json["total"] > 1


def test_deleted_rows_are_not_found(faqs: Client, admin: Client) -> None:
    """Until they are restored; admins see them when they ask."""
    key = faqs.get("/v1/faqs?q=password").json["items"][0]["id"]
    faqs.delete(f"/v1/faqs/{key}")
    assert found(faqs, "password") == []
    assert found(admin, "password", "&include_deleted=true") == ["password"]
    faqs.post(f"/v1/faqs/{key}/restore")
    assert found(faqs, "password") == ["password"]


def test_what_is_changed_is_found_as_it_is_now(faqs: Client) -> None:
    """Its new words at once, with their typos; its old ones no more."""
    key = faqs.get("/v1/faqs?q=password").json["items"][0]["id"]
    before = faqs.get(f"/v1/faqs/{key}").json
    faqs.patch(f"/v1/faqs/{key}", {"answer": "Ask the concierge."})
    assert [i["id"] for i in faqs.get("/v1/faqs?q=conceirge").json["items"]] == [key]
    assert faqs.get("/v1/faqs?q=settings").json["items"] == []
    assert faqs.get(f"/v1/faqs/{key}").json["version"] == before["version"] + 1


def test_products_are_found_by_sku_name_and_description(staff: Client) -> None:
    """Whole or begun, a part of the number is enough."""
    price = {"amount": "1.00", "currency": "GBP"}
    for sku, name, description in (
        ("TRV-0042-X", "Travel card", "No fees abroad."),
        ("SAV-7", "Savings", "Interest is paid monthly; ask for the travel card too."),
    ):
        body = {"sku": sku, "name": name, "description": description, "price": price}
        staff.create("/v1/products", body)

    def skus(q: str) -> list[str]:
        items = staff.get(f"/v1/products?q={quote(q)}").json["items"]
        return [item["sku"] for item in items]

    assert skus("travel") == skus("travle") == ["TRV-0042-X", "SAV-7"]
    assert skus("trv-0042-x") == skus("TRV-00") == skus("0042") == ["TRV-0042-X"]
    assert skus("monthly intrest") == ["SAV-7"]
    assert skus("0043") == []


def test_words_of_one_resource_correct_nothing_in_another(faqs: Client) -> None:
    """Products are searched by the words of products."""
    price = {"amount": "1.00", "currency": "GBP"}
    faqs.create("/v1/products", {"sku": "1", "name": "Passwort manager", "price": price})
    assert len(faqs.get("/v1/products?q=password").json["items"]) == 1
    assert found(faqs, "passwort") == ["password"]


def test_the_words_are_kept_once(faqs: Client, sql: Sql) -> None:
    """However often they occur, and whatever writes them."""
    faqs.create("/v1/faqs", {"question": "refund " * 50, "answer": "refund"})
    sql("UPDATE faqs SET answer = answer || ' refund'")
    assert sql("SELECT count(*) FROM search_words WHERE word = 'refund'") == [(1,)]


def test_a_search_is_two_messages(faqs: Client, round_trips: RoundTrips) -> None:
    """One says what was meant, the other finds it; snippets are made for the page alone."""
    faqs.get("/v1/faqs")
    round_trips.take()
    faqs.get("/v1/faqs?q=pasword")
    assert len([m for m in round_trips.take() if "SELECT" in m and "search" in m]) == 2
