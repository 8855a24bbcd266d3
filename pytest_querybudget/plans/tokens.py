"""SQL text as tokens, for statements and for the expressions that plans print. Linear in the length of the text."""

from __future__ import annotations

import re

from pytest_querybudget.values import dataclass

_TOKEN = re.compile(
    r"""
    (?P<space>\s+|--[^\n]*(?:\n|$)|/\*.*?(?:\*/|$))
  | (?P<string>(?:[eEnNbBxX]|_[a-z0-9]+)?'(?:[^']|'')*(?:'|$)|\$(?P<tag>[A-Za-z_]*)\$.*?(?:\$(?P=tag)\$|$))
  | (?P<quoted>"(?:[^"]|"")*(?:"|$)|`(?:[^`]|``)*(?:`|$)|\[[^\[\]\n:,'"0-9][^\[\]\n:,'"]*\])
  | (?P<param>%\([^)]*\)s|%s|\$\d+|:\d+|:[A-Za-z_]\w*|@@?[A-Za-z_]\w*|\?\d+)
  | (?P<number>(?:0[xX][0-9a-fA-F]+|\d+(?:\.\d*)?(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?))
  | (?P<name>[^\W\d][\w$]*)
  | (?P<op>::|<=>|->>|->|\#>>|\#>|!~~\*|!~~|~~\*|~~|!~\*|!~|~\*|@>|<@|@@|@\?|\?\||\?&|\|\||&&|<>|!=|<=|>=|<<|>>|:=|%%|[-+*/%<>=~&|^!\#@?:])
  | (?P<punct>[(),.;\[\]{}])
  | (?P<other>.)
    """,
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Token:
    """`kind` is string, quoted, param, number, name, op, punct or other; `text` is as written."""

    kind: str
    text: str
    start: int

    @property
    def word(self) -> str:
        """The text in upper case if this is a bare word, otherwise empty."""
        return self.text.upper() if self.kind == "name" else ""

    @property
    def identifier(self) -> str:
        """The name without its quotes."""
        if self.kind != "quoted":
            return self.text
        quote, inner = self.text[0], self.text[1:-1]
        return inner if quote == "[" else inner.replace(quote * 2, quote)


def tokenize(sql: str) -> list[Token]:
    """Split SQL into tokens without white space and comments. Never raises: what is unknown has kind `other`."""
    tokens = []
    for match in _TOKEN.finditer(sql):
        kind = match.lastgroup or "other"
        kind = "string" if kind == "tag" else kind
        if kind != "space":
            tokens.append(Token(kind, match.group(), match.start()))
    return tokens


def mask(text: str) -> str:
    """Replace each literal of an SQL text with a question mark; nothing of a value is left.

    >>> mask("((status)::text = 'open'::text) AND (total > 5.5)")
    '((status)::text = ?::text) AND (total > ?)'
    """
    parts, end = [], 0
    for match in _TOKEN.finditer(text):
        kind = match.lastgroup
        if kind in ("string", "tag", "number") and not _part_of_name(text, match.start()):
            parts += [text[end : match.start()], "?"]
            end = match.end()
    return "".join(parts) + text[end:]


def _part_of_name(text: str, start: int) -> bool:
    """Numbers that plans use to name their own parts: `SubPlan 1`, `InitPlan 2`, `numeric(10,2)` does no harm."""
    return text[max(0, start - 8) : start] in ("SubPlan ", "nitPlan ", "LIST SU")
