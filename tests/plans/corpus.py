"""Statements with the verdict that a careful DBA would give for large tables, for SQLite and PostgreSQL.

`scans` are the tables that are read whole in vain, `sorts` those whose rows are sorted though an index could deliver
them, `uses` an index that must count as used, `advice` the columns of the index that cures it, by table.
The same verdict is right for tables of any size. `only` names the one database that a case is for.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Case:
    name: str
    sql: str
    parameters: tuple[object, ...] = ()
    scans: tuple[str, ...] = ()
    sorts: tuple[str, ...] = ()
    uses: str | None = None
    advice: dict[str, tuple[str, ...]] = field(default_factory=dict)
    kind: str | None = None
    only: str | None = None
    #: Why the planner of the large table decides otherwise though the verdict is right.
    untrue: str | None = None


TABLES = {
    "sqlite": """
CREATE TABLE customers (id INTEGER PRIMARY KEY, email VARCHAR(80) UNIQUE, name VARCHAR(80), code TEXT, active BOOLEAN,
  data JSON, deleted_at TIMESTAMP, ref VARCHAR(36), nick TEXT COLLATE NOCASE);
CREATE TABLE orders (id INTEGER PRIMARY KEY, customer_id INTEGER REFERENCES customers, shop_id INTEGER,
  status VARCHAR(10), created TIMESTAMP, total INTEGER, parent_id INTEGER REFERENCES orders, pos INTEGER, note TEXT);
CREATE TABLE items (id INTEGER PRIMARY KEY, order_id INTEGER REFERENCES orders, label TEXT, qty INTEGER);
CREATE TABLE "Größe" (id INTEGER PRIMARY KEY, "größe" INTEGER, "order" INTEGER);
CREATE TABLE keyed (code TEXT PRIMARY KEY, value INTEGER) WITHOUT ROWID;
CREATE INDEX ix_nick ON customers (nick);
""",
    "postgresql": """
CREATE TYPE mood AS ENUM ('good', 'bad', 'so so');
CREATE TABLE customers (id SERIAL PRIMARY KEY, email VARCHAR(80) UNIQUE, name VARCHAR(80), code TEXT COLLATE "C",
  active BOOLEAN, data JSONB, deleted_at TIMESTAMP, ref UUID, nick TEXT, tags TEXT[], mood mood);
CREATE TABLE orders (id SERIAL PRIMARY KEY, customer_id INTEGER REFERENCES customers, shop_id INTEGER,
  status VARCHAR(10), created TIMESTAMP, total INTEGER, parent_id INTEGER REFERENCES orders, pos INTEGER, note TEXT);
CREATE TABLE items (id SERIAL PRIMARY KEY, order_id INTEGER REFERENCES orders, label TEXT, qty INTEGER);
CREATE TABLE "Größe" (id SERIAL PRIMARY KEY, "größe" INTEGER, "order" INTEGER);
CREATE TABLE keyed (code TEXT PRIMARY KEY, value INTEGER);
CREATE SCHEMA shop; CREATE TABLE shop.stock (id SERIAL PRIMARY KEY, sku INTEGER, amount INTEGER);
CREATE TABLE events (day DATE, visitor INTEGER) PARTITION BY RANGE (day);
CREATE TABLE events_2023 PARTITION OF events FOR VALUES FROM ('2023-01-01') TO ('2024-01-01');
CREATE TABLE events_2024 PARTITION OF events FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE INDEX ix_code ON customers (code);
""",
}
COMMON = """
CREATE INDEX ix_shop ON orders (shop_id, status, created);
CREATE INDEX ix_created ON orders (created);
CREATE INDEX ix_parent ON orders (parent_id);
CREATE INDEX ix_open ON orders (total) WHERE status = 'open';
CREATE INDEX ix_lower_name ON customers (lower(name));
CREATE TEMPORARY TABLE scratch (id INTEGER PRIMARY KEY, k INTEGER);
CREATE VIEW active_customers AS SELECT id, name, email, code FROM customers WHERE deleted_at IS NULL;
"""

NUMBERS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows})"
ROWS = {
    "customers": "INSERT INTO customers (email, name, code, active, data, deleted_at, ref, nick{more}) "
    "{numbers} SELECT 'u' || i || '@x.org', 'Name ' || i, 'c' || i, i % 50 = 0, {data}, "
    "CASE WHEN i % 10 = 0 THEN NULL ELSE {stamp} END, {uuid}, 'nick' || i{values} FROM n",
    "orders": "INSERT INTO orders (customer_id, shop_id, status, created, total, parent_id, pos, note) {numbers} "
    "SELECT 1 + i % {few}, i % 400, CASE i % 100 WHEN 1 THEN 'open' WHEN 2 THEN 'new' ELSE 'paid' END, {stamp}, "
    "(i * 7919) % 10007, CASE WHEN i % 20 = 0 THEN NULL ELSE 1 + i % {few} END, (i * 31) % 9973, 'note ' || i FROM n",
    "items": "INSERT INTO items (order_id, label, qty) {numbers} SELECT 1 + i % {few}, 'label' || i, (i * 13) % 5003 FROM n",
    "Größe": 'INSERT INTO "Größe" ("größe", "order") {numbers} SELECT (i * 17) % 5003, i FROM n',
    "scratch": "INSERT INTO scratch (id, k) {numbers} SELECT i, (i * 17) % 5003 FROM n",
    "keyed": "INSERT INTO keyed (code, value) {numbers} SELECT 'k' || i, (i * 17) % 5003 FROM n",
}
MORE_ROWS = {
    "stock": "INSERT INTO shop.stock (sku, amount) {numbers} SELECT (i * 17) % 5003, i FROM n",
    "events": "INSERT INTO events {numbers} SELECT DATE '2023-01-01' + i % 700, (i * 17) % 5003 FROM n",
}

CASES = (
    # equality, and the order of columns
    Case("primary key", "SELECT * FROM orders WHERE id = ?", (3,)),
    Case("unique key", "SELECT * FROM customers WHERE email = ?", ("u3@x.org",)),
    Case("text primary key", "SELECT * FROM keyed WHERE code = ?", ("k3",)),
    Case("no index", "SELECT * FROM orders WHERE customer_id = ?", (3,), scans=("orders",),
         advice={"orders": ("customer_id",)}),
    Case("two columns without an index", "SELECT * FROM orders WHERE customer_id = ? AND pos = ?", (3, 4),
         scans=("orders",), advice={"orders": ("customer_id", "pos")}),
    Case("leading column", "SELECT * FROM orders WHERE shop_id = ?", (3,), uses="ix_shop"),
    Case("leading columns, any order", "SELECT * FROM orders WHERE status = ? AND shop_id = ?", ("new", 3), uses="ix_shop"),
    Case("all columns, last by range", "SELECT * FROM orders WHERE shop_id = ? AND status = ? AND created > ?",
         (3, "paid", "2024-01-02"), uses="ix_shop"),
    Case("middle column alone", "SELECT * FROM orders WHERE status = ?", ("new",), scans=("orders",),
         advice={"orders": ("status",)}),
    Case("first and last column", "SELECT * FROM orders WHERE shop_id = ? AND created > ?", (3, "2024-01-02"), uses="ix_shop"),
    Case("trailing column of a covering index", "SELECT shop_id FROM orders WHERE status = ?", ("new",),
         scans=("orders",), advice={"orders": ("status",)}),
    Case("range", "SELECT * FROM orders WHERE created BETWEEN ? AND ?", ("2024-01-01", "2024-01-02"), uses="ix_created"),
    Case("range without an index", "SELECT * FROM orders WHERE pos < ?", (10,), scans=("orders",), advice={"orders": ("pos",)}),
    Case("equality before range", "SELECT * FROM orders WHERE pos < ? AND customer_id = ?", (10, 3), scans=("orders",),
         advice={"orders": ("customer_id", "pos")}),
    Case("IN list", "SELECT * FROM orders WHERE shop_id IN (?, ?)", (3, 4), uses="ix_shop"),
    Case("IN list without an index", "SELECT * FROM orders WHERE customer_id IN (?, ?)", (3, 4), scans=("orders",),
         advice={"orders": ("customer_id",)}),
    Case("IS NULL", "SELECT * FROM orders WHERE parent_id IS NULL AND shop_id = ?", (3,)),
    Case("IS NULL with an index", "SELECT * FROM orders WHERE parent_id IS NULL", uses="ix_parent"),
    Case("equality and IS NULL", "SELECT * FROM customers WHERE deleted_at IS NULL AND ref = ?",
         ("00000000-0000-0000-0000-000000000003",), scans=("customers",), advice={"customers": ("ref",)}, kind="partial"),
    Case("boolean and equality", "SELECT * FROM customers WHERE active AND nick = ?", ("nick50",), only="postgresql",
         scans=("customers",), advice={"customers": ("nick",)}, kind="partial"),
    Case("boolean", "SELECT * FROM customers WHERE active = TRUE", (), scans=("customers",), advice={"customers": ("active",)}),
    Case("uuid", "SELECT * FROM customers WHERE ref = ?", ("00000000-0000-0000-0000-000000000003",), scans=("customers",),
         advice={"customers": ("ref",)}),
    Case("enum", "SELECT * FROM customers WHERE mood = ?", ("bad",), scans=("customers",), advice={"customers": ("mood",)},
         only="postgresql"),
    # partial indexes
    Case("partial index, constant", "SELECT * FROM orders WHERE status = 'open' AND total = ?", (7919,), uses="ix_open"),
    Case("partial index, bound", "SELECT * FROM orders WHERE status = ? AND total = ?", ("open", 7919), uses="ix_open"),
    Case("partial index that is not for this", "SELECT * FROM orders WHERE status = ? AND total = ?", ("new", 7919),
         scans=("orders",), advice={"orders": ("status", "total")}),
    # what no plain B-tree serves
    Case("unequal", "SELECT * FROM orders WHERE pos <> ?", (3,), scans=("orders",), kind="none"),
    Case("NOT IN list", "SELECT * FROM orders WHERE pos NOT IN (?, ?)", (3, 4), scans=("orders",), kind="none"),
    Case("unequal beside equality", "SELECT * FROM orders WHERE shop_id = ? AND pos <> ?", (3, 4), uses="ix_shop"),
    Case("suffix", "SELECT * FROM items WHERE label LIKE ?", ("%12",), scans=("items",)),
    Case("suffix on an indexed column", "SELECT * FROM customers WHERE email LIKE ?", ("%12@x.org",), scans=("customers",)),
    Case("prefix", "SELECT * FROM items WHERE label LIKE ?", ("label12%",), scans=("items",), advice={"items": ("label",)}),
    Case("prefix, index of another collation", "SELECT * FROM customers WHERE email LIKE ?", ("u12%",), scans=("customers",),
         advice={"customers": ("email",)}),
    Case("prefix, right collation", "SELECT * FROM customers WHERE nick LIKE ?", ("nick12%",), only="sqlite", uses="ix_nick"),
    Case("prefix, C collation", "SELECT * FROM customers WHERE code LIKE ?", ("c12%",), only="postgresql", uses="ix_code"),
    Case("expression index, qualified", "SELECT * FROM customers WHERE lower(customers.name) = ?", ("name 3",),
         uses="ix_lower_name"),
    Case("function without an index", "SELECT * FROM items WHERE lower(items.label) = ?", ("label3",), scans=("items",),
         advice={"items": ("lower(label)",)}, kind="expression"),
    Case("arithmetic on the column", "SELECT * FROM orders WHERE pos + 0 = ?", (7,), scans=("orders",)),
    Case("cast column", "SELECT * FROM orders WHERE CAST(created AS DATE) = ?", ("2024-01-01",), scans=("orders",)),
    Case("type mismatch", "SELECT * FROM orders WHERE shop_id = CAST(? AS NUMERIC)", (3,), scans=("orders",),
         only="postgresql", kind="none"),
    Case("text compared with a number", "SELECT * FROM customers WHERE email = 5", (), only="sqlite"),
    Case("OR over two indexes", "SELECT * FROM orders WHERE shop_id = ? OR parent_id = ?", (3, 4), uses="ix_shop"),
    Case("OR with one side indexed", "SELECT * FROM orders WHERE parent_id = ? OR pos = ?", (3, 4), scans=("orders",),
         advice={"orders": ("pos",)}),
    Case("OR over two columns without", "SELECT * FROM orders WHERE customer_id = ? OR pos = ?", (3, 4), scans=("orders",)),
    Case("OR over one column", "SELECT * FROM orders WHERE shop_id = ? OR shop_id = ?", (3, 4), uses="ix_shop"),
    # documents
    Case("JSON path", "SELECT * FROM customers WHERE data ->> 'kind' = ?", ("k7",), scans=("customers",), kind="expression"),
    Case("containment", "SELECT * FROM customers WHERE data @> ?", ('{"kind": "k7"}',), scans=("customers",), kind="gin",
         advice={"customers": ("data",)}, only="postgresql"),
    Case("array containment", "SELECT * FROM customers WHERE tags @> ARRAY[?]", ("t7",), scans=("customers",), kind="gin",
         advice={"customers": ("tags",)}, only="postgresql"),
    # whole tables
    Case("whole table", "SELECT * FROM orders"),
    Case("count", "SELECT count(*) FROM orders"),
    Case("first rows", "SELECT * FROM orders LIMIT 5"),
    Case("group by", "SELECT status, count(*) FROM orders GROUP BY status"),
    Case("distinct", "SELECT DISTINCT status FROM orders"),
    Case("max with an index", "SELECT max(created) FROM orders"),
    Case("max without", "SELECT max(pos) FROM orders"),
    Case("delete all", "DELETE FROM items"),
    Case("update all", "UPDATE items SET qty = qty + 1"),
    Case("optional filter that is off", "SELECT * FROM orders WHERE (? = 1 OR pos = 3)", (1,)),
    Case("whole subquery", "SELECT * FROM (SELECT id, pos FROM orders) AS q"),
    Case("window", "SELECT id, row_number() OVER (PARTITION BY status ORDER BY pos) FROM orders"),
    Case("max of some rows", "SELECT max(id) FROM orders WHERE customer_id = ?", (3,), scans=("orders",),
         advice={"orders": ("customer_id",)}),
    Case("not null", "SELECT * FROM orders WHERE pos IS NOT NULL"),
    Case("IS FALSE", "SELECT * FROM customers WHERE active IS FALSE AND ref = ?", ("00000000-0000-0000-0000-000000000003",),
         scans=("customers",), advice={"customers": ("ref",)}, kind="partial"),
    Case("temporary table", "SELECT * FROM scratch WHERE k = ?", (3,), scans=("scratch",), advice={"scratch": ("k",)}),
    Case("lateral", "SELECT o.id FROM orders o, LATERAL (SELECT * FROM items WHERE items.order_id = o.id LIMIT 1) i WHERE o.id = ?",
         (3,), scans=("items",), advice={"items": ("order_id",)}, only="postgresql"),
    Case("tree of parents", "SELECT o.id, p.id FROM orders o LEFT JOIN orders p ON p.id = o.parent_id WHERE o.shop_id = ?", (3,), uses="ix_shop"),
    Case("hidden by coalesce", "SELECT * FROM orders WHERE coalesce(pos, 0) = ?", (3,), scans=("orders",), kind="none"),
    # joins
    Case("join, primary key serves", "SELECT * FROM orders JOIN customers ON customers.id = orders.customer_id"),
    Case("join, filtered by key", "SELECT * FROM orders JOIN customers ON customers.id = orders.customer_id WHERE orders.id = ?", (3,)),
    Case("join, unindexed on both sides", "SELECT orders.id FROM orders JOIN items ON items.qty = orders.pos", scans=("orders|items",),
         untrue="a hash join of two whole tables is cheaper"),
    Case("children of one parent", "SELECT items.* FROM orders JOIN items ON items.order_id = orders.id WHERE orders.id = ?",
         (3,), scans=("items",), advice={"items": ("order_id",)}),
    Case("filtered by the second column of an index, joined by its first", "SELECT customers.* FROM orders JOIN customers"
         " ON customers.id = orders.shop_id WHERE orders.status = ?", ("new",), scans=("orders",), advice={"orders": ("status",)}),
    Case("both filtered, joined by the first column of an index", "SELECT customers.* FROM orders JOIN customers"
         " ON customers.id = orders.shop_id WHERE orders.status = ? AND customers.email = ?", ("new", "u3@x.org"), uses="ix_shop"),
    Case("left join without an index", "SELECT orders.id, items.id FROM orders LEFT JOIN items ON items.order_id = orders.id"
         " WHERE orders.id = ?", (3,), scans=("items",), advice={"items": ("order_id",)}),
    Case("left join with an index", "SELECT items.id FROM items LEFT JOIN orders ON orders.id = items.order_id WHERE items.id = ?", (3,)),
    Case("EXISTS with an index", "SELECT * FROM customers WHERE EXISTS (SELECT 1 FROM orders WHERE orders.parent_id = customers.id)"),
    Case("NOT EXISTS without an index", "SELECT * FROM customers WHERE NOT EXISTS"
         " (SELECT 1 FROM orders WHERE orders.customer_id = customers.id)", scans=("orders",), advice={"orders": ("customer_id",)},
         untrue="a hash join of two whole tables is cheaper"),
    Case("NOT EXISTS with an index", "SELECT * FROM orders AS o WHERE NOT EXISTS (SELECT 1 FROM orders AS c WHERE c.parent_id = o.id)"),
    Case("NOT IN subquery", "SELECT * FROM customers WHERE id NOT IN (SELECT customer_id FROM orders)"),
    Case("IN subquery, filtered", "SELECT * FROM orders WHERE shop_id IN (SELECT id FROM customers WHERE email = ?)", ("u3@x.org",),
         uses="ix_shop"),
    Case("IN subquery, unindexed", "SELECT * FROM orders WHERE customer_id IN (SELECT id FROM customers WHERE email = ?)",
         ("u3@x.org",), scans=("orders",), advice={"orders": ("customer_id",)}),
    Case("correlated subquery without an index", "SELECT id, (SELECT count(*) FROM items WHERE items.order_id = orders.id) FROM orders"
         " WHERE shop_id = ?", (3,), scans=("items",), advice={"items": ("order_id",)}),
    Case("correlated subquery with an index", "SELECT id, (SELECT count(*) FROM orders AS c WHERE c.parent_id = o.id) FROM orders AS o"
         " WHERE o.shop_id = ?", (3,)),
    # other shapes
    Case("CTE", "WITH q AS (SELECT * FROM orders WHERE customer_id = ?) SELECT * FROM q", (3,), scans=("orders",),
         advice={"orders": ("customer_id",)}),
    Case("CTE with an index", "WITH q AS (SELECT * FROM orders WHERE shop_id = ?) SELECT count(*) FROM q", (3,), uses="ix_shop"),
    Case("recursive CTE", "WITH RECURSIVE t(id) AS (SELECT id FROM orders WHERE id = ? UNION ALL SELECT o.id FROM orders o"
         " JOIN t ON o.parent_id = t.id) SELECT * FROM t", (3,)),
    Case("UNION, one side without", "SELECT id FROM orders WHERE shop_id = ? UNION SELECT id FROM orders WHERE pos = ?", (3, 4),
         scans=("orders",), advice={"orders": ("pos",)}),
    Case("view", "SELECT * FROM active_customers WHERE id = ?", (3,)),
    Case("view without an index", "SELECT * FROM active_customers WHERE code = ?", ("c3",), only="sqlite", scans=("customers",),
         advice={"customers": ("code",)}),
    Case("subquery in FROM", "SELECT * FROM (SELECT * FROM orders) AS q WHERE q.pos = ?", (3,), scans=("orders",),
         advice={"orders": ("pos",)}),
    Case("quoted and non-ASCII", 'SELECT * FROM "Größe" WHERE "größe" = ?', (3,), scans=("Größe",), advice={"Größe": ("größe",)}),
    Case("reserved word", 'SELECT * FROM "Größe" g WHERE g."order" = ?', (3,), scans=("Größe",), advice={"Größe": ("order",)}),
    Case("schema", "SELECT * FROM shop.stock WHERE sku = ?", (3,), scans=("shop.stock",), advice={"shop.stock": ("sku",)}, only="postgresql"),
    Case("partitions", "SELECT * FROM events WHERE visitor = ?", (3,), scans=("events",), advice={"events": ("visitor",)}, only="postgresql"),
    Case("partition chosen by its key", "SELECT * FROM events WHERE day >= DATE '2023-01-01' AND day < DATE '2024-01-01'",
         only="postgresql"),
    Case("comment and parentheses", "/* list */ SELECT * FROM orders WHERE (((customer_id = ?)))", (3,), scans=("orders",),
         advice={"orders": ("customer_id",)}),
    # writes
    Case("UPDATE by key", "UPDATE orders SET pos = 1 WHERE id = ?", (3,)),
    Case("UPDATE without an index", "UPDATE orders SET pos = 1 WHERE customer_id = ?", (3,), scans=("orders",),
         advice={"orders": ("customer_id",)}),
    Case("DELETE without an index", "DELETE FROM items WHERE order_id = ?", (3,), scans=("items",), advice={"items": ("order_id",)}),
    Case("DELETE by index", "DELETE FROM orders WHERE shop_id = ?", (3,), uses="ix_shop"),
    Case("INSERT ... SELECT", "INSERT INTO items (order_id) SELECT id FROM orders WHERE pos = ?", (3,), scans=("orders",),
         advice={"orders": ("pos",)}),
    # order
    Case("order by key", "SELECT * FROM orders ORDER BY id LIMIT 10"),
    Case("order by index", "SELECT * FROM orders ORDER BY created DESC LIMIT 10", uses="ix_created"),
    Case("order without an index", "SELECT * FROM orders ORDER BY pos LIMIT 10", sorts=("orders",), advice={"orders": ("pos",)}),
    Case("equality and order", "SELECT * FROM orders WHERE shop_id = ? AND status = ? ORDER BY created LIMIT 10", (3, "paid"), uses="ix_shop"),
    Case("equality and order without", "SELECT * FROM orders WHERE customer_id = ? ORDER BY pos LIMIT 10", (3,), scans=("orders",),
         sorts=("orders",), advice={"orders": ("customer_id", "pos")}),
    Case("an index that lacks the order", "SELECT * FROM orders WHERE parent_id = ? ORDER BY pos LIMIT 10", (3,), sorts=("orders",),
         advice={"orders": ("parent_id", "pos")}, kind="extend"),
    Case("mixed directions", "SELECT * FROM orders WHERE customer_id = ? ORDER BY pos DESC, id LIMIT 10", (3,), scans=("orders",),
         sorts=("orders",), advice={"orders": ("customer_id", "pos", "id")}),
    Case("a walk along the order", "SELECT * FROM orders WHERE pos = ? ORDER BY created LIMIT 10", (3,), scans=("orders",),
         advice={"orders": ("pos", "created")}),
    Case("order of a range", "SELECT * FROM orders WHERE shop_id = ? AND status = ? AND created > ? ORDER BY pos", (3, "paid", "2024-01-02")),
    Case("order by several tables", "SELECT * FROM orders JOIN customers ON customers.id = orders.customer_id WHERE orders.id = ?"
         " ORDER BY customers.name, orders.pos", (3,)),
    Case("order by an aggregate", "SELECT status, count(*) FROM orders GROUP BY status ORDER BY count(*) DESC LIMIT 3"),
    Case("order by alias", "SELECT pos AS p FROM orders WHERE shop_id = ? ORDER BY p LIMIT 5", (3,), sorts=("orders",)),
)  # fmt: skip


def cases_for(dialect: str) -> list[Case]:
    """The cases for one database."""
    return [case for case in CASES if case.only in (None, dialect)]


def fill_statements(dialect: str, rows: int) -> list[str]:
    """What fills the tables with this many rows."""
    if not rows:
        return []
    statements = {**ROWS, **(MORE_ROWS if dialect == "postgresql" else {})}
    postgresql = dialect == "postgresql"
    words = {
        "numbers": NUMBERS.format(rows=rows),
        "few": max(1, rows // 10),
        "data": "jsonb_build_object('kind', 'k' || i % 997)" if postgresql else "json_object('kind', 'k' || i % 997)",
        "stamp": "TIMESTAMP '2024-01-01' + i * INTERVAL '1 hour'"
        if postgresql
        else "datetime('2024-01-01', '+' || i || ' hours')",
        "uuid": "('00000000-0000-0000-0000-' || lpad(i::text, 12, '0'))::uuid"
        if postgresql
        else "printf('00000000-0000-0000-0000-%012d', i)",
        "more": ", tags, mood" if postgresql else "",
        "values": ", ARRAY['t' || i % 997], CASE WHEN i % 99 = 0 THEN 'bad'::mood ELSE 'good'::mood END"
        if postgresql
        else "",
    }
    return [each.format(**words) for each in statements.values()]
