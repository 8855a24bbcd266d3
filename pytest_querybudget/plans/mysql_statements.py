"""The text of statements for MySQL and MariaDB: what is safe to explain, where its tables stand, and how to rewrite it.

Nothing here parses SQL as a whole: EXPLAIN of a rewritten text that is wrong is refused by the database and costs nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pytest_querybudget.plans.reader import CannotPlan
from pytest_querybudget.plans.tokens import Token, tokenize

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
    """
    ABS ALL AND ANY AS ASCII AVG BETWEEN BIN_TO_UUID BY CASE CAST CEIL CEILING CHAR CHAR_LENGTH COALESCE CONCAT CONCAT_WS
    CONVERT COUNT CURDATE CURRENT_DATE CURRENT_TIMESTAMP DATE DATE_ADD DATE_FORMAT DATE_SUB DATEDIFF DAY DECIMAL
    DENSE_RANK DISTINCT ELSE EXISTS EXTRACT FIELD FIND_IN_SET FIRST_VALUE FLOOR FORCE FROM GREATEST GROUP_CONCAT HAVING
    HEX HOUR IF IFNULL IGNORE IN INDEX INSTR INTERVAL INTO JOIN JSON_ARRAY JSON_CONTAINS JSON_EXTRACT JSON_LENGTH
    JSON_OBJECT JSON_QUERY JSON_UNQUOTE JSON_VALUE KEY LAG LAST_VALUE LEAD LEAST LEFT LENGTH LIKE LOCATE LOWER LPAD LTRIM
    MATCH AGAINST MAX MD5 MIN MINUTE MOD MONTH NOT NOW NULLIF NUMERIC ON OR OVER PARTITION POW POWER QUARTER RAND RANK
    REGEXP_LIKE REPLACE REVERSE RIGHT ROUND ROW_NUMBER RPAD RTRIM SECOND SELECT SET SHA1 SHA2 SIGN SOME SQRT STD STDDEV
    STR_TO_DATE SUBSTR SUBSTRING SUM THEN TIME TIMESTAMP TIMESTAMPDIFF TRIM TRUNCATE UNHEX UNION UNIX_TIMESTAMP UPPER USE
    USING UTC_TIMESTAMP UUID UUID_TO_BIN VALUES VARCHAR VARIANCE WEEK WHEN WHERE WITH XOR YEAR EXCEPT INTERSECT LATERAL
    JSON_TABLE OF TO FOR LIMIT OFFSET
    """.split()
)
_NO_ALIAS = frozenset(
    """
    WHERE GROUP HAVING ORDER LIMIT UNION INTERSECT EXCEPT WINDOW FOR ON USING JOIN LEFT RIGHT INNER CROSS NATURAL
    STRAIGHT_JOIN SET USE FORCE IGNORE LOCK PARTITION RETURNING PROCEDURE INTO OUTER SELECT VALUES
    """.split()
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
        return _locking_start(text) is not None
    return "SELECT" in words or len(text.references) > 1


def _locking_start(text: Text) -> int | None:
    """The token that starts FOR UPDATE, FOR SHARE or LOCK IN SHARE MODE, at any depth."""
    for index, token in enumerate(text.tokens[:-1]):
        follows = text.tokens[index + 1].word
        if (token.word == "FOR" and follows in ("UPDATE", "SHARE")) or (token.word == "LOCK" and follows == "IN"):
            return index
    return None


# -- rewriting

#: A piece of a new statement: new text, or the offsets of a piece of the old one, which keeps its parameters.
Piece = str | tuple[int, int]


def assemble(text: Text, parameters: Any, pieces: Sequence[Piece]) -> tuple[str, Any]:
    """A new statement from pieces of an old one, with the parameters that belong to them."""
    places = [token for token in text.tokens if token.kind == "param" and token.text == "%s" or token.text == "?"]
    sql, chosen = [], []
    for piece in pieces:
        if isinstance(piece, str):
            sql.append(piece)
        else:
            sql.append(text.sql[piece[0] : piece[1]])
            chosen += [index for index, place in enumerate(places) if piece[0] <= place.start < piece[1]]
    if isinstance(parameters, (list, tuple)) and len(parameters) == len(places):
        parameters = type(parameters)(parameters[index] for index in chosen)
    return "".join(sql), parameters


def as_reading(text: Text, kind: str) -> list[Piece]:
    """What a statement reads, as a SELECT that takes no lock. Raises `CannotPlan` when it has none."""
    if kind == "insert":
        return _unlocked(text, _offset(text, _find(text, "SELECT")), _upsert(text))
    if kind == "select":
        return _unlocked(text, 0, len(text.sql))
    where = _find(text, "WHERE", required=False)
    tail = (_offset(text, where), len(text.sql)) if where is not None else None
    if kind == "delete":
        start = _offset(text, _find(text, "FROM"))
        return [text.sql[:0], _head(text), "SELECT 1 ", (start, len(text.sql))]
    update, assign = _find(text, "UPDATE"), _find(text, "SET")
    tables = (text.tokens[update].start + len("UPDATE"), _offset(text, assign))
    values = list(_assigned(text, assign, where))
    pieces: list[Piece] = [_head(text), "SELECT 1", *values, " FROM ", tables]
    return [*pieces, tail] if tail else pieces


def _head(text: Text) -> Piece:
    """The WITH clause before the verb, if any."""
    start = next((token.start for token in text.tokens if token.word in ("UPDATE", "DELETE")), 0)
    return (0, start) if text.tokens[0].word == "WITH" else ""


def _assigned(text: Text, assign: int, where: int | None) -> Iterator[Piece]:
    """The values of SET, as columns of a SELECT: a subquery there is planned as well."""
    end = where if where is not None else len(text.tokens)
    depth, start = 0, None
    for index in range(assign + 1, end):
        token = text.tokens[index]
        depth += (token.text == "(") - (token.text == ")")
        if depth == 0 and token.text == "=" and start is None:
            start = token.start + 1
        if start is not None and depth == 0 and (token.text == "," or token.word in ("ORDER", "LIMIT")):
            yield from (", ", (start, token.start))
            start = None
    if start is not None:
        yield from (", ", (start, _offset(text, end)))


def _upsert(text: Text) -> int:
    """Where ON DUPLICATE KEY or RETURNING starts, or the end."""
    for index, token in enumerate(text.tokens[:-1]):
        if token.word == "RETURNING" or (token.word == "ON" and text.tokens[index + 1].word == "DUPLICATE"):
            return token.start
    return len(text.sql)


def _unlocked(text: Text, start: int, end: int) -> list[Piece]:
    at = _locking_start(text)
    if at is None or text.tokens[at].start < start:
        return [(start, end)]
    stop, depth = at + 2, 0
    while stop < len(text.tokens) and not (depth == 0 and text.tokens[stop].text in (")", ";")):
        if text.tokens[stop].word in ("UNION", "LIMIT"):
            break
        depth += (text.tokens[stop].text == "(") - (text.tokens[stop].text == ")")
        stop += 1
    if any(token.word == "FOR" and index > stop for index, token in enumerate(text.tokens)):
        raise CannotPlan("it locks rows in more than one place")
    return [(start, text.tokens[at].start), (_offset(text, stop), end)]


def _find(text: Text, word: str, *, required: bool = True) -> Any:
    """The first token of that word outside parentheses."""
    depth = 0
    for index, token in enumerate(text.tokens):
        depth += (token.text == "(") - (token.text == ")")
        if depth == 0 and token.word == word:
            return index
    if required:
        raise CannotPlan("it reads no table")
    return None


def _offset(text: Text, index: int) -> int:
    return text.tokens[index].start if index < len(text.tokens) else len(text.sql)


def with_hints(text: Text, hint: Callable[[Reference], str | None]) -> tuple[str, bool]:
    """The statement with an index hint behind each table for which `hint` gives one, and whether any was placed.

    A DELETE from one table, which takes no hint, becomes the SELECT that finds the rows.
    """
    sql, placed = text.sql, False
    for reference in sorted(text.references, key=lambda each: -each.end):
        clause = hint(reference)
        if clause:
            sql, placed = f"{sql[: reference.end]} {clause}{sql[reference.end :]}", True
    if placed and text.tokens[0].word == "DELETE" and len(text.references) == 1:
        sql = "SELECT 1 " + sql[_offset(text, _find(text, "FROM")) :]
    return sql, placed


def moved(text: Text, schemas: dict[str, str]) -> str:
    """The statement with qualified names moved to other schemas (lower-case name to new name)."""
    sql = text.sql
    for index in range(len(text.tokens) - 2, -1, -1):
        token = text.tokens[index]
        target = schemas.get(token.identifier.lower()) if token.kind in ("name", "quoted") else None
        before = text.tokens[index - 1].text if index else ""
        if target and text.tokens[index + 1].text == "." and before != "." and _names_schema(text, index):
            sql = f"{sql[: token.start]}{quote(target)}{sql[token.start + len(token.text) :]}"
    return sql


def _names_schema(text: Text, index: int) -> bool:
    """A schema before a dot, and not an alias of the same name: the table of a reference, or `schema.table.column`."""
    starts = {each.start for each in text.references if each.schema}
    after = text.tokens[index + 3].text if index + 3 < len(text.tokens) else ""
    return text.tokens[index].start in starts or after == "."


def is_limited(text: Text) -> bool:
    """Whether the outermost query has a LIMIT."""
    return _find(text, "LIMIT", required=False) is not None


def quote(name: str) -> str:
    """A name in backquotes."""
    return "`" + name.replace("`", "``") + "`"
