"""The OpenAPI document as one plain HTML page: headings, tables and examples, no script."""

from __future__ import annotations

import json
from collections.abc import Iterator
from html import escape
from typing import Any

from api import problems


def render(schema: dict[str, Any]) -> str:
    title = escape(f"{schema['info']['title']} {schema['info']['version']}")
    body = "\n".join(_body(schema))
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>{title}: API</title><link rel="stylesheet" href="/docs.css"></head>\n<body>\n'
        f"<h1>{title}: API</h1>\n{body}\n</body></html>\n"
    )


def _body(schema: dict[str, Any]) -> Iterator[str]:
    yield _prose(schema["info"]["description"])
    yield '<p>For programs: <a href="/openapi.json">openapi.json</a>.</p>'
    for path, operations in schema["paths"].items():
        for method, operation in operations.items():
            anchor = escape(operation["operationId"])
            yield f'<h2 id="{anchor}"><span class="method">{method.upper()}</span> <code>{escape(path)}</code></h2>'
            yield _prose(operation["description"])
            yield from _parameters(operation.get("parameters", []))
            yield from _examples("Request", operation.get("requestBody", {}).get("content", {}))
            yield from _responses(operation["responses"])
    yield '<h2 id="errors">Errors</h2><table><tr><th>Code<th>Status<th>Meaning</tr>'
    for code, known in problems.CODES.items():
        yield f"<tr><td><code>{code}</code><td>{known.status}<td>{_inline(known.meaning)}</tr>"
    yield "</table>"


def _parameters(parameters: list[dict[str, Any]]) -> Iterator[str]:
    if parameters:
        yield "<table>"
        for one in parameters:
            yield (
                f"<tr><td><code>{escape(one['name'])}</code><td>{escape(one['in'])}"
                f"<td>{_inline(one.get('description', ''))}</tr>"
            )
        yield "</table>"


def _responses(responses: dict[str, Any]) -> Iterator[str]:
    yield "<table>"
    for status, response in responses.items():
        yield f"<tr><td>{escape(status)}<td>{_inline(response['description'])}</tr>"
    yield "</table>"
    for status, response in responses.items():
        if status.startswith("2"):
            yield from _examples("Answer", response.get("content", {}))


def _examples(heading: str, content: dict[str, Any]) -> Iterator[str]:
    for media_type, described in content.items():
        found = [described["example"]] if "example" in described else []
        found += [one["value"] for one in described.get("examples", {}).values()]
        for example in found:
            text = example if isinstance(example, str) else json.dumps(example, indent=2)
            yield f"<p>{heading}, <code>{escape(media_type)}</code>:</p><pre>{escape(text)}</pre>"


def _prose(text: str) -> str:
    return "".join(f"<p>{_inline(' '.join(part.split()))}</p>" for part in text.strip().split("\n\n"))


def _inline(text: str) -> str:
    """Escaped, with `code` marked."""
    parts = escape(text).split("`")
    return "".join(f"<code>{part}</code>" if at % 2 else part for at, part in enumerate(parts))
