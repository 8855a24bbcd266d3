"""`query_budget.app(app)`: an application whose requests are measured one by one, ASGI or WSGI."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from types import MethodType
from typing import Any
from urllib.parse import quote

from pytest_querybudget.budgets import BudgetError
from pytest_querybudget.capture.journal import Journal
from pytest_querybudget.capture.routing import CURRENT, Request

Journals = Callable[[], Iterable[Journal]]
_CONVERTER = re.compile(r"\{(\w+):\w+\}")
_PARAMETER = re.compile(r"\{(\w+)\}")
# What an ASGI application and a WSGI application are called with.
_ASGI_ARGUMENTS, _WSGI_ARGUMENTS = 3, 2


def wrapped(app: Any, journals: Journals) -> Any:
    """Return an application that does what `app` does, and opens a window in the journals for each request.

    Raises `BudgetError` for what is neither an ASGI nor a WSGI application.
    """
    kind = _kind_of(app)
    if kind is None:
        raise BudgetError(
            f"query_budget.app got a {type(app).__name__}, but takes an ASGI or a WSGI application: "
            "what is called with (scope, receive, send) or (environ, start_response)"
        )
    return kind(app, journals)


def _kind_of(app: Any) -> type[AsgiApp | WsgiApp] | None:
    if not callable(app) or inspect.isclass(app):
        return None
    function = app
    while isinstance(function, functools.partial):
        function = function.func
    if inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__):
        return AsgiApp
    try:
        signature = inspect.signature(app)
    except (TypeError, ValueError):
        return WsgiApp
    if _takes(signature, _WSGI_ARGUMENTS):
        return WsgiApp
    return AsgiApp if _takes(signature, _ASGI_ARGUMENTS) else None


def _takes(signature: inspect.Signature, number: int) -> bool:
    try:
        signature.bind(*[None] * number)
    except TypeError:
        return False
    return True


class _Wrapper:
    """What both kinds share: everything but the call is the application's own."""

    def __init__(self, app: Any, journals: Journals) -> None:
        self._app = app
        self._journals = journals

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._app, name)
        if name == "test_client" and inspect.ismethod(value):
            # A client of Flask or Quart calls the application that made it: this one.
            return MethodType(value.__func__, self)
        return value

    def _begin(self, label: str) -> Request:
        request = Request(label)
        request.begin(self._journals())
        return request


class AsgiApp(_Wrapper):
    """An ASGI application; each HTTP request and each websocket is a request."""

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        """Serve one request in a window of its own."""
        __tracebackhide__ = True
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        # The route is known, and the paths are changed, only when the application has seen the scope.
        path, root = str(scope.get("path", "/")), str(scope.get("root_path", ""))
        method = scope["method"] if scope["type"] == "http" else "WEBSOCKET"
        request = self._begin(f"{method} {_shown(path)}")
        token = CURRENT.set(request)
        try:
            await self._app(scope, receive, send)
        finally:
            CURRENT.reset(token)
            request.running = False
            request.rename(f"{method} {asgi_route(scope, path, root) or _shown(path)}")


def asgi_route(scope: Mapping[str, Any], path: str, root: str) -> str | None:
    """Return the template of the route that an ASGI scope was routed to, if the framework tells.

    `path` and `root` are what the scope had for them before.
    """
    path, parameters = path.removeprefix(root), scope.get("path_params") or {}
    template = getattr(scope.get("route"), "path", None)
    if isinstance(template, str):
        template = _CONVERTER.sub(r"{\1}", template)
        end = _end(template, path, parameters)
        if end is not None:
            # The route may know nothing of the routers and mounts around it, whose parameters stand before its own.
            named = set(_PARAMETER.findall(template))
            outer = {name: value for name, value in parameters.items() if name not in named}
            return _with_names(path[: len(path) - end], outer) + template
    return _with_names(path, parameters) if parameters else None


def _end(template: str, path: str, parameters: Mapping[str, Any]) -> int | None:
    """Return how long the end of a path is that a template describes; none when it describes no end of it."""
    if not set(_PARAMETER.findall(template)) <= set(parameters):
        return None
    filled = _PARAMETER.sub(lambda match: str(parameters[match[1]]), template)
    if path.endswith(filled):
        return len(filled)
    # A converter may have made another text of it: "/007" is 7.
    parts = _PARAMETER.split(template)
    pattern = "".join("[^/]+" if index % 2 else re.escape(part) for index, part in enumerate(parts))
    found = re.search(f"{pattern}$", path)
    return len(found[0]) if found else None


def _with_names(path: str, parameters: Mapping[str, Any]) -> str:
    """Return a path with the names of its parameters in place of their values."""
    steps = path.split("/")
    end = len(steps)
    for name, value in reversed(list(parameters.items())):
        for index in reversed(range(end)):
            if steps[index] == str(value):
                steps[index] = f"{{{name}}}"
                end = index
                break
    return _shown("/".join(steps))


class WsgiApp(_Wrapper):
    """A WSGI application."""

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Serve one request in a window of its own."""
        __tracebackhide__ = True
        path, root = environ.get("PATH_INFO") or "/", environ.get("SCRIPT_NAME", "")
        method = environ.get("REQUEST_METHOD", "GET")
        request = self._begin(f"{method} {_shown(path)}")

        def start(*arguments: Any, **keywords: Any) -> Any:
            # Now the request is routed; Flask forgets its request as soon as it has answered.
            request.rename(f"{method} {wsgi_route(environ, root) or _shown(path)}")
            return start_response(*arguments, **keywords)

        token = CURRENT.set(request)
        body: Iterable[bytes] = ()
        try:
            body = self._app(environ, start)
        finally:
            CURRENT.reset(token)
            request.running = not isinstance(body, (list, tuple))
        return _Body(body, request) if request.running else body


class _Body:
    """A response that is still being made: what it sends while it is read belongs to its request."""

    def __init__(self, body: Iterable[bytes], request: Request) -> None:
        self._body = body
        self._chunks: Iterator[bytes] | None = None
        self._request = request

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        token = CURRENT.set(self._request)
        try:
            if self._chunks is None:
                self._chunks = iter(self._body)
            return next(self._chunks)
        except BaseException:
            self._request.running = False
            raise
        finally:
            CURRENT.reset(token)

    def close(self) -> None:
        """Close what was wrapped."""
        token = CURRENT.set(self._request)
        try:
            close = getattr(self._body, "close", None)
            if close is not None:
                close()
        finally:
            CURRENT.reset(token)
            self._request.running = False


def wsgi_route(environ: Mapping[str, Any], root: str) -> str | None:
    """Return the rule that a WSGI request was routed to, if the framework tells: Flask, Bottle or Pyramid.

    `root` is what `SCRIPT_NAME` was before.
    """
    rule = getattr(getattr(environ.get("werkzeug.request"), "url_rule", None), "rule", None)
    rule = rule or getattr(environ.get("bottle.route"), "rule", None)
    rule = rule or getattr(environ.get("webob.adhoc_attrs", {}).get("matched_route"), "pattern", None)
    if not isinstance(rule, str):
        return None
    mounted = str(environ.get("SCRIPT_NAME", "")).removeprefix(root)
    return mounted + (rule if rule.startswith("/") else f"/{rule}")


def _shown(path: str) -> str:
    """Return a path on one line, whatever is in it."""
    return quote(path, safe="/{}<>:@!$&'()*+,;=~-._% ")
