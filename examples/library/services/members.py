from __future__ import annotations

from typing import TYPE_CHECKING, Any

from unitwork import retry

from library.errors import InUse, NotFound
from library.models import Member
from library.services.service import Service

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID


class MemberService(Service):
    @retry
    def join(self, values: Mapping[str, Any]) -> Member:
        """`values` has name and email. Raises Invalid and NotUnique."""
        with self.database.session() as session:
            return self.members.add(session, Member(**values))

    @retry
    def leave(self, key: UUID) -> None:
        """Raises InUse while the member has a book or waits for one."""
        with self.database.connect() as connection:
            if tables := self.members.dependants(connection, key):
                raise InUse(tables)
            if self.members.soft_delete(connection, key) is None:
                raise NotFound("member", key)
