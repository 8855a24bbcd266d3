"""Words, figures and hostile characters: what every format does to text in the same way."""

from __future__ import annotations

import re

# C0 and C1 controls, the line separators that JavaScript and terminals know, and the marks that reorder
# what a person reads: SQL is the application's text, and may hold any of them.
_UNPRINTABLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ufff9-\ufffb]"
)
_BREAKS = re.compile(r"\s+")
# What the columns of a SELECT are told apart by.
_STRUCTURE = re.compile(r"""[(),]|"[^"]*"|`[^`]*`|'[^']*'|\sFROM\s""", re.IGNORECASE)
_ELLIPSIS = ", ..."
# What a GitHub runner takes for a command when it stands in the output of a step.
_COMMAND = re.compile(r"(?m)^([ \t]*):(?=:)|#(?=#\[)")


def plural(number: int, noun: str, nouns: str | None = None) -> str:
    """Say `1 query`, `2 queries`, `1,200 queries`; without `nouns` the plural ends in "s" or "ies"."""
    if number == 1:
        return f"1 {noun}"
    if nouns is None:
        nouns = f"{noun[:-1]}ies" if noun.endswith("y") and noun[-2:-1] not in "aeiou" else f"{noun}s"
    return f"{number:,} {nouns}"


def well_formed(text: str) -> str:
    """Join surrogate pairs and replace lone surrogates by U+FFFD, so that the text can be encoded."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def visible(text: str) -> str:
    r"""Show what would act on a terminal or a reader instead of letting it: ESC becomes `\x1b`.

    Newlines and tabs stay; lone surrogates become U+FFFD.
    """
    return _UNPRINTABLE.sub(_escape, well_formed(text.replace("\r\n", "\n")))


def printable(text: str) -> str:
    r"""Make text visible, and harmless where a CI runner reads along.

    What it would obey (`::error` on a new line, `##[error]`) is shown as `\x3a:error` and `\x23#[error]`.
    """
    return _COMMAND.sub(lambda match: f"{match[1]}\\x3a" if match[1] is not None else "\\x23", visible(text))


def pretty(sql: str, limit: int = 10_000) -> str:
    """Lay a statement out over several lines, printable; one of more than `limit` characters is cut into one line."""
    if len(sql) > limit:
        return brief(sql, limit)
    import sqlparse  # It costs 30 ms, and only who asks for more than one line pays them.
    from sqlparse.exceptions import SQLParseError

    try:
        return printable(sqlparse.format(sql, reindent=True, indent_width=4, wrap_after=72).strip())
    except (SQLParseError, RecursionError):
        # Nested deeper than it goes.
        return one_line(sql)


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def one_line(text: str) -> str:
    """Fold all white space, newlines included, into single spaces, and make the rest printable."""
    return printable(_BREAKS.sub(" ", text).strip())


def shorten(text: str, limit: int) -> str:
    """Cut a text to about `limit` characters and say how many are missing."""
    if len(text) <= limit:
        return text
    return f"{text[:limit].rstrip()} … [{len(text) - limit:,} more characters]"


def abridged(sql: str, room: int) -> str:
    """One line of at most `room` characters: a long select list loses its end first, then the statement does.

    What a statement reads, and by which condition, says more than its twentieth column.
    """
    line = one_line(sql[: 100 * room])
    if len(line) > room and (columns := _select_list(line)):
        end = columns[-1]
        fitting = [each for each in columns if each + len(_ELLIPSIS) + len(line) - end <= room]
        kept = (fitting or columns)[-1 if fitting else 0]
        if kept < end:
            line = line[:kept] + _ELLIPSIS + line[end:]
    return line if len(line) <= room else line[: room - 3] + "..."


def _select_list(line: str) -> list[int]:
    """Return where each column of an outermost select list ends; nothing for a statement that has none."""
    if line[:7].upper() != "SELECT ":
        return []
    depth, ends = 0, []
    for mark in _STRUCTURE.finditer(line):
        sign = mark[0]
        if sign in "()":
            depth += 1 if sign == "(" else -1
        elif depth == 0 and sign == ",":
            ends.append(mark.start())
        elif depth == 0 and sign[0].isspace():
            return [*ends, mark.start()]
    return []


def brief(text: str, limit: int) -> str:
    """One line of about `limit` characters; cut first, so that a statement of a megabyte costs nothing."""
    return one_line(shorten(text, limit))
