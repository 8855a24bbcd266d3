"""Statements with the verdict that a careful DBA would give for large tables, for MySQL and MariaDB.

`scans` are the tables that are read whole in vain, `sorts` those whose rows are sorted though an index could deliver
them in order, `uses` an index that must be named as used, `advice` the columns of the indexes that cure it, by table,
or nothing where none can. `needs_rows` when the verdict needs a row that the statement looks up. The same verdict is right for tables of any size.
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
    needs_rows: bool = False

    @property
    def kind(self) -> str:
        word = self.sql.split()[0].lower()
        return "select" if word in ("with", "(select") else word


CASES = (
    # equality, and the order of columns
    Case("primary key", "SELECT * FROM orders WHERE id = %s", (3,), uses="PRIMARY"),
    Case("primary key that no row has", "SELECT * FROM orders WHERE id = %s", (999999,), uses="PRIMARY"),
    Case("unique key", "SELECT * FROM customers WHERE email = %s", ("u3@x.org",), uses="uq_email"),
    Case("no index", "SELECT * FROM orders WHERE customer_id = %s", (3,), scans=("orders",), advice={"orders": ("customer_id",)}),
    Case("two columns without an index", "SELECT * FROM orders WHERE customer_id = %s AND pos = %s", (3, 4), scans=("orders",),
         advice={"orders": ("customer_id", "pos")}),
    Case("leading column", "SELECT * FROM orders WHERE shop_id = %s", (3,), uses="ix_shop"),
    Case("both leading columns", "SELECT * FROM orders WHERE status = %s AND shop_id = %s", ("new", 3), uses="ix_shop"),
    Case("second column alone", "SELECT * FROM orders WHERE status = %s", ("new",), scans=("orders",), advice={"orders": ("status",)}),
    Case("first and third column", "SELECT * FROM orders WHERE shop_id = %s AND created > %s", (3, "2024-01-02"), uses="ix_shop"),
    Case("trailing columns of a covering index", "SELECT shop_id FROM orders WHERE status = %s", ("new",), scans=("orders",)),
    Case("range", "SELECT * FROM orders WHERE created BETWEEN %s AND %s", ("2024-01-01", "2024-01-02"), uses="ix_created"),
    Case("range without an index", "SELECT * FROM orders WHERE pos < %s", (10,), scans=("orders",), advice={"orders": ("pos",)}),
    Case("equality and range", "SELECT * FROM orders WHERE pos < %s AND customer_id = %s", (10, 3), scans=("orders",),
         advice={"orders": ("customer_id", "pos")}),
    Case("IN list", "SELECT * FROM orders WHERE shop_id IN (%s, %s)", (3, 4), uses="ix_shop"),
    Case("IN list of keys, nothing else read", "SELECT id FROM orders WHERE id IN (%s, %s)", (3, 4), uses="PRIMARY"),
    Case("IN list of keys, children joined", "SELECT orders.id, c.id FROM orders LEFT JOIN orders c ON c.parent_id = orders.id"
         " WHERE orders.id IN (%s, %s)", (3, 4), uses="PRIMARY"),
    Case("IN list without an index", "SELECT * FROM orders WHERE customer_id IN (%s, %s)", (3, 4), scans=("orders",),
         advice={"orders": ("customer_id",)}),
    Case("pairs IN list", "SELECT * FROM orders WHERE (shop_id, status) IN ((%s, %s), (%s, %s))", (3, "new", 4, "paid"), uses="ix_shop"),
    Case("IS NULL", "SELECT * FROM orders WHERE parent_id IS NULL", uses="ix_parent"),
    Case("IS NULL without an index", "SELECT * FROM orders WHERE pos IS NULL", scans=("orders",), advice={"orders": ("pos",)}),
    # what no B-tree serves
    Case("unequal without an index", "SELECT * FROM orders WHERE pos <> %s", (3,), scans=("orders",)),
    Case("suffix", "SELECT * FROM customers WHERE name LIKE %s", ("%12",), scans=("customers",)),
    Case("suffix on an indexed column", "SELECT * FROM customers WHERE email LIKE %s", ("%org",), scans=("customers",)),
    Case("prefix", "SELECT * FROM customers WHERE email LIKE %s", ("u12%",), uses="uq_email"),
    Case("prefix under a binary collation", "SELECT * FROM customers WHERE code LIKE %s", ("c12%",), uses="ix_code"),
    Case("prefix without an index", "SELECT * FROM items WHERE label LIKE %s", ("label12%",), scans=("items",), advice={"items": ("label",)}),
    Case("equality on a prefix index", "SELECT * FROM customers WHERE name = %s", ("Name 7",), uses="ix_name"),
    Case("function around an indexed column", "SELECT * FROM orders WHERE YEAR(created) + 0 = %s", (2024,), scans=("orders",)),
    Case("lower around a column", "SELECT * FROM items WHERE lower(items.label) = %s", ("label7",), scans=("items",)),
    Case("another collation", "SELECT * FROM customers WHERE code = %s COLLATE utf8mb4_unicode_ci", ("C3",), scans=("customers",)),
    Case("text against a number", "SELECT * FROM customers WHERE code = 5", scans=("customers",)),
    Case("number against a text", "SELECT * FROM orders WHERE shop_id = %s", ("3",), uses="ix_shop"),
    Case("enum", "SELECT * FROM orders WHERE shop_id = 1 AND status = 'paid'", uses="ix_shop"),
    Case("binary uuid", "SELECT * FROM orders WHERE token = %s", (b"\x01" * 16,), uses="ix_token"),
    Case("binary uuid without an index", "SELECT * FROM customers WHERE ref = %s", (b"\x01" * 16,), scans=("customers",),
         advice={"customers": ("ref",)}),
    Case("boolean", "SELECT * FROM customers WHERE active = 1", scans=("customers",), advice={"customers": ("active",)}),
    Case("JSON path", "SELECT * FROM customers WHERE JSON_VALUE(data, '$.tier') = %s", (3,), scans=("customers",)),
    Case("JSON containment", "SELECT * FROM customers WHERE JSON_CONTAINS(data, '3', '$.tier')", scans=("customers",)),
    Case("quote in a literal", "SELECT * FROM customers WHERE email = 'o\\'neil' AND name LIKE '%%it''s'", uses="uq_email"),
    Case("hostile literals", "SELECT * FROM orders WHERE note = %s AND pos = 3", ('a"b\\c\'d\n\x00\u2028%s;--', ), scans=("orders",),
         advice={"orders": ("pos", "note")}),
    Case("bytes that are no text", "SELECT * FROM customers WHERE ref = %s AND name = 'Name 3'", (bytes(range(240, 256)),), uses="ix_name"),
    Case("bytes that are no text, without an index", "SELECT * FROM customers WHERE ref = %s", (bytes(range(240, 256)),), scans=("customers",),
         advice={"customers": ("ref",)}),
    # OR
    Case("OR over two indexes", "SELECT * FROM orders WHERE token = %s OR parent_id = %s", (b"\x01" * 16, 3), uses="ix_token"),
    Case("OR with one side indexed", "SELECT * FROM orders WHERE token = %s OR pos = %s", (b"\x01" * 16, 3), scans=("orders",)),
    Case("OR over one column", "SELECT * FROM orders WHERE shop_id = 3 OR shop_id = 4", uses="ix_shop"),
    # whole tables
    Case("whole table", "SELECT * FROM orders"),
    Case("count", "SELECT COUNT(*) FROM orders"),
    Case("maximum", "SELECT MAX(pos) FROM orders"),
    Case("maximum of an indexed column", "SELECT MAX(created) FROM orders"),
    Case("page of a whole table", "SELECT * FROM orders LIMIT 10"),
    Case("no table", "SELECT 1"),
    Case("a condition that is never true", "SELECT * FROM orders WHERE 1 = 0"),
    Case("optional filter that is off", "SELECT * FROM orders WHERE (%s IS NULL OR pos = %s)", (None, None)),
    # joins
    Case("join by the primary key", "SELECT * FROM items i JOIN orders o ON o.id = i.order_id WHERE i.id = %s", (3,)),
    Case("join by an index", "SELECT * FROM orders o JOIN items i ON i.order_id = o.id WHERE o.shop_id = %s", (3,), uses="ix_order"),
    Case("join of whole tables by a key", "SELECT * FROM items i JOIN orders o ON o.id = i.order_id"),
    Case("join by an unindexed column", "SELECT * FROM customers c JOIN orders o ON o.customer_id = c.id WHERE c.email = %s", ("u3@x.org",),
         scans=("orders",), advice={"orders": ("customer_id",)}),
    Case("join from a row that is missing", "SELECT * FROM customers c JOIN orders o ON o.customer_id = c.id WHERE c.id = %s", (999999,),
         scans=("orders",), advice={"orders": ("customer_id",)}),
    Case("join from a filtered table", "SELECT * FROM customers c JOIN orders o ON o.customer_id = c.id WHERE c.code = %s", ("c3",),
         scans=("orders",), advice={"orders": ("customer_id",)}),
    Case("join of two unindexed columns", "SELECT * FROM items i JOIN orders o ON o.pos = i.product_id WHERE i.order_id = 3",
         scans=("orders",), advice={"orders": ("pos",)}),
    Case("outer join by an unindexed column", "SELECT * FROM customers c LEFT JOIN orders o ON o.customer_id = c.id WHERE c.code = %s", ("c3",),
         scans=("orders",), advice={"orders": ("customer_id",)}),
    Case("outer join with a filter of its own", "SELECT * FROM items i LEFT JOIN orders o ON o.id = i.order_id AND o.pos = 3"),
    Case("join on text against a number", "SELECT * FROM orders o JOIN customers c ON c.code = o.pos WHERE o.id = 3", scans=("customers",),
         needs_rows=True),
    # subqueries
    Case("EXISTS by an index", "SELECT * FROM orders o WHERE o.shop_id = 3 AND EXISTS (SELECT 1 FROM items i WHERE i.order_id = o.id)"),
    Case("EXISTS without an index", "SELECT * FROM customers c WHERE c.code = 'c3' AND EXISTS (SELECT 1 FROM orders o WHERE o.customer_id = c.id)",
         scans=("orders",), advice={"orders": ("customer_id",)}),
    Case("EXISTS over whole tables without an index", "SELECT * FROM customers c WHERE EXISTS (SELECT 1 FROM orders o WHERE o.customer_id = c.id)",
         scans=("orders",), advice={"orders": ("customer_id",)}),
    Case("IN over whole tables by an index", "SELECT * FROM orders o WHERE o.id IN (SELECT i.order_id FROM items i)"),
    Case("NOT EXISTS without an index", "SELECT * FROM customers c WHERE NOT EXISTS (SELECT 1 FROM orders o WHERE o.customer_id = c.id)",
         scans=("orders",), advice={"orders": ("customer_id",)}),
    Case("NOT EXISTS by an index", "SELECT * FROM orders o WHERE NOT EXISTS (SELECT 1 FROM items i WHERE i.order_id = o.id)"),
    Case("NOT IN without an index", "SELECT * FROM customers c WHERE c.id NOT IN (SELECT o.customer_id FROM orders o)",
         scans=("orders",), advice={"orders": ("customer_id",)}),
    Case("correlated subquery", "SELECT c.id, (SELECT MAX(o.pos) FROM orders o WHERE o.customer_id = c.id) FROM customers c WHERE c.code = 'c3'",
         scans=("orders",), advice={"orders": ("customer_id",)}),
    Case("IN with a filtered subquery", "SELECT * FROM orders o WHERE o.id IN (SELECT i.order_id FROM items i WHERE i.product_id = %s)", (3,),
         scans=("items",), advice={"items": ("product_id",)}),
    Case("derived table", "SELECT * FROM (SELECT * FROM orders WHERE customer_id = %s LIMIT 5) d JOIN customers c ON c.id = d.customer_id", (3,),
         scans=("orders",), advice={"orders": ("customer_id",)}),
    Case("common table expression", "WITH mine AS (SELECT * FROM orders WHERE pos = %s) SELECT * FROM mine", (3,), scans=("orders",),
         advice={"orders": ("pos",)}),
    Case("recursive query", "WITH RECURSIVE t AS (SELECT id, parent_id FROM orders WHERE id = 1 UNION ALL SELECT o.id, o.parent_id"
         " FROM orders o JOIN t ON o.parent_id = t.id) SELECT * FROM t"),
    Case("recursive query without an index", "WITH RECURSIVE t AS (SELECT id, pos FROM orders WHERE id = 1 UNION ALL SELECT o.id, o.pos"
         " FROM orders o JOIN t ON o.customer_id = t.id) SELECT * FROM t", scans=("orders",)),
    Case("join to a filtered derived table", "SELECT * FROM orders o JOIN (SELECT id FROM customers WHERE code = 'c3' LIMIT 5) d ON d.id = o.customer_id",
         scans=("orders",), advice={"orders": ("customer_id",)}),
    Case("join to a whole derived table", "SELECT * FROM customers c JOIN (SELECT customer_id, COUNT(*) n FROM orders GROUP BY customer_id) d"
         " ON d.customer_id = c.id"),
    Case("a table of the server", "SELECT * FROM information_schema.TABLES WHERE TABLE_ROWS = 3"),
    Case("UNION with one bad side", "SELECT id FROM orders WHERE shop_id = 3 UNION SELECT id FROM items WHERE product_id = 3", scans=("items",),
         advice={"items": ("product_id",)}),
    # order
    Case("page by an unindexed column", "SELECT * FROM orders ORDER BY total LIMIT 10", sorts=("orders",), advice={"orders": ("total",)}),
    Case("page by an index", "SELECT * FROM orders ORDER BY created DESC LIMIT 10", uses="ix_created"),
    Case("page by the primary key", "SELECT * FROM orders ORDER BY id LIMIT 10", uses="PRIMARY"),
    Case("whole table in an order", "SELECT * FROM orders ORDER BY total"),
    Case("filter and order by an index", "SELECT * FROM orders WHERE shop_id = 3 AND status = 'new' ORDER BY created LIMIT 5", uses="ix_shop"),
    Case("filter by an index, order by another column", "SELECT * FROM orders WHERE parent_id = 3 ORDER BY total DESC LIMIT 5",
         sorts=("orders",), advice={"orders": ("parent_id", "total")}),
    Case("filter and page without an index", "SELECT * FROM orders WHERE customer_id = 3 ORDER BY total LIMIT 5", scans=("orders",),
         sorts=("orders",), advice={"orders": ("customer_id", "total")}),
    Case("order serves, filter does not", "SELECT * FROM orders WHERE pos = 3 ORDER BY id LIMIT 5", scans=("orders",), advice={"orders": ("pos",)}),
    Case("range and another order", "SELECT * FROM orders WHERE created > '2024-01-02' ORDER BY total LIMIT 5", uses="ix_created"),
    Case("order by an expression", "SELECT * FROM orders ORDER BY total * 2 LIMIT 5"),
    Case("order over two tables", "SELECT * FROM orders o JOIN customers c ON c.id = o.customer_id WHERE o.shop_id = 3 ORDER BY c.name, o.total"),
    Case("GROUP BY behind a filter", "SELECT status, COUNT(*) FROM orders WHERE shop_id = 3 GROUP BY status", uses="ix_shop"),
    Case("window function", "SELECT id, ROW_NUMBER() OVER (PARTITION BY status ORDER BY total) FROM orders WHERE shop_id = 3", uses="ix_shop"),
    Case("DISTINCT", "SELECT DISTINCT total FROM orders"),
    # names, schemas, partitions, views
    Case("names that need quotes", "SELECT * FROM `Größen` g WHERE g.`länge in cm` = %s", (3,), scans=("Größen",),
         advice={"Größen": ("länge in cm",)}),
    Case("index whose name needs quotes", "SELECT * FROM `Größen` WHERE `order` = %s", (3,), uses="ix größe"),
    Case("partitions", "SELECT * FROM events WHERE kind = %s", (3,), uses="ix_kind"),
    Case("partitions without an index", "SELECT * FROM events WHERE happened = %s", ("2024-07-01",), scans=("events",),
         advice={"events": ("happened",)}),
    Case("view", "SELECT * FROM open_orders WHERE shop_id = %s", (3,), uses="ix_shop"),
    Case("view without an index", "SELECT * FROM open_orders v WHERE v.customer_id = %s", (3,), scans=("orders",),
         advice={"orders": ("customer_id", "status")}),
    # writes
    Case("UPDATE by the primary key", "UPDATE orders SET total = 1 WHERE id = %s", (3,), uses="PRIMARY"),
    Case("UPDATE without an index", "UPDATE orders SET total = 1 WHERE customer_id = %s", (3,), scans=("orders",),
         advice={"orders": ("customer_id",)}),
    Case("UPDATE of everything", "UPDATE orders SET total = 1"),
    Case("DELETE by an index", "DELETE FROM items WHERE order_id = %s", (3,), uses="ix_order"),
    Case("DELETE without an index", "DELETE FROM items WHERE product_id = %s", (3,), scans=("items",), advice={"items": ("product_id",)}),
    Case("DELETE that joins", "DELETE i FROM items i JOIN orders o ON o.id = i.order_id WHERE o.customer_id = %s", (3,), scans=("orders",),
         advice={"orders": ("customer_id",)}),
    Case("UPDATE with a subquery", "UPDATE orders SET total = %s WHERE customer_id = (SELECT id FROM customers WHERE email = %s)",
         (1, "u3@x.org"), scans=("orders",), advice={"orders": ("customer_id",)}, needs_rows=True),
    Case("DELETE with IN", "DELETE FROM items WHERE order_id IN (SELECT o.id FROM orders o WHERE o.pos = %s)", (3,), scans=("orders",),
         advice={"orders": ("pos",)}),
    Case("INSERT from a SELECT", "INSERT INTO items (order_id) SELECT id FROM orders WHERE pos = %s", (3,), scans=("orders",),
         advice={"orders": ("pos",)}),
    Case("SELECT FOR UPDATE", "SELECT * FROM orders WHERE customer_id = %s FOR UPDATE", (3,), scans=("orders",),
         advice={"orders": ("customer_id",)}),
    Case("SELECT FOR UPDATE by the key", "SELECT * FROM orders WHERE id = %s FOR UPDATE", (3,), uses="PRIMARY"),
)  # fmt: skip
