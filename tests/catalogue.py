"""Tables with columns of every kind, of which some have another name than their attribute."""

from __future__ import annotations

import uuid
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any

from sqlalchemy import ARRAY, ForeignKey, Index, MetaData, Numeric, SmallInteger, String, Text, func
from sqlalchemy import Enum as EnumType
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column, registry, relationship
from sqlalchemy.types import TypeDecorator

from app.db import (
    LIVE,
    Base,
    Database,
    DeletableResource,
    Repository,
    Resource,
    create_tables,
    filters_on,
    filters_through,
    sorts_on,
    violations,
)
from app.db.tables import NAMES


class Colour(Enum):
    RED = "#f00"
    BLUE = "#00f"


class Reversed(TypeDecorator[str]):
    """Text that is stored from its end to its beginning."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Any) -> str | None:
        return None if value is None else value[::-1]

    def process_result_value(self, value: str | None, dialect: Any) -> str | None:
        return None if value is None else value[::-1]


class CatalogueResource(Resource):
    __abstract__ = True
    metadata = MetaData(naming_convention=NAMES)
    registry = registry(type_annotation_map=Base.type_annotation_map)


class Family(DeletableResource, CatalogueResource):
    __tablename__ = "families"

    name: Mapped[str]
    articles: Mapped[list[Article]] = relationship(lazy="raise", back_populates="family")


class Article(DeletableResource, CatalogueResource):
    __tablename__ = "articles"

    name: Mapped[str] = mapped_column("article_name")
    code: Mapped[str] = mapped_column("article_code")
    token: Mapped[str] = mapped_column(default=lambda: uuid.uuid4().hex)
    kind: Mapped[str] = mapped_column(default="plain")
    state: Mapped[str | None] = mapped_column(server_default="new")
    colour: Mapped[Colour | None] = mapped_column("article_colour")
    colours: Mapped[list[Colour] | None] = mapped_column(ARRAY(EnumType(Colour, name="colour")))
    grid: Mapped[list[list[str]] | None] = mapped_column(ARRAY(Reversed))
    parts: Mapped[list[dict[str, Any]] | None] = mapped_column(ARRAY(JSONB, dimensions=1))
    plain_json: Mapped[Any | None] = mapped_column(JSONB)
    price: Mapped[Decimal | None] = mapped_column(Numeric)
    weight: Mapped[float | None]
    due: Mapped[date | None]
    shown_at: Mapped[datetime | None]
    lasts: Mapped[timedelta | None]
    label: Mapped[str | None] = mapped_column(String(5))
    serial: Mapped[int | None] = mapped_column("article_serial", SmallInteger)
    secret: Mapped[str | None] = mapped_column(Reversed)
    notes: Mapped[dict[str, Any] | None]
    family_id: Mapped[uuid.UUID | None] = mapped_column("article_family", ForeignKey("families.id"))
    part_of_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("articles.id"))
    family: Mapped[Family | None] = relationship(lazy="raise", back_populates="articles")
    part_of: Mapped[Article | None] = relationship(lazy="raise", remote_side="Article.id")

    __table_args__ = (Index(None, "article_code", unique=True, postgresql_where=LIVE),)


class FamilyRepository(Repository[Family]):
    model = Family
    filters = filters_on(Family.name) | filters_through(
        Family.articles, Article.name, Article.colour
    )
    sorts = sorts_on(Family.created_at)


class ArticleRepository(Repository[Article]):
    model = Article
    filters = (
        filters_on(
            Article.code, Article.colour, Article.price, Article.weight, Article.due, Article.kind
        )
        | filters_on(Article.name, operators={"begins": func.starts_with})
        | filters_through(Article.family, Family.name, fold=("name",))
        | filters_through(Article.part_of, Article.name)
    )
    sorts = sorts_on(
        Article.created_at,
        Article.name,
        Article.shown_at,
        Article.due,
        Article.price,
        Article.colour,
    )


FAMILIES, ARTICLES = FamilyRepository(), ArticleRepository()
TABLES = ("articles", "families")


def open_catalogue(url: str) -> Database:
    """Create the tables, and return a Database that knows their constraints."""
    database = Database(url, violations=violations(CatalogueResource.metadata))
    with database.connect() as connection:
        create_tables(connection, CatalogueResource.metadata)
    return database
