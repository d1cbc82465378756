"""Own the options of `usagectl emit`: one for each field, read off the notice's data."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from usagectl.cli._options import Json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

# What a script need not say: the same as the library takes for granted.
_DEFAULTS: Mapping[str, object] = {
    "is_internal": False,
    "region": "us-east-1",
    "account_id": "000000000000",
    "user_agent": "",
    "count": 1,
    "is_testing": False,
}
_TYPES: Mapping[str, Any] = {"string": str, "integer": int, "number": float, "boolean": bool}

TOOL = "tool"
SESSION_ID = "session_id"
TOKEN_VARIABLE = "api_key_variable"  # noqa: S105  (the name of an option)
DRY_RUN = "dry_run"
_MEASURED = {"session": ("session_id", "machine_id", "api_key", "system", "is_ci", "is_docker")}
"""Fields that are found out here and not typed."""


class Field(NamedTuple):
    """Hold one field of an event as an option.

    Attributes:
        name: the field.
        option: how it is typed, such as `--status-code`.
        annotation: its type.
        help: what it means.
        is_required: whether it must be typed.
        default: what holds when it is not.
    """

    name: str
    option: str
    annotation: Any
    help: str
    is_required: bool
    default: object


class Form(NamedTuple):
    """Hold how an event is typed.

    Attributes:
        name: the event.
        fields: those that are typed.
        list_name: the member that holds them as the one item of a list; empty without one.
        has_session: whether its metadata names a session.
    """

    name: str
    fields: tuple[Field, ...]
    list_name: str
    has_session: bool

    def payload(self, values: Mapping[str, Any]) -> dict[str, object]:
        """Put typed values into the form of the payload; what was not typed is left out."""
        found = {each.name: values.get(each.name) for each in self.fields}
        typed = {name: value for name, value in found.items() if value is not None}
        return {self.list_name: [typed]} if self.list_name else typed


def form_of(name: str, schema: Mapping[str, Any]) -> Form:
    """Read the form of an event off its schema in the notice's data."""
    payload = schema["properties"]["payload"]
    list_name, members = "", payload
    if len(payload["properties"]) == 1:
        ((only, found),) = payload["properties"].items()
        if found["type"] == "array" and found["items"].get("type") == "object":
            list_name, members = only, found["items"]
    fields = tuple(_fields(name, members))
    metadata = schema["properties"]["metadata"]["properties"]
    return Form(name, fields, list_name, "session_id" in metadata and name != "session")


def _fields(event: str, schema: Mapping[str, Any]) -> Iterator[Field]:
    for name, each in schema["properties"].items():
        if name in _MEASURED.get(event, ()):
            continue
        is_list = each["type"] == "array"
        kind = each["items"]["type"] if is_list else each["type"]
        default = _DEFAULTS.get(name, [] if is_list else None)
        one = _TYPES[kind]
        annotation = list.__class_getitem__(one) if is_list else one
        is_required = name in schema["required"] and default is None
        yield Field(
            name,
            _option_of(name, is_list=is_list),
            annotation if is_required or default is not None else annotation | None,
            _help_of(each),
            is_required,
            default,
        )


def _option_of(name: str, *, is_list: bool) -> str:
    """Name an option; one that is given once for each item of a list names one of them."""
    word = name.removesuffix("s") if is_list else name
    return f"--{word.replace('_', '-')}"


def _help_of(schema: Mapping[str, Any]) -> str:
    choices = schema.get("enum") or schema.get("items", {}).get("enum")
    text = str(schema["description"])
    return f"{text} One of {', '.join(choices)}." if choices else text


def signed(form: Form, act: Callable[..., None]) -> Callable[..., None]:
    """Give a function of keyword values the signature that Typer reads its options off."""

    def command(**values: Any) -> None:  # noqa: ANN401
        act(**values)

    parameters = [_parameter("ctx", typer.Context, inspect.Parameter.empty)]
    parameters += [_option(each) for each in form.fields]
    parameters += list(_shared(form))
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {each.name: each.annotation for each in parameters}
    return command


def _option(field: Field) -> inspect.Parameter:
    is_shown = field.default not in (None, "", [], False)
    details = typer.Option(
        field.option, help=field.help, show_default=is_shown, metavar=_metavar(field.annotation)
    )
    default = inspect.Parameter.empty if field.is_required else field.default
    return _parameter(field.name, Annotated[field.annotation, details], default)


def _metavar(annotation: Any) -> str | None:  # noqa: ANN401
    if annotation is bool:
        return None
    if annotation in (int, int | None):
        return "INT"
    return "FLOAT" if annotation in (float, float | None) else "VALUE"


def _shared(form: Form) -> Iterator[inspect.Parameter]:
    tool = typer.Option("--tool", metavar="PROGRAM", help="Whose event it is; its switches decide.")
    yield _parameter(TOOL, Annotated[str, tool], "usagectl")
    if form.name == "session":
        token = typer.Option(
            "--api-key-variable",
            metavar="VARIABLE",
            help="Hand over the token that this environment variable holds; without it, none.",
            show_default=False,
        )
        yield _parameter(TOKEN_VARIABLE, Annotated[str | None, token], None)
    if form.has_session or form.name == "session":
        session = typer.Option(
            "--session-id",
            metavar="UUID",
            help="The session it belongs to; without it a new one is drawn.",
            show_default=False,
        )
        yield _parameter(SESSION_ID, Annotated[str | None, session], None)
    dry_run = typer.Option("--dry-run", help="Show the exact bytes; record nothing.")
    yield _parameter(DRY_RUN, Annotated[bool, dry_run], default=False)
    yield _parameter("json", Json, default=False)


def _parameter(name: str, annotation: Any, default: object) -> inspect.Parameter:  # noqa: ANN401
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation
    )
