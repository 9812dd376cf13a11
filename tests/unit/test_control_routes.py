from __future__ import annotations

import re

from openapi_spec_validator import OpenAPIV31SpecValidator

from edge.control.routes import ROUTES, openapi
from edge.control.schemas import SCHEMAS


def test_the_document_is_valid_openapi() -> None:
    assert list(OpenAPIV31SpecValidator(openapi("1.0")).iter_errors()) == []


def test_every_schema_is_used_and_every_reference_is_there() -> None:
    named = set(re.findall(r"#/components/schemas/(\w+)", str(openapi("1.0"))))
    assert named == SCHEMAS.keys()


def test_operations_have_names_of_their_own() -> None:
    assert len({route.name for route in ROUTES}) == len(ROUTES)
    assert len({(route.method, route.path) for route in ROUTES}) == len(ROUTES)


def test_what_changes_something_takes_more_than_looking() -> None:
    looking = {route.name for route in ROUTES if route.method != "GET" and route.role.value == "viewer"}
    assert looking == {"preview", "what_if"}
