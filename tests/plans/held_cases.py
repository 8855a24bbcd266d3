"""Statements as applications send them through the ORM, Core and text, held back while the readers were written.

`scans` and `sorts` are the tables that are read whole or sorted in vain; a keyword named like a dialect says what is
otherwise there. The verdicts were decided on 20,000 analyzed rows, with and without the index.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable
from typing import Any

from held_models import Audit, Comment, Company, Doc, Level, Strasse, Tag, Ticket, User, ticket_tags
from sqlalchemy import (
    String,
    Text,
    and_,
    case,
    cast,
    delete,
    exists,
    extract,
    false,
    func,
    insert,
    literal_column,
    or_,
    select,
    text,
    true,
    tuple_,
    union,
    union_all,
    update,
)
from sqlalchemy.orm import aliased, joinedload

D0, DAY = dt.datetime.fromisoformat("2024-01-05"), dt.date(2024, 1, 5)


class Case:
    """One statement, made anew for each run, and what is to be found on each database."""

    def __init__(
        self,
        name: str,
        statement: Callable[[], Any],
        scans: str = "",
        sorts: str = "",
        only: str = "sqlite postgresql mysql",
        without: str = "",
        **otherwise: dict[str, str],
    ) -> None:
        self.name, self.statement = name, statement
        self.scans, self.sorts = scans, sorts
        self.dialects = set(only.split()) - set(without.split())
        self.otherwise = otherwise

    def expected(self, dialect: str) -> dict[str, list[str]]:
        """The tables by rule."""
        found = {"scans": self.scans, "sorts": self.sorts, **self.otherwise.get(dialect, {})}
        return {"no_full_scans": found["scans"].split(), "no_sorts": found["sorts"].split()}


def let(value: Any, use: Callable[[Any], Any]) -> Any:
    """A part of a statement with a name, as application code has it."""
    return use(value)


CASES = (
    Case("orm filter_by unindexed", lambda: select(Ticket).filter_by(reporter_id=3), scans="tickets"),
    Case("composite unique both", lambda: select(User).where(User.email == "u3@x.org", User.tenant_id == 4)),
    Case("composite unique trailing only", lambda: select(User).where(User.email == "u3@x.org"), scans="users"),
    Case("middle column only", lambda: select(Ticket).where(Ticket.status == "open"), scans="tickets"),
    Case("first and third", lambda: select(Ticket).where(Ticket.tenant_id == 2, Ticket.created_at > D0)),
    Case(
        "eq eq order third limit",
        lambda: (
            select(Ticket)
            .where(Ticket.tenant_id == 2, Ticket.status == "open")
            .order_by(Ticket.created_at.desc())
            .limit(5)
        ),
    ),
    Case(
        "eq order third skipping second",
        lambda: select(Ticket).where(Ticket.tenant_id == 2).order_by(Ticket.created_at.desc()).limit(5),
        sorts="tickets",
    ),
    Case(
        "eq+range+order by range",
        lambda: (
            select(Ticket)
            .where(Ticket.tenant_id == 2, Ticket.status == "done", Ticket.created_at > D0)
            .order_by(Ticket.created_at)
            .limit(5)
        ),
    ),
    Case(
        "eq+range+order other, limit",
        lambda: select(Ticket).where(Ticket.tenant_id == 2, Ticket.created_at > D0).order_by(Ticket.weight).limit(5),
        sorts="tickets",
        mysql={"sorts": ""},
    ),
    Case(
        "in on second col with eq first",
        lambda: select(Ticket).where(Ticket.tenant_id == 2, Ticket.status.in_(["open", "new"])),
    ),
    Case(
        "in list indexed ordering other limit",
        lambda: select(Ticket).where(Ticket.tenant_id.in_([2, 3])).order_by(Ticket.weight).limit(5),
        sorts="",
    ),
    Case("composite pk trailing", lambda: select(Audit).where(Audit.seq == 5), scans="audit"),
    Case("composite pk leading", lambda: select(Audit).where(Audit.tenant_id == 5).order_by(Audit.seq.desc()).limit(3)),
    Case(
        "composite pk tuple in",
        lambda: select(Audit).where(tuple_(Audit.tenant_id, Audit.seq).in_([(1, 2), (2, 3)])),
        sqlite={"scans": "audit"},
    ),
    Case(
        "keyset pagination tuple",
        lambda: (
            select(Ticket)
            .where(tuple_(Ticket.created_at, Ticket.id) > (D0, 5))
            .order_by(Ticket.created_at, Ticket.id)
            .limit(5)
        ),
        sorts="tickets",
        mysql={"sorts": ""},
        sqlite={"sorts": ""},
    ),
    Case("keyset by pk", lambda: select(Ticket).where(Ticket.id > 100).order_by(Ticket.id).limit(5)),
    Case(
        "or expanded keyset",
        lambda: (
            select(Ticket)
            .where(or_(Ticket.created_at > D0, and_(Ticket.created_at == D0, Ticket.id > 5)))
            .order_by(Ticket.created_at)
            .limit(5)
        ),
    ),
    Case(
        "partial const via literal",
        lambda: select(Ticket).where(Ticket.number == 7, Ticket.priority == literal_column("5")),
        mysql={"scans": "tickets"},
    ),
    Case(
        "partial bound",
        lambda: select(Ticket).where(Ticket.number == 7, Ticket.priority == 5),
        mysql={"scans": "tickets"},
    ),
    Case(
        "partial not implied", lambda: select(Ticket).where(Ticket.number == 7, Ticket.priority == 4), scans="tickets"
    ),
    Case(
        "soft delete filter plus unindexed",
        lambda: select(User).where(User.deleted_at.is_(None), User.manager_id == 5),
        scans="users",
    ),
    Case("soft delete only", lambda: select(User).where(User.deleted_at.is_(None)), scans="users"),
    Case("boolean is true", lambda: select(User).where(User.is_active.is_(True)), scans="users"),
    Case("boolean bare", lambda: select(User).where(User.is_active), scans="users"),
    Case("boolean negated", lambda: select(User).where(~User.is_active), scans="users"),
    Case(
        "boolean plus order limit",
        lambda: select(User).where(User.is_active).order_by(User.last_login.desc()).limit(5),
        scans="users",
        sorts="users",
    ),
    Case(
        "lower indexed", lambda: select(Ticket).where(func.lower(Ticket.title) == "title 5"), mysql={"scans": "tickets"}
    ),
    Case(
        "lower in list",
        lambda: select(Ticket).where(func.lower(Ticket.title).in_(["title 5", "title 6"])),
        mysql={"scans": "tickets"},
    ),
    Case("lower unindexed", lambda: select(User).where(func.lower(User.email) == "u5@x.org"), scans="users"),
    Case("upper where lower indexed", lambda: select(Ticket).where(func.upper(Ticket.title) == "X"), scans="tickets"),
    Case("coalesce", lambda: select(Ticket).where(func.coalesce(Ticket.assignee_id, 0) == 5), scans="tickets"),
    Case(
        "extract",
        lambda: select(Ticket).where(extract("year", Ticket.created_at) == 2024),
        scans="tickets",
        mysql={"scans": "tickets"},
    ),
    Case("ilike exact", lambda: select(User).where(User.username.ilike("USER5")), scans="users"),
    Case(
        "startswith", lambda: select(User).where(User.username.startswith("user12")), scans="users", mysql={"scans": ""}
    ),
    Case("contains", lambda: select(User).where(User.username.contains("12")), scans="users"),
    Case("endswith", lambda: select(Ticket).where(Ticket.title.endswith("12")), scans="tickets"),
    Case("cast column text", lambda: select(User).where(cast(User.tenant_id, String) == "5"), scans="users"),
    Case("varchar eq int text", lambda: text("SELECT * FROM users WHERE legacy = 5"), only="mysql", scans="users"),
    Case("varchar eq int sqlite affinity", lambda: text("SELECT * FROM users WHERE legacy = 5"), only="sqlite"),
    Case("varchar col vs text bind", lambda: select(User).where(User.legacy == cast("5", Text)), without="mysql"),
    Case(
        "int vs numeric param",
        lambda: text("SELECT * FROM users WHERE tenant_id = CAST(:a AS numeric(10,2))").bindparams(a=5),
        only="postgresql",
        scans="users",
    ),
    Case("uuid", lambda: select(User).where(User.uid == uuid.UUID(int=5))),
    Case("enum", lambda: select(User).where(User.level == Level.high), scans="users"),
    Case("enum plus tenant", lambda: select(User).where(User.level == Level.high, User.tenant_id == 5)),
    Case("date range", lambda: select(Ticket).where(Ticket.due_on.between(DAY, DAY + dt.timedelta(days=1)))),
    Case("is not null indexed", lambda: select(Ticket).where(Ticket.due_on.is_not(None))),
    Case("is null indexed", lambda: select(Ticket).where(Ticket.assignee_id.is_(None))),
    Case(
        "is null + order limit",
        lambda: select(Ticket).where(Ticket.assignee_id.is_(None)).order_by(Ticket.created_at).limit(5),
        sorts="tickets",
    ),
    Case("ne", lambda: select(Ticket).where(Ticket.status != "done"), scans="tickets"),
    Case("ne plus eq", lambda: select(Ticket).where(Ticket.tenant_id == 5, Ticket.status != "done")),
    Case("not in list", lambda: select(Ticket).where(Ticket.status.not_in(["done", "x"])), scans="tickets"),
    Case("empty in", lambda: select(Ticket).where(Ticket.id.in_([]))),
    Case("empty in unindexed", lambda: select(Ticket).where(Ticket.reporter_id.in_([]))),
    Case(
        "empty in unindexed plus eq",
        lambda: select(Ticket).where(Ticket.reporter_id.in_([]), Ticket.weight == 5),
        sqlite={"scans": "tickets"},
    ),
    Case("empty not in", lambda: select(Ticket).where(Ticket.reporter_id.not_in([]))),
    Case("between unindexed", lambda: select(Ticket).where(Ticket.weight.between(3, 9)), scans="tickets"),
    Case("or two indexed", lambda: select(Ticket).where(or_(Ticket.assignee_id == 5, Ticket.tenant_id == 7))),
    Case(
        "or one unindexed",
        lambda: select(Ticket).where(or_(Ticket.assignee_id == 5, Ticket.reporter_id == 5)),
        scans="tickets",
    ),
    Case(
        "or inside and",
        lambda: select(Ticket).where(Ticket.tenant_id == 5, or_(Ticket.weight == 5, Ticket.number == 5)),
    ),
    Case("json path", lambda: select(User).where(User.settings["theme"].as_string() == "t5"), scans="users"),
    Case("jsonb contains orm", lambda: select(Doc).where(Doc.meta.contains({"k": 5})), only="postgresql", scans="docs"),
    Case("jsonb has key", lambda: select(Doc).where(Doc.meta.has_key("zz")), only="postgresql", scans="docs"),
    Case("array contains indexed", lambda: select(Doc).where(Doc.tags.contains(["t5"])), only="postgresql"),
    Case("array overlap indexed", lambda: select(Doc).where(Doc.tags.overlap(["t5"])), only="postgresql"),
    Case("array any", lambda: select(Doc).where(Doc.tags.any("t5")), only="postgresql", scans="docs"),
    Case("like pattern ops", lambda: select(Doc).where(Doc.code.startswith("c12")), only="postgresql"),
    Case("eq on pattern ops", lambda: select(Doc).where(Doc.code == "c12"), only="postgresql"),
    Case(
        "range contains",
        lambda: text("SELECT * FROM docs WHERE during @> timestamptz '2024-01-03'"),
        only="postgresql",
        scans="docs",
    ),
    Case("eq any array", lambda: text("SELECT * FROM tickets WHERE id = ANY(ARRAY[1,2,3])"), only="postgresql"),
    Case(
        "distinct on",
        lambda: text("SELECT DISTINCT ON (tenant_id) * FROM tickets ORDER BY tenant_id, created_at DESC"),
        only="postgresql",
    ),
    Case("distinct from", lambda: select(Ticket).where(Ticket.assignee_id.is_distinct_from(5)), scans="tickets"),
    Case("joinedload collection", lambda: select(Ticket).options(joinedload(Ticket.comments)).where(Ticket.id == 5)),
    Case(
        "join fk unindexed child filter",
        lambda: select(Comment).join(User, Comment.author_id == User.id).where(User.username == "user5"),
        scans="comments",
    ),
    Case("join both pk", lambda: select(Ticket, User).join(Ticket.reporter).where(Ticket.id == 5)),
    Case("join unfiltered pk", lambda: select(Ticket.id, User.email).join(Ticket.reporter)),
    Case(
        "join unfiltered unindexed left",
        lambda: select(User.id, Ticket.id).outerjoin(Ticket, Ticket.reporter_id == User.id),
        scans="tickets",
    ),
    Case(
        "left join unindexed filtered",
        lambda: select(User.id, Ticket.id).outerjoin(Ticket, Ticket.reporter_id == User.id).where(User.id == 5),
        scans="tickets",
    ),
    Case(
        "association via tag filter",
        lambda: select(Ticket).join(Ticket.tags).where(Tag.name == "tag5"),
        scans="ticket_tags",
    ),
    Case("association via ticket", lambda: select(Tag).join(Tag.tickets).where(Ticket.id == 5)),
    Case("association both whole", lambda: select(Ticket.id, Tag.name).join(Ticket.tags)),
    Case(
        "association any",
        lambda: select(Ticket).where(Ticket.tags.any(Tag.name == "tag5")),
        scans="ticket_tags",
        sqlite={"scans": ""},
    ),
    Case(
        "selectin secondary",
        lambda: (
            select(ticket_tags.c.ticket_id, Tag)
            .join(Tag, Tag.id == ticket_tags.c.tag_id)
            .where(ticket_tags.c.ticket_id.in_([1, 2, 3]))
        ),
    ),
    Case(
        "association delete by tag", lambda: delete(ticket_tags).where(ticket_tags.c.tag_id == 3), scans="ticket_tags"
    ),
    Case(
        "self join manager",
        lambda: let(
            aliased(User),
            lambda m: select(User.id, m.id).join(m, m.id == User.manager_id).where(User.username == "user5"),
        ),
    ),
    Case(
        "self join reports",
        lambda: let(
            aliased(User),
            lambda r: select(User.id, r.id).join(r, r.manager_id == User.id).where(User.username == "user5"),
        ),
        scans="users",
    ),
    Case(
        "three tables chain",
        lambda: select(Comment.id).join(Comment.ticket).join(Ticket.assignee).where(User.username == "user5"),
    ),
    Case(
        "join on expr",
        lambda: (
            select(Ticket.id).join(User, func.lower(User.username) == func.lower(Ticket.external)).where(Ticket.id == 5)
        ),
        scans="users",
    ),
    Case(
        "using text join",
        lambda: text("SELECT t.id FROM tickets t JOIN users u USING (tenant_id) WHERE u.username = 'user5'"),
    ),
    Case(
        "cross old style",
        lambda: text("SELECT t.id FROM tickets t, users u WHERE u.id = t.assignee_id AND u.username = 'user5'"),
    ),
    Case("inheritance joined", lambda: select(Company).where(Company.vat == "V6")),
    Case("inheritance base filter", lambda: select(Company).where(Company.name == "P6"), scans="parties"),
    Case("exists has", lambda: select(Ticket).where(Ticket.assignee.has(User.username == "user5"))),
    Case("exists any indexed", lambda: select(Ticket).where(Ticket.comments.any(), Ticket.tenant_id == 5)),
    Case(
        "exists unindexed correlated",
        lambda: select(User).where(exists().where(Ticket.reporter_id == User.id), User.id == 5),
        scans="tickets",
    ),
    Case(
        "not exists unindexed",
        lambda: select(User).where(~exists().where(Ticket.reporter_id == User.id)),
        scans="tickets",
    ),
    Case("not exists indexed", lambda: select(User).where(~exists().where(Ticket.assignee_id == User.id))),
    Case(
        "in subquery filtered",
        lambda: select(Ticket).where(Ticket.assignee_id.in_(select(User.id).where(User.username == "user5"))),
    ),
    Case(
        "in subquery unindexed inner",
        lambda: select(Ticket).where(Ticket.assignee_id.in_(select(User.id).where(User.score == 5))),
        scans="users",
    ),
    Case(
        "in subquery outer unindexed",
        lambda: select(Ticket).where(Ticket.reporter_id.in_(select(User.id).where(User.username == "user5"))),
        scans="tickets",
    ),
    Case(
        "not in subquery",
        lambda: select(User).where(User.id.not_in(select(Ticket.assignee_id).where(Ticket.assignee_id.is_not(None)))),
    ),
    Case(
        "scalar subquery correlated count",
        lambda: select(
            Ticket.id, select(func.count(Comment.id)).where(Comment.ticket_id == Ticket.id).scalar_subquery()
        ).where(Ticket.tenant_id == 5),
    ),
    Case(
        "scalar correlated unindexed",
        lambda: select(
            User.id, select(func.count(Comment.id)).where(Comment.author_id == User.id).scalar_subquery()
        ).where(User.tenant_id == 5),
        scans="comments",
    ),
    Case(
        "scalar uncorrelated max",
        lambda: select(Ticket).where(Ticket.id == select(func.max(Ticket.id)).scalar_subquery()),
    ),
    Case(
        "eq scalar subquery by filter",
        lambda: select(Ticket).where(
            Ticket.reporter_id == select(User.id).where(User.username == "user5").scalar_subquery()
        ),
        scans="tickets",
    ),
    Case(
        "cte filtered",
        lambda: let(
            select(Ticket.id, Ticket.weight).where(Ticket.tenant_id == 5).cte("mine"),
            lambda c: select(c).where(c.c.weight > 5),
        ),
    ),
    Case(
        "cte unindexed",
        lambda: let(select(Ticket.id).where(Ticket.weight == 5).cte("mine"), lambda c: select(c.c.id)),
        scans="tickets",
    ),
    Case(
        "cte used twice",
        lambda: let(
            select(Ticket.id).where(Ticket.tenant_id == 5).cte("mine"),
            lambda c: (
                select(func.count())
                .select_from(c.join(Comment, Comment.ticket_id == c.c.id))
                .where(c.c.id > select(func.min(c.c.id)).scalar_subquery())
            ),
        ),
    ),
    Case(
        "recursive tree up",
        lambda: text(
            "WITH RECURSIVE up AS (SELECT id, manager_id FROM users WHERE id = 5 UNION ALL SELECT u.id, u.manager_id FROM users u JOIN up ON u.id = up.manager_id) SELECT * FROM up"
        ),
    ),
    Case(
        "recursive tree down",
        lambda: text(
            "WITH RECURSIVE d AS (SELECT id FROM users WHERE id = 5 UNION ALL SELECT u.id FROM users u JOIN d ON u.manager_id = d.id) SELECT * FROM d"
        ),
        scans="users",
    ),
    Case(
        "union",
        lambda: union(select(Ticket.id).where(Ticket.tenant_id == 5), select(Comment.id).where(Comment.ticket_id == 5)),
    ),
    Case(
        "union one bad",
        lambda: union_all(select(Ticket.id).where(Ticket.tenant_id == 5), select(Comment.id).where(Comment.likes == 5)),
        scans="comments",
    ),
    Case(
        "union order limit",
        lambda: (
            union_all(
                select(Ticket.created_at).where(Ticket.tenant_id == 5),
                select(Comment.created_at).where(Comment.ticket_id == 5),
            )
            .order_by("created_at")
            .limit(5)
        ),
    ),
    Case(
        "subquery from",
        lambda: let(
            select(Ticket.assignee_id, func.count().label("n")).group_by(Ticket.assignee_id).subquery(),
            lambda q: select(q).where(q.c.n > 1),
        ),
    ),
    Case(
        "subquery from filter pushes",
        lambda: let(select(Ticket.id, Ticket.tenant_id).subquery(), lambda q: select(q).where(q.c.tenant_id == 5)),
    ),
    Case(
        "window filtered",
        lambda: select(Ticket.id, func.row_number().over(partition_by=Ticket.status, order_by=Ticket.created_at)).where(
            Ticket.tenant_id == 5
        ),
    ),
    Case(
        "window top n",
        lambda: let(
            select(
                Ticket.id, func.row_number().over(partition_by=Ticket.tenant_id, order_by=Ticket.created_at).label("rn")
            ).subquery(),
            lambda q: select(q).where(q.c.rn == 1),
        ),
    ),
    Case("view filter unindexed", lambda: text("SELECT * FROM busy_tickets WHERE weight = 5"), scans="tickets"),
    Case("view aggregated", lambda: text("SELECT * FROM ticket_counts WHERE assignee_id = 5")),
    Case("view aggregated on aggregate", lambda: text("SELECT * FROM ticket_counts WHERE n > 5")),
    Case("count filtered unindexed", lambda: select(func.count()).where(Ticket.weight == 5), scans="tickets"),
    Case("count filtered indexed", lambda: select(func.count(Ticket.id)).where(Ticket.tenant_id == 5)),
    Case("group by unindexed whole", lambda: select(Ticket.weight, func.count()).group_by(Ticket.weight)),
    Case(
        "group by filtered",
        lambda: select(Ticket.status, func.count()).where(Ticket.tenant_id == 5).group_by(Ticket.status),
    ),
    Case(
        "group by filtered other",
        lambda: select(Ticket.priority, func.count()).where(Ticket.tenant_id == 5).group_by(Ticket.priority),
    ),
    Case(
        "group by filtered order count",
        lambda: (
            select(Ticket.priority, func.count())
            .where(Ticket.tenant_id == 5)
            .group_by(Ticket.priority)
            .order_by(func.count().desc())
            .limit(3)
        ),
    ),
    Case(
        "group by order key limit",
        lambda: (
            select(Ticket.weight, func.count())
            .where(Ticket.tenant_id == 5)
            .group_by(Ticket.weight)
            .order_by(Ticket.weight)
            .limit(5)
        ),
    ),
    Case("group by having", lambda: select(Ticket.assignee_id).group_by(Ticket.assignee_id).having(func.count() > 3)),
    Case(
        "group by join",
        lambda: (
            select(User.username, func.count(Ticket.id))
            .join(Ticket, Ticket.assignee_id == User.id)
            .where(User.tenant_id == 5)
            .group_by(User.id, User.username)
            .order_by(User.username)
        ),
    ),
    Case("distinct filtered", lambda: select(Ticket.status).where(Ticket.tenant_id == 5).distinct()),
    Case(
        "distinct order", lambda: select(Ticket.weight).where(Ticket.tenant_id == 5).distinct().order_by(Ticket.weight)
    ),
    Case(
        "max filtered indexed",
        lambda: select(func.max(Ticket.created_at)).where(Ticket.tenant_id == 5, Ticket.status == "open"),
    ),
    Case(
        "max filtered unindexed",
        lambda: select(func.max(Ticket.created_at)).where(Ticket.reporter_id == 5),
        scans="tickets",
    ),
    Case("order whole limit unindexed", lambda: select(Ticket).order_by(Ticket.weight).limit(5), sorts="tickets"),
    Case("order whole limit indexed", lambda: select(Ticket).order_by(Ticket.created_at.desc()).limit(5)),
    Case("order limit offset", lambda: select(Ticket).order_by(Ticket.number).limit(5).offset(10), sorts="tickets"),
    Case(
        "order mixed direction",
        lambda: select(Ticket).order_by(Ticket.created_at.desc(), Ticket.id).limit(5),
        sorts="tickets",
    ),
    Case(
        "order two cols",
        lambda: select(Ticket).where(Ticket.tenant_id == 5).order_by(Ticket.weight, Ticket.number.desc()).limit(5),
        sorts="tickets",
    ),
    Case(
        "order nulls last",
        lambda: select(Ticket).order_by(Ticket.due_on.desc().nulls_last()).limit(5),
        sorts="tickets",
        without="mysql",
        sqlite={"sorts": ""},
    ),
    Case(
        "order by lower",
        lambda: select(User).order_by(func.lower(User.username)).limit(5),
        sorts="users",
        mysql={"sorts": ""},
    ),
    Case(
        "order by lower indexed",
        lambda: select(Ticket).order_by(func.lower(Ticket.title)).limit(5),
        mysql={"sorts": ""},
    ),
    Case(
        "order by label alias",
        lambda: select(Ticket.id, Ticket.weight.label("w")).where(Ticket.tenant_id == 5).order_by("w").limit(5),
        sorts="tickets",
    ),
    Case("order by random", lambda: select(Ticket).order_by(func.random()).limit(5), without="mysql"),
    Case(
        "order by case",
        lambda: select(Ticket).where(Ticket.tenant_id == 5).order_by(case((Ticket.priority == 5, 0), else_=1)).limit(5),
    ),
    Case(
        "order by joined table col",
        lambda: select(Ticket).join(Ticket.assignee).where(Ticket.tenant_id == 5).order_by(User.username).limit(5),
    ),
    Case(
        "order by parent, joinedload",
        lambda: (
            select(User).where(User.tenant_id == 5).options(joinedload(User.tickets)).order_by(User.last_login).limit(3)
        ),
        sorts="users",
    ),
    Case(
        "filter walk along order index",
        lambda: select(Ticket).where(Ticket.weight == 5).order_by(Ticket.created_at).limit(5),
        scans="tickets",
        mysql={"sorts": "tickets"},
    ),
    Case(
        "filter unindexed order pk limit",
        lambda: select(Ticket).where(Ticket.weight == 5).order_by(Ticket.id).limit(5),
        scans="tickets",
    ),
    Case(
        "first() on filter",
        lambda: select(Ticket).where(Ticket.external == "E5").order_by(Ticket.id).limit(1),
        scans="tickets",
    ),
    Case("order after unique", lambda: select(Ticket).where(Ticket.id == 5).order_by(Ticket.weight)),
    Case(
        "order eq filtered no limit",
        lambda: select(Ticket).where(Ticket.assignee_id == 5).order_by(Ticket.created_at),
        sorts="tickets",
    ),
    Case(
        "children ordered",
        lambda: select(Comment).where(Comment.ticket_id == 5).order_by(Comment.created_at),
        sorts="comments",
    ),
    Case(
        "children in list ordered",
        lambda: select(Comment).where(Comment.ticket_id.in_([5, 6])).order_by(Comment.created_at),
    ),
    Case("update unindexed", lambda: update(Ticket).where(Ticket.weight == 5).values(number=3), scans="tickets"),
    Case(
        "update indexed", lambda: update(Ticket).where(Ticket.tenant_id == 5, Ticket.status == "new").values(number=3)
    ),
    Case(
        "update from",
        lambda: update(Comment).where(Comment.ticket_id == Ticket.id, Ticket.tenant_id == 5).values(likes=3),
    ),
    Case(
        "update in subquery",
        lambda: (
            update(Ticket)
            .where(Ticket.assignee_id.in_(select(User.id).where(User.score == 5)))
            .values(number=3)
            .execution_options(synchronize_session=False)
        ),
        scans="users",
    ),
    Case(
        "update set subquery",
        lambda: (
            update(Ticket)
            .where(Ticket.id == 5)
            .values(
                weight=select(func.count(Comment.id)).where(Comment.author_id == Ticket.reporter_id).scalar_subquery()
            )
            .execution_options(synchronize_session=False)
        ),
        scans="comments",
    ),
    Case(
        "delete unindexed",
        lambda: delete(Comment).where(Comment.author_id == 5).execution_options(synchronize_session=False),
        scans="comments",
    ),
    Case(
        "delete exists",
        lambda: (
            delete(Comment)
            .where(exists().where(Ticket.id == Comment.ticket_id, Ticket.weight == 5))
            .execution_options(synchronize_session=False)
        ),
        scans="tickets",
        sqlite={"scans": ""},
    ),
    Case(
        "insert select",
        lambda: insert(Tag).from_select(["name"], select(Ticket.title).where(Ticket.weight == 5)),
        scans="tickets",
    ),
    Case("select for update", lambda: select(Ticket).where(Ticket.reporter_id == 5).with_for_update(), scans="tickets"),
    Case(
        "cte dml",
        lambda: text("WITH d AS (DELETE FROM comments WHERE author_id = 5 RETURNING id) SELECT count(*) FROM d"),
        only="postgresql",
        scans="comments",
    ),
    Case(
        "insert returning select",
        lambda: text("INSERT INTO tags (name) SELECT title FROM tickets WHERE weight = 5 RETURNING id"),
        only="postgresql sqlite",
        scans="tickets",
    ),
    Case("quoted reserved indexed", lambda: select(Strasse).where(Strasse.group == "g5")),
    Case(
        "partition unindexed", lambda: text("SELECT * FROM metrics WHERE val = 5"), only="postgresql", scans="metrics"
    ),
    Case("partition key", lambda: text("SELECT * FROM metrics WHERE day = '2024-03-05'"), only="postgresql"),
    Case(
        "partition key and index",
        lambda: text("SELECT * FROM metrics WHERE day > '2024-03-05' AND device = 7"),
        only="postgresql",
    ),
    Case(
        "alias self named",
        lambda: let(aliased(Ticket, name="users"), lambda a: select(a).where(a.reporter_id == 5)),
        scans="tickets",
    ),
    Case("whole read limit", lambda: select(Ticket).limit(10)),
    Case("whole read where true", lambda: select(Ticket).where(true())),
    Case("where false", lambda: select(Ticket).where(false())),
    Case(
        "lateral top n",
        lambda: text(
            "SELECT u.id, x.id FROM users u CROSS JOIN LATERAL (SELECT t.id FROM tickets t WHERE t.reporter_id = u.id ORDER BY t.created_at DESC LIMIT 3) x WHERE u.id = 5"
        ),
        only="postgresql",
        scans="tickets",
        sorts="",
    ),
    Case(
        "generate series left",
        lambda: text("SELECT n, t.id FROM generate_series(1,3) n LEFT JOIN tickets t ON t.weight = n"),
        only="postgresql",
        scans="tickets",
    ),
)
