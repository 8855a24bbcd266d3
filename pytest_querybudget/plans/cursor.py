"""Steps over the tokens of a statement or of an expression."""

from __future__ import annotations

from pytest_querybudget.plans.tokens import Token

# How deep brackets and operators may be nested.
MAX_DEPTH = 120
END = Token("end", "", -1)


class NotUnderstood(ValueError):  # noqa: N818 - it is an answer, not an error
    """This is not SQL, or more of it than the parser knows."""


class TokenReader:
    """A place in one token list."""

    def __init__(self, tokens: list[Token]) -> None:
        self.tokens = tokens
        self.at = 0
        self.depth = 0
        parameters = (each for each in tokens if each.kind == "param" or each.text == "?")
        self.positions = {each.start: position for position, each in enumerate(parameters)}

    def peek(self, ahead: int = 0) -> Token:
        index = self.at + ahead
        return self.tokens[index] if index < len(self.tokens) else END

    def next(self) -> Token:
        token = self.peek()
        self.at += 1
        return token

    def word(self, *words: str) -> bool:
        """Step over these words if they come next."""
        if all(self.peek(index).word == each for index, each in enumerate(words)):
            self.at += len(words)
            return True
        return False

    def sign(self, text: str) -> bool:
        token = self.peek()
        if token.text == text and token.kind in ("op", "punct"):
            self.at += 1
            return True
        return False

    def expect(self, text: str) -> None:
        if not (self.sign(text) or self.word(text)):
            raise NotUnderstood(f"expected {text}")

    def name(self) -> str:
        token = self.next()
        if token.kind not in ("name", "quoted"):
            raise NotUnderstood("expected a name")
        return token.identifier

    def skip_until(self, words: set[str]) -> None:
        first = True
        while self.peek() is not END and self.peek().text not in (")", ";"):
            if self.peek().word in words and not first:
                return
            if self.sign("("):
                self.skip_group()
            else:
                self.next()
            first = False

    def skip_group(self) -> None:
        """Step over everything to the closing parenthesis; the opening one is behind."""
        depth = 1
        while depth:
            token = self.next()
            if token is END:
                raise NotUnderstood("unbalanced parentheses")
            if token.kind == "punct":
                depth += {"(": 1, "[": 1, ")": -1, "]": -1}.get(token.text, 0)

    def is_subquery(self) -> bool:
        ahead = 0
        while self.peek(ahead).text == "(":
            ahead += 1
        return self.peek(ahead).word in ("SELECT", "WITH", "VALUES")
