"""The text of statements for MySQL and MariaDB: what is safe to explain, and where its tables stand.

Nothing here parses SQL as a whole, so nothing is refused for being unknown.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from pytest_querybudget.plans.reader import CannotPlan
from pytest_querybudget.plans.tokens import Token, tokenize
from pytest_querybudget.values import dataclass

_LITERAL = re.compile(
    r"""'(?:[^'\\]|\\.|'')*'|"(?:[^"\\]|\\.|"")*"|`(?:[^`]|``)*`|--(?=\s)[^\n]*|\#[^\n]*|/\*(?!!).*?\*/""", re.DOTALL
)
#: Functions that change something, wait, or answer for the statement before: EXPLAIN may evaluate a constant call.
_ACTING = frozenset(
    {
        "SLEEP", "BENCHMARK", "GET_LOCK", "RELEASE_LOCK", "RELEASE_ALL_LOCKS", "NEXTVAL", "SETVAL", "LOAD_FILE",
        "MASTER_POS_WAIT", "MASTER_GTID_WAIT", "SOURCE_POS_WAIT", "WAIT_FOR_EXECUTED_GTID_SET",
        "FOUND_ROWS", "ROW_COUNT", "UUID_SHORT",
    }
)  # fmt: skip
_STATE = frozenset({"@@WARNING_COUNT", "@@ERROR_COUNT", "@@IDENTITY", "@@LAST_INSERT_ID"})
#: Common built-in functions and words before a parenthesis; any other is looked up among the stored functions.
_BUILT_IN = frozenset(
    [
        "ABS",
        "ALL",
        "AND",
        "ANY",
        "AS",
        "ASCII",
        "AVG",
        "BETWEEN",
        "BIN_TO_UUID",
        "BY",
        "CASE",
        "CAST",
        "CEIL",
        "CEILING",
        "CHAR",
        "CHAR_LENGTH",
        "COALESCE",
        "CONCAT",
        "CONCAT_WS",
        "CONVERT",
        "COUNT",
        "CURDATE",
        "CURRENT_DATE",
        "CURRENT_TIMESTAMP",
        "DATE",
        "DATE_ADD",
        "DATE_FORMAT",
        "DATE_SUB",
        "DATEDIFF",
        "DAY",
        "DECIMAL",
        "DENSE_RANK",
        "DISTINCT",
        "ELSE",
        "EXISTS",
        "EXTRACT",
        "FIELD",
        "FIND_IN_SET",
        "FIRST_VALUE",
        "FLOOR",
        "FORCE",
        "FROM",
        "GREATEST",
        "GROUP_CONCAT",
        "HAVING",
        "HEX",
        "HOUR",
        "IF",
        "IFNULL",
        "IGNORE",
        "IN",
        "INDEX",
        "INSTR",
        "INTERVAL",
        "INTO",
        "JOIN",
        "JSON_ARRAY",
        "JSON_CONTAINS",
        "JSON_EXTRACT",
        "JSON_LENGTH",
        "JSON_OBJECT",
        "JSON_QUERY",
        "JSON_UNQUOTE",
        "JSON_VALUE",
        "KEY",
        "LAG",
        "LAST_VALUE",
        "LEAD",
        "LEAST",
        "LEFT",
        "LENGTH",
        "LIKE",
        "LOCATE",
        "LOWER",
        "LPAD",
        "LTRIM",
        "MATCH",
        "AGAINST",
        "MAX",
        "MD5",
        "MIN",
        "MINUTE",
        "MOD",
        "MONTH",
        "NOT",
        "NOW",
        "NULLIF",
        "NUMERIC",
        "ON",
        "OR",
        "OVER",
        "PARTITION",
        "POW",
        "POWER",
        "QUARTER",
        "RAND",
        "RANK",
        "REGEXP_LIKE",
        "REPLACE",
        "REVERSE",
        "RIGHT",
        "ROUND",
        "ROW_NUMBER",
        "RPAD",
        "RTRIM",
        "SECOND",
        "SELECT",
        "SET",
        "SHA1",
        "SHA2",
        "SIGN",
        "SOME",
        "SQRT",
        "STD",
        "STDDEV",
        "STR_TO_DATE",
        "SUBSTR",
        "SUBSTRING",
        "SUM",
        "THEN",
        "TIME",
        "TIMESTAMP",
        "TIMESTAMPDIFF",
        "TRIM",
        "TRUNCATE",
        "UNHEX",
        "UNION",
        "UNIX_TIMESTAMP",
        "UPPER",
        "USE",
        "USING",
        "UTC_TIMESTAMP",
        "UUID",
        "UUID_TO_BIN",
        "VALUES",
        "VARCHAR",
        "VARIANCE",
        "WEEK",
        "WHEN",
        "WHERE",
        "WITH",
        "XOR",
        "YEAR",
        "EXCEPT",
        "INTERSECT",
        "LATERAL",
        "JSON_TABLE",
        "OF",
        "TO",
        "FOR",
        "LIMIT",
        "OFFSET",
    ]
)
_NO_ALIAS = frozenset(
    [
        "WHERE",
        "GROUP",
        "HAVING",
        "ORDER",
        "LIMIT",
        "UNION",
        "INTERSECT",
        "EXCEPT",
        "WINDOW",
        "FOR",
        "ON",
        "USING",
        "JOIN",
        "LEFT",
        "RIGHT",
        "INNER",
        "CROSS",
        "NATURAL",
        "STRAIGHT_JOIN",
        "SET",
        "USE",
        "FORCE",
        "IGNORE",
        "LOCK",
        "PARTITION",
        "RETURNING",
        "PROCEDURE",
        "INTO",
        "OUTER",
        "SELECT",
        "VALUES",
    ]
)
_FROM_ENDS = frozenset({"WHERE", "GROUP", "HAVING", "ORDER", "LIMIT", "SET", "UNION", "INTERSECT", "EXCEPT", "WINDOW"})


@dataclass(frozen=True, slots=True)
class Reference:
    """A table named in a statement. `end` is the offset behind its alias, where an index hint may stand."""

    table: str
    schema: str | None
    alias: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Text:
    """A statement with the contents of its literals and comments blanked out, so that offsets stay those of `sql`."""

    sql: str
    tokens: tuple[Token, ...]
    references: tuple[Reference, ...]

    def words(self) -> Iterator[str]:
        return (token.word for token in self.tokens)


def read_text(sql: str) -> Text:
    """Read a statement as far as planning needs it. Never raises."""
    tokens = tuple(tokenize(_LITERAL.sub(_blank, sql)))
    return Text(sql, tokens, tuple(_references(tokens)))


def _blank(match: re.Match[str]) -> str:
    text = match.group()
    if text[0] == "`":
        return text
    if text[0] in "'\"":
        return text[0] + re.sub(r"[\\'\"]", "x", text[1:-1]) + text[0]
    return " " * len(text)


# -- tables


def _references(tokens: Sequence[Token]) -> Iterator[Reference]:
    """Names after FROM, JOIN, UPDATE and the commas of a FROM list; parentheses of functions are stepped over."""
    stack: list[tuple[bool, bool]] = []
    expect, listing, at = False, False, 0
    while at < len(tokens):
        token = tokens[at]
        word = token.word
        if token.text == "(":
            stack.append((expect, listing))
            inside_query = at + 1 < len(tokens) and tokens[at + 1].word in ("SELECT", "WITH")
            expect, listing = (expect and not inside_query), (listing and expect and not inside_query)
        elif token.text == ")" and stack:
            _, listing = stack.pop()
            expect = False
        elif word in ("FROM", "JOIN", "STRAIGHT_JOIN") or (word == "UPDATE" and _starts_update(tokens, at)):
            expect = word != "FROM" or _is_from_of_query(tokens, at)
            listing = expect
        elif token.text == "," and listing:
            expect = True
        elif word in _FROM_ENDS:
            expect = listing = False
        elif expect and word not in ("LOW_PRIORITY", "IGNORE", "LATERAL", "ONLY", "QUICK"):
            found, at = _reference(tokens, at)
            expect = False
            if found is not None:
                yield found
            continue
        at += 1


def _starts_update(tokens: Sequence[Token], at: int) -> bool:
    return at == 0 or tokens[at - 1].word not in ("FOR", "KEY", "ON")


def _is_from_of_query(tokens: Sequence[Token], at: int) -> bool:
    """Not the FROM of `EXTRACT(YEAR FROM a)`, `TRIM(... FROM a)` or `IS DISTINCT FROM`."""
    depth = 0
    for token in reversed(tokens[:at]):
        depth += (token.text == ")") - (token.text == "(")
        if depth < 0:
            return False
        if depth == 0 and token.word in ("SELECT", "DELETE"):
            return True
    return False


def _reference(tokens: Sequence[Token], at: int) -> tuple[Reference | None, int]:
    first = tokens[at]
    if first.kind not in ("name", "quoted"):
        return None, at + 1
    names, last, at = [first], first, at + 1
    while at + 1 < len(tokens) and tokens[at].text == "." and tokens[at + 1].kind in ("name", "quoted"):
        last = tokens[at + 1]
        names.append(last)
        at += 2
    if at < len(tokens) and tokens[at].text == "(":
        return None, at
    alias = names[-1].identifier
    if at < len(tokens) and tokens[at].word == "AS":
        at += 1
    if at < len(tokens) and tokens[at].kind in ("name", "quoted") and tokens[at].word not in _NO_ALIAS:
        last, alias = tokens[at], tokens[at].identifier
        at += 1
    schema = names[-2].identifier if len(names) > 1 else None
    return Reference(names[-1].identifier, schema, alias, first.start, last.start + len(last.text)), at


# -- what must not be explained


def refuse_acting(text: Text) -> None:
    """Raise `CannotPlan` for a statement whose EXPLAIN could act, wait, or change what the statement answers."""
    for index, token in enumerate(text.tokens):
        word = token.word
        follows = text.tokens[index + 1].text if index + 1 < len(text.tokens) else ""
        if follows == "(" and (word in _ACTING or (word == "LAST_INSERT_ID" and text.tokens[index + 2].text != ")")):
            raise CannotPlan(f"it calls {word}, which EXPLAIN could run")
        if token.text == ":=" or token.text.upper() in _STATE:
            raise CannotPlan("it sets or reads the state of the session, which EXPLAIN could change")
        if word == "NEXT" and follows.upper() == "VALUE":
            raise CannotPlan("it draws from a sequence, which EXPLAIN could do")
        if word == "INTO" and index and text.tokens[0].word in ("SELECT", "WITH") and follows.upper() != "":
            raise CannotPlan("it writes its result into a variable or a file")


def unknown_calls(text: Text) -> tuple[str, ...]:
    """Names of functions that may be stored ones, in lower case."""
    found = []
    for index, token in enumerate(text.tokens[:-1]):
        if text.tokens[index + 1].text != "(" or token.kind not in ("name", "quoted"):
            continue
        qualified = index > 0 and text.tokens[index - 1].text == "."
        if qualified or token.kind == "quoted" or token.word not in _BUILT_IN:
            found.append(token.identifier.lower())
    return tuple(dict.fromkeys(found))


def takes_locks(text: Text, kind: str) -> bool:
    """Whether EXPLAIN itself may read with locks: it looks constant rows up as the statement would.

    Tried on MariaDB 10.11: a plain SELECT and an UPDATE or DELETE of one table without subquery take none.
    """
    words = set(text.words())
    if kind == "select":
        return locking_start(text) is not None
    return "SELECT" in words or len(text.references) > 1


def locking_start(text: Text) -> int | None:
    """The index of the token that starts FOR UPDATE, FOR SHARE or LOCK IN SHARE MODE, at any depth."""
    for index, token in enumerate(text.tokens[:-1]):
        follows = text.tokens[index + 1].word
        if (token.word == "FOR" and follows in ("UPDATE", "SHARE")) or (token.word == "LOCK" and follows == "IN"):
            return index
    return None


def quote(name: str) -> str:
    """A name in backquotes."""
    return "`" + name.replace("`", "``") + "`"
