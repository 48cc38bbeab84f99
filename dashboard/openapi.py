"""The description of the API, made of the table that serves it."""

from __future__ import annotations

from typing import Any

from dashboard.answers import CommandState, Confirmation, Fault, Health, State
from dashboard.questions import QUESTIONS, TRIPS, Parameter
from dashboard.schema import Schema, Schemas
from dashboard.wishes import COMMAND_BODY, CONFIRMATION_BODY

API_VERSION = 1


def description() -> dict[str, Any]:
    """An OpenAPI 3.1 document."""
    schemas = Schemas()
    paths: dict[str, Any] = {
        question.path: {
            "get": _operation(
                question.path, question.meaning, schemas.of(question.gives), schemas, parameters=question.parameters
            )
        }
        for question in QUESTIONS
    }
    paths |= {
        "/api/state": {"get": _operation("/api/state", "The running session now.", schemas.of(State), schemas)},
        "/api/stream": {
            "get": _operation(
                "/api/stream",
                "Server-sent events: server, view, command.",
                {"type": "string"},
                schemas,
                media="text/event-stream",
            )
        },
        "/api/round-trips.csv": {
            "get": _operation(
                "/api/round-trips.csv",
                "All round trips of a filter as a file.",
                {"type": "string"},
                schemas,
                parameters=TRIPS,
                media="text/csv",
            )
        },
        "/api/commands/{command_id}": {
            "get": _operation(
                "/api/commands/{command_id}",
                "Where a command stands.",
                schemas.of(CommandState),
                schemas,
                parameters=(Parameter("command_id", "word", "its id", in_path=True),),
            )
        },
        "/api/confirmations": {
            "post": _operation(
                "/api/confirmations",
                "First step of a command: what it would do.",
                schemas.of(Confirmation),
                schemas,
                body=CONFIRMATION_BODY,
                status="201",
            )
        },
        "/healthz": {"get": _operation("/healthz", "Whether the program is well.", schemas.of(Health), schemas)},
        "/metrics": {
            "get": _operation("/metrics", "Metrics for Prometheus.", {"type": "string"}, schemas, media="text/plain")
        },
    }
    paths["/api/commands"]["post"] = _operation(
        "/api/commands",
        "Second step: the command itself. Its outcome is told by the stream and by its state.",
        schemas.of(CommandState),
        schemas,
        body=COMMAND_BODY,
        status="202",
    )
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Dashboard of the day trader",
            "version": str(API_VERSION),
            "description": "Reads need no token on this machine. Commands need one, and two steps.",
        },
        "paths": paths,
        "components": {
            "schemas": dict(sorted(schemas.found.items())),
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(
    path: str,
    meaning: str,
    answer: Schema,
    schemas: Schemas,
    *,
    parameters: tuple[Parameter, ...] = (),
    body: Schema | None = None,
    media: str = "application/json",
    status: str = "200",
) -> dict[str, Any]:
    fault = {"description": "why not", "content": {"application/json": {"schema": schemas.of(Fault)}}}
    operation: dict[str, Any] = {
        "operationId": ("post" if body else "get") + path.replace("/", "_").replace("{", "").replace("}", ""),
        "summary": meaning,
        "parameters": [_parameter(each) for each in parameters],
        "responses": {status: {"description": "the answer", "content": {media: {"schema": answer}}}, "default": fault},
    }
    if body is not None:
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": body}}}
        operation["security"] = [{"token": []}]
    return operation


def _parameter(parameter: Parameter) -> dict[str, Any]:
    schema: Schema = {"type": "integer" if parameter.kind == "count" else "string"}
    if parameter.kind in ("session", "date"):
        schema["format"] = "date"
    if parameter.choices:
        schema["enum"] = list(parameter.choices)
    if parameter.default:
        schema["default"] = int(parameter.default) if parameter.kind == "count" else parameter.default
    return {
        "name": parameter.name,
        "in": "path" if parameter.in_path else "query",
        "required": parameter.in_path,
        "description": parameter.meaning,
        "schema": schema,
    }
