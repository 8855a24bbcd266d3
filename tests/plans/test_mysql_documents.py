"""The formats of EXPLAIN FORMAT=JSON: MariaDB's of several versions, and both of MySQL's, read from kept documents."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pytest_querybudget.plans.mysql_documents import Step, read_document
from pytest_querybudget.plans.mysql_judgement import Asked, Judged, judge
from pytest_querybudget.recording.plans import ColumnInfo, IndexInfo, Node, TableInfo


def column(name: str, kind: str = "int") -> ColumnInfo:
    return ColumnInfo(name=name, type=kind)


TABLES = {
    "orders": TableInfo(
        name="orders",
        columns=(column("id"), column("customer_id"), column("total"), column("code", "varchar(20)")),
        indexes=(IndexInfo(name="PRIMARY", table="orders", columns=("id",), unique=True, primary=True),),
    ),
    "customers": TableInfo(
        name="customers",
        columns=(column("id"), column("name", "varchar(20)")),
        indexes=(
            IndexInfo(name="PRIMARY", table="customers", columns=("id",), unique=True, primary=True),
            IndexInfo(name="ix_name", table="customers", columns=("name",)),
        ),
    ),
}
ALIASES = {"o": "orders", "c": "customers"}


def judged(document: Any, **asked: Any) -> Judged:
    text = document if isinstance(document, str) else json.dumps(document)
    return judge(read_document(text), Asked(table=lambda alias: TABLES.get(ALIASES.get(alias, alias)), **asked))


def tables(found: Judged) -> dict[str, Node]:
    return {str(node.table): node for node in found.root.walk() if node.table}


def v1(**block: Any) -> dict[str, Any]:
    return {"query_block": {"select_id": 1, "cost_info": {"query_cost": "12.50"}, **block}}


def v1_table(name: str, access: str, **more: Any) -> dict[str, Any]:
    costs = {"read_cost": "0.25", "eval_cost": "0.10", "prefix_cost": "0.35", "data_read_per_join": "8"}
    return {"table": {"table_name": name, "access_type": access, "rows_examined_per_scan": 3, "filtered": "100.00",
                      "cost_info": costs, "used_columns": ["id"], **more}}  # fmt: skip


class TestMySQLVersion1:
    """MySQL 8.0 and 8.4, and later ones by default."""

    def test_full_scan_with_a_filter(self) -> None:
        """Qualified names in backquotes and parentheses become facts; the cost is read."""
        document = v1(**v1_table("orders", "ALL", attached_condition="(`shop`.`orders`.`customer_id` = 3)"))
        node = tables(judged(document))["orders"]
        assert (node.access, node.purpose, node.columns) == ("full", "filtered", ("customer_id",))
        assert node.filter == "(`shop`.`orders`.`customer_id` = ?)"
        assert read_document(json.dumps(document)).cost == 12.5

    def test_hash_join_on_an_unindexed_column(self) -> None:
        """The table behind the join buffer is read whole to be joined."""
        document = v1(nested_loop=[
            v1_table("c", "ref", possible_keys=["PRIMARY", "ix_name"], key="ix_name", used_key_parts=["name"],
                     key_length="83", ref=["const"], using_index=True),
            v1_table("o", "ALL", using_join_buffer="hash join",
                     attached_condition="(`shop`.`o`.`customer_id` = `shop`.`c`.`id`)"),
        ])  # fmt: skip
        found = tables(judged(document))
        assert (found["customers"].access, found["customers"].index) == ("index_only", "ix_name")
        assert (found["orders"].purpose, found["orders"].predicates[0].joins) == ("joined", "c")

    def test_sort_keys_come_from_the_statement(self) -> None:
        """Version 1 says that it sorts, not by what."""
        document = v1(
            ordering_operation={"using_filesort": True, "cost_info": {"sort_cost": "1.00"}, **v1_table("orders", "ALL")}
        )
        (sort,) = judged(document, limited=True, order="`orders`.`total` DESC").sorts
        assert (sort.table, sort.keys[0].subject, sort.keys[0].descending, sort.limited) == (
            "orders",
            "total",
            True,
            True,
        )

    def test_order_of_an_index_is_no_sort(self) -> None:
        """`using_filesort: false` is an order that comes for free."""
        document = v1(
            ordering_operation={
                "using_filesort": False,
                **v1_table("orders", "index", key="PRIMARY", used_key_parts=["id"]),
            }
        )
        found = judged(document, limited=True, order="`orders`.`id`")
        assert not found.sorts
        assert tables(found)["orders"].access == "full_index"

    def test_index_merge(self) -> None:
        """Several indexes are named in one text."""
        document = v1(**v1_table("orders", "index_merge", possible_keys=["a", "b"], key="union(a,b)", key_length="5,5",
                                 attached_condition="((`shop`.`orders`.`id` = 1) or (`shop`.`orders`.`total` = 2))"))  # fmt: skip
        assert (tables(judged(document))["orders"].access, tables(judged(document))["orders"].index) == (
            "bitmap",
            "a, b",
        )

    def test_attached_subquery(self) -> None:
        """A correlated subquery below a table is a block of its own."""
        inner = {"dependent": True, "cacheable": False, "query_block": {
            "select_id": 2, "cost_info": {"query_cost": "0.55"},
            **v1_table("o", "ALL", attached_condition="(`shop`.`o`.`customer_id` = `shop`.`c`.`id`)")}}  # fmt: skip
        document = v1(**v1_table("c", "ALL", attached_condition="exists(/* select#2 */ select 1 from `shop`.`orders`)",
                                 attached_subqueries=[inner]))  # fmt: skip
        found = tables(judged(document))
        assert (found["customers"].purpose, found["orders"].purpose) == ("whole", "joined")

    def test_outer_join_condition_filters_nothing(self) -> None:
        """What is asked of the optional table is no reason to begin with it."""
        document = v1(nested_loop=[
            v1_table("o", "ALL"),
            v1_table("c", "eq_ref", key="PRIMARY", used_key_parts=["id"], ref=["shop.o.customer_id"],
                     attached_condition="<if>(is_not_null_compl(c), (`shop`.`c`.`name` = 'x'), true)"),
        ])  # fmt: skip
        assert tables(judged(document))["orders"].purpose == "whole"

    def test_insert_reads_only_what_it_selects(self) -> None:
        """The target of INSERT ... SELECT is printed as read whole, and is not."""
        document = v1(table={"insert": True, "table_name": "orders", "access_type": "ALL"},
                      insert_from=v1_table("c", "ref", key="ix_name", used_key_parts=["name"], ref=["const"]))  # fmt: skip
        assert set(tables(judged(document))) == {"customers"}

    def test_union_and_derived_table(self) -> None:
        """Tables inside a union and inside a temporary table are found."""
        union = v1(union_result={"using_temporary_table": True, "table_name": "<union1,2>", "access_type": "ALL", "query_specifications": [
            {"dependent": False, "cacheable": True, **v1(**v1_table("orders", "ALL", attached_condition="(`s`.`orders`.`total` = 1)"))},
            {"dependent": False, "cacheable": True, **v1(**v1_table("customers", "ALL"))}]})  # fmt: skip
        assert {name: node.purpose for name, node in tables(judged(union)).items()} == {
            "orders": "filtered",
            "customers": "whole",
        }
        derived = v1(
            **v1_table(
                "d",
                "ALL",
                materialized_from_subquery={"using_temporary_table": True, **v1(**v1_table("orders", "ALL"))},
            )
        )
        assert set(tables(judged(derived))) == {"orders"}


def scan(alias: str, table: str, **more: Any) -> dict[str, Any]:
    return {"access_type": "table", "operation": f"Table scan on {alias}", "alias": alias, "table_name": table, "schema_name": "shop",
            "estimated_rows": 3.0, "estimated_total_cost": 0.55, "used_columns": ["id"], **more}  # fmt: skip


class TestMySQLVersion2:
    """`explain_json_format_version = 2`, MySQL 8.3 and later."""

    def test_filter_above_a_scan(self) -> None:
        """The condition stands above the table, with and without the wrapper of MySQL 9."""
        plan = {"access_type": "filter", "operation": "Filter: (orders.customer_id = 3)", "condition": "(orders.customer_id = 3)",
                "estimated_total_cost": 0.55, "inputs": [scan("orders", "orders")]}  # fmt: skip
        for document in ({"query": "/* select#1 */ select ...", "query_type": "select", **plan},
                         {"query": "...", "query_plan": plan, "json_schema_version": "2.0"}):  # fmt: skip
            node = tables(judged(document))["orders"]
            assert (node.access, node.purpose, node.columns) == ("full", "filtered", ("customer_id",))
            assert read_document(json.dumps(document)).cost == 0.55

    def test_sort_and_lookup(self) -> None:
        """Sort keys are printed; a lookup names its columns."""
        lookup = {"access_type": "index", "index_access_type": "index_lookup", "index_name": "ix_name", "table_name": "customers",
                  "operation": "Index lookup on c using ix_name (name = 'x')", "lookup_condition": "name = 'x'", "alias": "c",
                  "covering": False, "schema_name": "shop"}  # fmt: skip
        found = judged(
            {
                "query": "...",
                "access_type": "sort",
                "sort_fields": ["c.id DESC"],
                "operation": "Sort: c.id DESC",
                "inputs": [lookup],
            }
        )
        node = tables(found)["customers"]
        assert (node.access, node.index, node.columns, node.condition) == ("index", "ix_name", ("name",), "name = ?")

    def test_hash_join(self) -> None:
        """A hash join's condition belongs to the tables that it names."""
        document = {"query": "...", "access_type": "join", "join_type": "inner join", "join_algorithm": "hash",
                    "hash_condition": ["(o.customer_id = c.id)"], "operation": "Inner hash join",
                    "inputs": [scan("c", "customers"), scan("o", "orders")]}  # fmt: skip
        assert tables(judged(document))["orders"].purpose == "joined"

    def test_index_scan_serves_nothing(self) -> None:
        """A walk along a whole index is a full read."""
        walk = {"access_type": "index", "index_access_type": "index_scan", "index_name": "PRIMARY", "table_name": "orders",
                "operation": "Index scan on orders using PRIMARY", "alias": "orders", "schema_name": "shop"}  # fmt: skip
        document = {"query": "...", "access_type": "filter", "condition": "(orders.total = 3)", "inputs": [walk]}
        assert tables(judged(document))["orders"].reads_everything_in_vain


class TestMariaDB:
    """MariaDB, of which versions differ too."""

    def test_repeated_keys_of_a_join_before_10_10(self) -> None:
        """Before 10.10 a join is one object that says `table` twice."""
        document = """{"query_block": {"select_id": 1,
            "table": {"table_name": "c", "access_type": "ref", "key": "ix_name", "used_key_parts": ["name"], "ref": ["const"]},
            "block-nl-join": {"table": {"table_name": "o", "access_type": "ALL", "rows": 9}, "buffer_type": "flat",
                              "join_type": "BNL", "attached_condition": "o.customer_id = c.`id`"}}}"""
        found = tables(judged(document))
        assert (found["customers"].access, found["orders"].purpose) == ("index", "joined")

    def test_cost_of_version_11(self) -> None:
        """MariaDB 11 prints costs in the plan."""
        document = {"query_block": {"select_id": 1, "cost": 0.0132, "nested_loop": [
            {"table": {"table_name": "orders", "access_type": "ALL", "loops": 1, "rows": 3, "cost": 0.01, "filtered": 100}}]}}  # fmt: skip
        assert read_document(json.dumps(document)).cost == 0.0132

    def test_quotes_that_are_not_escaped(self) -> None:
        """MariaDB writes quotes and backslashes of a literal as they are, which is no JSON."""
        document = """{
  "query_block": {
    "nested_loop": [
      {
        "table": {
          "table_name": "orders",
          "access_type": "ALL",
          "attached_condition": "orders.`code` = 'a\\'b"c\\\\' and orders.total = 3"
        }
      }
    ]
  }
}"""
        node = tables(judged(document))["orders"]
        assert node.columns == ("code", "total")
        assert node.filter == "orders.`code` = ? and orders.total = ?"

    def test_ref_or_null_is_one_search(self) -> None:
        """`a = x OR a IS NULL` can use an index."""
        document = {"query_block": {"nested_loop": [{"table": {
            "table_name": "o", "access_type": "ALL", "attached_condition": "<cache>(c.`id`) = o.customer_id or o.customer_id is null"}}]}}  # fmt: skip
        (predicate,) = tables(judged(document))["orders"].predicates
        assert (predicate.operator, predicate.subject, predicate.joins) == ("eq", "customer_id", "^c")


def test_mixed_directions_need_descending_indexes() -> None:
    """MariaDB before 10.8 cannot store a descending key, so no index spares a sort in both directions."""
    document = {"query_block": {"nested_loop": [{"read_sorted_file": {"filesort": {
        "sort_key": "orders.total desc, orders.customer_id", "table": {"table_name": "orders", "access_type": "ALL"}}}}]}}  # fmt: skip
    assert judged(document, limited=True).sorts
    assert not judged(document, limited=True, descending=False).sorts


@pytest.mark.parametrize("text", ["[]", "{", "null", '"x"'])
def test_no_plan_is_an_error(text: str) -> None:
    """What is no plan says so."""
    with pytest.raises(ValueError, match=r".*"):
        read_document(text)


def test_unknown_shapes_are_stepped_over() -> None:
    """A key of a later version hides nothing that is nested in it."""
    document = {
        "query_block": {"new_operation": {"deeper": [{"table": {"table_name": "orders", "access_type": "ALL"}}]}}
    }
    assert [step.alias for step in _with_alias(read_document(json.dumps(document)))] == ["orders"]


def _with_alias(root: Step) -> list[Step]:
    return [step for step in root.walk() if step.alias]
