"""The tokens of any SQL text, in linear time, without ever raising.

What no database would accept is taken for a literal up to the end of the text, so that no value is ever shown.
"""

from __future__ import annotations

import re
from functools import cache

from pytest_querybudget.statements.words import KEYWORDS

# Kinds of tokens: plain integers, because a text has hundreds of them.
KEYWORD, NAME, LITERAL, PARAM, OP = range(5)

Token = tuple[int, str]

# Groups of the pattern, by number; the order is the order in which they are tried.
_LINE, _BLOCK, _DOLLAR, _QUOTE, _STRING, _PARAM, _NAME, _NUMBER, _OPEN, _OP = range(1, 11)

_PART = r"""(?:__\[SCHEMA_[^\]]{1,200}\]|[^\W\d][\w$]*|"[^"]*(?:""[^"]*)*"|`[^`]*(?:``[^`]*)*`)"""
_SLASHED = r"""(?:[eE]|[nNxXbB])?'[^'\\]*(?:(?:\\.|'')[^'\\]*)*'"""
_PLAIN = r"""[eE]'[^'\\]*(?:(?:\\.|'')[^'\\]*)*'|(?:[nNxXbB]|[uU]&)?'[^']*(?:''[^']*)*'"""
_PARAMS = r"""
    __\[POSTCOMPILE_[^\]~]{1,200}(?:~~[^~]{0,500}~~REPL~~[^~]{0,500}~~)?\]
  | %\([^)]{0,200}\)s | %s(?!\w) | \?(?=\|\|) | \?(?![|&])[0-9]*
  | :[^\W\d]\w* | (?<![\w\])?]):[0-9]+ | \$[0-9]+
"""
_OPS = r"""
    <=>|<->|->>|->|\#>>|\#>|\#-|@>|<@|@@|@\?|\|\||&&|<=|>=|<>|!=|==|!~~\*?|~~\*?|!~\*|!~|~\*|:=|=>|<<|>>
  | \?\| | \?& | :: | \.\.\. | [\s\S]
"""


def _pattern(line: str, dollar: str, strings: str, part: str) -> re.Pattern[str]:
    return re.compile(
        rf"""\s*(?:({line})|(/\*)|({dollar})|([nN]?[qQ]'[^\w\s])|({strings})|({_PARAMS})
        |((?:@{{1,2}}(?=[^\W\d])|\#{{1,2}}(?=[^\W\d]))?{part}(?:\.{part})*(?:\.\*)?)
        |([0-9][0-9_]*(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?(?![\w$])|0[xX][0-9a-fA-F]+|\.[0-9]+(?:[eE][+-]?[0-9]+)?
          |[0-9][\w$]*)
        |(["'`])|({_OPS})|\Z)""",
        re.VERBOSE,
    )


_NEVER = r"(?!)"
_COMMENT_EDGE = re.compile(r"/\*|\*/")
_CLOSING = {"(": ")", "[": "]", "{": "}", "<": ">"}
_MASKABLE = frozenset(("NULL", "TRUE", "FALSE"))
_VALUE_WORDS = frozenset(("NULL", "TRUE", "FALSE", "END"))


def tokenize(sql: str, dialect: str = "") -> list[Token]:  # noqa: C901 - the loop of every distinct text
    """Split a text into tokens, without comments and white space; keywords are upper case.

    `dialect` is SQLAlchemy's name of it: MySQL and MariaDB quote strings otherwise, SQL Server names.
    """
    match = _choose(dialect).match
    tokens: list[Token] = []
    append = tokens.append
    position, nested = 0, True
    while found := match(sql, position):
        kind, position = found.lastindex, found.end()
        if kind == _NAME:
            word = found[_NAME]
            upper = word.upper()
            if upper in KEYWORDS:
                append(_word(upper, tokens))
            elif tokens and tokens[-1] == (OP, "."):
                _join_name(tokens, word)
            else:
                append((NAME, word))
        elif kind == _OP:
            append((OP, found[_OP]))
        elif kind == _PARAM:
            append((PARAM, found[_PARAM]))
        elif kind == _STRING:
            append((LITERAL, found[_STRING]))
        elif kind == _NUMBER:
            _add_number(tokens, found[_NUMBER])
        elif kind is None:
            break
        elif kind == _BLOCK:
            position, nested = _skip_comment(sql, position, nested)
        elif kind != _LINE:
            start = found.start(kind)
            position = _end_of_quote(sql, kind, found[kind], position)
            append((LITERAL, sql[start:position]))
    return tokens


@cache
def _choose(dialect: str) -> re.Pattern[str]:
    # Each takes milliseconds to compile, and hardly any run needs more than one.
    if dialect == "mariadb":
        return _choose("mysql")
    if dialect == "mysql":
        doubled = r"""|"[^"\\]*(?:(?:\\[\s\S]|"")[^"\\]*)*\""""
        return _pattern(r"--(?=\s|\Z)[^\n]*|\#[^\n]*", _NEVER, _SLASHED + doubled, _PART)
    if dialect == "mssql":
        return _pattern(r"--[^\n]*", _NEVER, _PLAIN, _PART[:-1] + r"|\[[^\]\[\n]{1,128}\])")
    if dialect:
        return _choose("")
    return _pattern(r"--[^\n]*", r"\$(?:[^\W\d]\w*)?\$", _PLAIN, _PART)


def _word(upper: str, tokens: list[Token]) -> Token:
    """A keyword; NULL, TRUE and FALSE where a value stands are literals: `(1, NULL)` is `(1, 2)` in another row."""
    if upper in _MASKABLE and tokens and tokens[-1][0] == OP and tokens[-1][1] not in (")", "]"):
        return LITERAL, upper
    return KEYWORD, upper


def _join_name(tokens: list[Token], word: str) -> None:
    """`a . b` is `a.b`: white space or a comment inside a name changes nothing."""
    if len(tokens) > 1 and tokens[-2][0] == NAME:
        tokens[-2:] = [(NAME, f"{tokens[-2][1]}.{word}")]
    else:
        tokens.append((NAME, word))


def _add_number(tokens: list[Token], text: str) -> None:
    """Add a number, with its sign where the sign cannot be an operator between two values."""
    if not text[0].isdigit() and text[0] != ".":
        tokens.append((NAME, text))
        return
    if tokens and tokens[-1] in ((OP, "-"), (OP, "+")):
        before = tokens[-2] if len(tokens) > 1 else (KEYWORD, "")
        is_sign = before[1] not in (")", "]") if before[0] == OP else before[0] == KEYWORD
        if is_sign and before[1] not in _VALUE_WORDS:
            tokens[-1] = (LITERAL, tokens[-1][1] + text)
            return
    tokens.append((LITERAL, text))


def _skip_comment(sql: str, position: int, nested: bool) -> tuple[int, bool]:
    """Where a comment ends, and whether comments may still nest.

    PostgreSQL's comments nest, others' do not: one that never closes when nested is read as not nested,
    and so is every later one, because each would search to the end of the text in vain.
    """
    depth, edge = 1, position
    while nested and depth:
        found = _COMMENT_EDGE.search(sql, edge)
        if found is None:
            nested = False
            break
        depth += 1 if found[0] == "/*" else -1
        edge = found.end()
    if nested:
        return edge, True
    end = sql.find("*/", position)
    return (len(sql) if end < 0 else end + 2), False


def _end_of_quote(sql: str, kind: int | None, opening: str, position: int) -> int:
    """Where a dollar quote or a q-quote ends; what is never closed ends with the text."""
    if kind == _OPEN:
        return len(sql)
    closing = opening if kind == _DOLLAR else _CLOSING.get(opening[-1], opening[-1]) + "'"
    end = sql.find(closing, position)
    return len(sql) if end < 0 else end + len(closing)
