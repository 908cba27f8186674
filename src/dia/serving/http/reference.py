"""The page at `/docs`: all addresses with their fields and examples, from the OpenAPI document.

Plain HTML without scripts, which loads nothing: it works without a network and tells nobody that it is read.
"""

import json
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

from starlette.responses import HTMLResponse

_STYLE = """
:root { color-scheme: light dark; }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h2 { margin-top: 2.5rem; border-top: 1px solid; padding-top: 1rem; overflow-wrap: anywhere; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .3rem .8rem .3rem 0; border-bottom: 1px solid #8884; }
pre { overflow-x: auto; padding: .8rem; background: #8882; }
code, pre { font-family: ui-monospace, monospace; font-size: .9em; }
"""
# Nothing is loaded or run, also if a text of the document contained markup.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"

Schema = Mapping[str, Any]


def reference_page(document: Schema) -> HTMLResponse:
    """The page for an OpenAPI document."""
    about = document["info"]
    title = f"{about['title']} {about['version']}"
    operations = [
        (method, path, operation) for path, route in document["paths"].items() for method, operation in route.items()
    ]
    links = "".join(f'<li><a href="#{_anchor(m, p)}"><code>{_name(m, p)}</code></a></li>' for m, p, _ in operations)
    body = "".join(_operation(document, *one) for one in operations)
    page = f"""<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>
<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head><body><main>
<h1>{escape(title)}</h1><p>{escape(about.get("description", ""))}</p>
<p>For programs: <a href="/openapi.json">the same as an OpenAPI document</a>.</p><nav><ul>{links}</ul></nav>
{body}</main></body></html>"""
    return HTMLResponse(page, headers={"content-security-policy": _POLICY})


def _name(method: str, path: str) -> str:
    return f"{method.upper()} {escape(path)}"


def _anchor(method: str, path: str) -> str:
    return escape(f"{method}{path}".replace("/", "-").replace("{", "").replace("}", ""))


def _operation(document: Schema, method: str, path: str, operation: Schema) -> str:
    """A route: what it does, its fields, and its examples as commands."""
    parts = [f'<h2 id="{_anchor(method, path)}"><code>{_name(method, path)}</code></h2>']
    parts += [
        f"<p>{escape(paragraph)}</p>" for paragraph in operation.get("description", "").split("\n\n") if paragraph
    ]
    for kind, content in operation.get("requestBody", {}).get("content", {}).items():
        parts.append(f"<p>Send <code>{escape(kind)}</code>:</p>{_fields(document, content['schema'])}")
        for name, example in content.get("examples", {}).items():
            parts.append(f"<p>{escape(name)}</p><pre>{_command(path, example['value'])}</pre>")
    return "".join(parts)


def _command(path: str, value: Any) -> str:
    quoted = json.dumps(value, ensure_ascii=False).replace("'", "'\\''")
    return escape(f"curl localhost:8000{path} -H 'Content-Type: application/json' -d '{quoted}'")


def _fields(document: Schema, schema: Schema) -> str:
    """A table of the fields of a body."""
    found = _resolved(document, schema)
    rows = "".join(_row(document, name, one, found.get("required", ())) for name, one in found["properties"].items())
    return f"<table><thead><tr><th>field<th>type<th>meaning</tr></thead><tbody>{rows}</tbody></table>"


def _row(document: Schema, name: str, schema: Schema, required: Any) -> str:
    """A field. Those of objects in a list follow in the same cell."""
    kinds = " or ".join(dict.fromkeys(_kinds(document, schema)))
    meaning = [*(["Required."] if name in required else []), schema.get("description", "")]
    cells = f"<code>{escape(name)}</code>", escape(kinds), escape(" ".join(filter(None, meaning)))
    return f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


def _kinds(document: Schema, schema: Schema) -> Iterator[str]:
    """The types of a field, with their ranges, except null."""
    for one in schema.get("anyOf", [schema]):
        found = _resolved(document, one)
        if "anyOf" in found:
            yield from _kinds(document, found)
        elif "enum" in found:
            yield ", ".join(map(str, found["enum"]))
        elif found.get("type") == "array":
            yield f"list of {' or '.join(_kinds(document, found['items']))}"
        elif found.get("type") == "object" and "properties" in found:
            yield f"object ({', '.join(found['properties'])})"
        elif found.get("type") != "null":
            yield f"{found.get('type', 'any')}{_range(found)}"


def _range(schema: Schema) -> str:
    least = schema.get("minimum", schema.get("exclusiveMinimum"))
    if least is None:
        return ""
    start = f"above {_number(least)}" if "exclusiveMinimum" in schema else _number(least)
    most = schema.get("maximum")
    return f", from {start}" if most is None else f", {start} to {_number(most)}"


def _number(value: float) -> str:
    return str(int(value) if value == int(value) else value)


def _resolved(document: Schema, schema: Schema) -> Schema:
    """A schema in place of a reference to it."""
    name = schema.get("$ref")
    found: Schema = document["components"]["schemas"][name.rpartition("/")[2]] if name else schema
    return found


__all__ = ["reference_page"]
