"""What a route is: the path it answers, who may ask and how often, and the function that answers."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from paper.answers import JsonObject
from paper.exchange import Credential, PaperExchange
from paper.limits import Limit
from paper.server_request import NoSuchPath, Params, Refusal


@dataclass(slots=True)
class Call:
    """A request that has passed the gate; `argument` is the last piece of the path where the route ends in one, `is_form` its encoding."""

    params: Params
    argument: str
    now: datetime
    signed_by: Credential | None = None
    is_form: bool = False

    @property
    def signer(self) -> Credential:
        """Return who signed; refuse with 10560 if nobody did."""
        if self.signed_by is None:
            raise Refusal(10560)
        return self.signed_by

    @property
    def user(self) -> int:
        """Return the user id of who signed; refuse with 10560 if nobody did."""
        return self.signer.user


@dataclass(frozen=True, slots=True)
class Extra:
    """Payload together with the fields that stand beside `data` in its envelope."""

    data: object
    beside: dict[str, object]


def paged(rows: Sequence[JsonObject], call: Call, at_most: int = 500) -> JsonObject:
    """Return one page of rows and how many there are (1.6, page style)."""
    page, size = call.params.bounded("page", 1, 2**31), call.params.bounded("pageSize", 20, at_most)
    return {"list": rows[(page - 1) * size : page * size], "pageTotal": -(-len(rows) // size), "total": len(rows)}


Handler = Callable[[PaperExchange, Call], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One endpoint. A path that ends in `/` takes one more piece, the call's argument."""

    method: str
    path: str
    handler: Handler
    signed: bool = False
    trades: bool = False
    limit: Limit | None = None


@dataclass(slots=True)
class Routes:
    """All endpoints by path."""

    exact: dict[str, Route] = field(default_factory=dict)
    open_ended: dict[str, Route] = field(default_factory=dict)

    @classmethod
    def of(cls, routes: Iterable[Route]) -> "Routes":
        """Arrange routes for looking up."""
        found = cls()
        for route in routes:
            (found.open_ended if route.path.endswith("/") else found.exact)[route.path] = route
        return found

    def find(self, path: str) -> tuple[Route, str]:
        """Return the route of a path and the argument in it; raise NoSuchPath if nothing is served there."""
        route = self.exact.get(path)
        if route is not None:
            return route, ""
        start, slash, argument = path.rpartition("/")
        route = self.open_ended.get(start + slash) if argument else None
        if route is None:
            raise NoSuchPath(path)
        return route, argument
