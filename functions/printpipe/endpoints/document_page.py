"""The API's document as a page: one file of HTML without scripts, images or anything from elsewhere."""

import base64
import hashlib
import json
import shlex
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import quote, urlencode

from printpipe.endpoints.markup import Markup, element, joined

Json = Mapping[str, Any]

_STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --soft: #57606a; --paper: #fff; --line: #d0d7de; --code: #f3f5f7;
  --link: #0550ae; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --soft: #9da7b1; --paper: #0d1117; --line: #30363d;
  --code: #161b22; --link: #79b8ff; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1rem; max-width: 60rem; font: 1rem/1.5 system-ui, sans-serif; color: var(--ink);
  background: var(--paper); overflow-wrap: anywhere; }
a { color: var(--link); }
.skip { position: absolute; left: -99rem; }
.skip:focus { position: static; }
nav ul { padding-left: 0; list-style: none; columns: 20rem; }
nav li { break-inside: avoid; padding: .15rem 0; }
article { border-top: 1px solid var(--line); margin-top: 2rem; }
h3 { margin-bottom: .25rem; }
.method { font: bold .8rem ui-monospace, monospace; border: 1px solid; border-radius: .25rem; padding: .1rem .4rem; }
.soft { color: var(--soft); }
code, pre { font: .85rem/1.45 ui-monospace, monospace; background: var(--code); border-radius: .25rem; }
code { padding: .1rem .25rem; }
pre { padding: .75rem; overflow-x: auto; overflow-wrap: normal; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; }
caption { text-align: left; font-weight: bold; padding: .5rem 0; }
th, td { text-align: left; vertical-align: top; padding: .3rem .6rem .3rem 0; border-bottom: 1px solid var(--line); }
summary { cursor: pointer; }
"""

_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()

HEADERS = {
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
"""What a browser is told about the page."""

_BOUNDS = {
    "minimum": "at least {}",
    "maximum": "at most {}",
    "exclusiveMinimum": "more than {}",
    "exclusiveMaximum": "less than {}",
    "minLength": "at least {} long",
    "maxLength": "at most {} long",
    "minItems": "at least {} entries",
    "maxItems": "at most {} entries",
    "maxProperties": "at most {} fields",
    "default": "{} where it is left out",
}
_CREDENTIALS = {
    "apiKey": "-H 'X-API-Key: your-api-key-here'",
    "bearerToken": "-H 'Authorization: Bearer your-token-here'",
}
_DEEPEST = 4


def _prose(text: str) -> Markup:
    """Text in which backticks mark code."""
    return joined(element("code", part) if at % 2 else part for at, part in enumerate(text.split("`")))


def render(document: Json) -> str:
    """The whole page."""
    return _Page(document).text()


class _Page:
    def __init__(self, document: Json) -> None:
        self._document = document
        self._schemas: Json = document["components"]["schemas"]
        self._base = document.get("servers", [{"url": "https://your-deployment"}])[0]["url"]

    def text(self) -> str:
        info = self._document["info"]
        head = joined(
            [
                Markup('<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'),
                element("title", f"{info['title']} API"),
                Markup(f"<style>{_STYLE}</style>"),
            ]
        )
        machine = element("a", "/openapi.json", href="/openapi.json")
        body = joined(
            [
                element("a", "To the operations", href="#operations", class_="skip"),
                element("header", element("h1", f"{info['title']} API"), element("p", info["description"])),
                element("p", "Address: ", element("code", self._base), ". For machines: ", machine, "."),
                element("nav", *self._contents(), aria_label="Operations"),
                element("main", *self._groups(), id="operations"),
            ]
        )
        return f"<!DOCTYPE html>\n{element('html', element('head', head), element('body', body), lang='en')}\n"

    def _operations(self, tag: str) -> Iterator[tuple[str, str, Json]]:
        for path, methods in self._document["paths"].items():
            for method, operation in methods.items():
                if tag in operation["tags"]:
                    yield method.upper(), path, operation

    def _contents(self) -> Iterator[Markup]:
        for tag in self._document["tags"]:
            entries = [
                element("li", element("a", f"{method} {path}", href=f"#{operation['operationId']}"))
                for method, path, operation in self._operations(tag["name"])
            ]
            yield element("h2", tag["name"])
            yield element("ul", *entries)

    def _groups(self) -> Iterator[Markup]:
        for tag in self._document["tags"]:
            title = element("h2", tag["name"], id=f"group-{tag['name']}")
            articles = (
                self._article(method, path, operation)
                for method, path, operation in self._operations(tag["name"])
                if operation["tags"][0] == tag["name"]  # one that two dialects share stands with the first
            )
            yield element(
                "section",
                title,
                element("p", _prose(tag["description"])),
                *articles,
                aria_labelledby=f"group-{tag['name']}",
            )

    def _article(self, method: str, path: str, operation: Json) -> Markup:
        name = operation["operationId"]
        parts = [
            element("h3", _prose(operation["summary"]), id=f"{name}-title"),
            element("p", element("span", method, class_="method"), " ", element("code", path)),
            *(element("p", _prose(paragraph)) for paragraph in operation["description"].split("\n\n")),
            element("p", _credential(operation), class_="soft"),
        ]
        if parameters := operation.get("parameters"):
            rows = [self._row(each["name"], each["schema"], each["required"], each["in"], each) for each in parameters]
            parts.append(_table("Parameters", rows))
        for media_type, content in operation.get("requestBody", {}).get("content", {}).items():
            parts.append(_table(f"Body as {media_type}", self._rows(content["schema"])))
        parts.append(element("h4", "Example"))
        parts.append(element("pre", self._curl(method, path, operation), tabindex="0"))
        failures = []
        for status, answer in operation["responses"].items():
            if "$ref" in answer:
                failures.append((status, self._document["components"]["responses"][answer["$ref"].rpartition("/")[2]]))
            else:
                parts += self._answer(status, answer)
        errors = [element("li", element("code", status), " ", each["description"]) for status, each in failures]
        parts.append(element("details", element("summary", "Errors"), element("ul", *errors)))
        return element("article", *parts, id=name, aria_labelledby=f"{name}-title")

    def _answer(self, status: str, answer: Json) -> Iterator[Markup]:
        yield element("h4", f"Answer {status}")
        yield element("p", _prose(answer["description"]))
        for media_type, content in answer.get("content", {}).items():
            if rows := list(self._rows(content["schema"])):
                fields = _table(f"Fields as {media_type}", rows)
                yield element("details", element("summary", f"Fields of answer {status}"), fields)
            if content.keys() & {"example", "examples"}:
                yield element("pre", json.dumps(_example(content), indent=2, ensure_ascii=False), tabindex="0")

    def _rows(self, schema: Json, prefix: str = "", depth: int = 0) -> Iterator[Markup]:
        for alternative in self._alternatives(schema):
            for name, field in alternative.get("properties", {}).items():
                where = f"{prefix}{name}"
                yield self._row(where, field, name in alternative.get("required", ()), "", {})
                if depth < _DEEPEST:
                    items, mark = (field["items"], "[]") if "items" in field else (field, "")
                    yield from self._rows(items, f"{where}{mark}.", depth + 1)

    def _row(self, name: str, schema: Json, required: bool, place: str, more: Json) -> Markup:
        kinds = dict.fromkeys(self._kind(each) for each in self._alternatives(schema))
        need = ", ".join(filter(None, [place, "required" if required else "optional"]))
        notes = [more.get("description"), *(self._notes(each) for each in [schema, *schema.get("anyOf", ())])]
        return element(
            "tr",
            element("th", element("code", name), scope="row"),
            element("td", " or ".join(kinds)),
            element("td", need),
            element("td", _prose("; ".join(dict.fromkeys(filter(None, notes))))),
        )

    def _alternatives(self, schema: Json) -> list[Json]:
        if "$ref" in schema:
            return self._alternatives(self._schemas[schema["$ref"].rpartition("/")[2]])
        if "anyOf" in schema:
            return [each for member in schema["anyOf"] for each in self._alternatives(member)]
        return [schema]

    def _kind(self, schema: Json) -> str:
        if "const" in schema or "enum" in schema:
            return ", ".join(json.dumps(each) for each in schema.get("enum", [schema.get("const")]))
        if schema.get("type") == "array":
            return f"list of {' or '.join(dict.fromkeys(map(self._kind, self._alternatives(schema['items']))))}"
        return str(schema.get("format") or schema.get("type") or "anything")

    def _notes(self, schema: Json) -> str:
        fixed = "const" in schema
        said = [text.format(json.dumps(schema[word])) for word, text in _BOUNDS.items() if schema.get(word) is not None]
        return "; ".join(filter(None, [schema.get("description"), *([] if fixed else said)]))

    def _curl(self, method: str, path: str, operation: Json) -> str:
        examples = {each["name"]: each for each in operation.get("parameters", ()) if "example" in each}
        query = {}
        for name, parameter in examples.items():
            if parameter["in"] == "path":
                path = path.replace(f"{{{name}}}", quote(str(parameter["example"]), safe=""))
            else:
                query[name] = parameter["example"]
        url = self._base + path + (f"?{urlencode(query)}" if query else "")
        words = [f"curl -X {method} {shlex.quote(url)}" if method != "GET" else f"curl {shlex.quote(url)}"]
        words += [_CREDENTIALS[name] for name in next(iter(operation["security"]), {}) if name in _CREDENTIALS]
        content = operation.get("requestBody", {}).get("content", {})
        if "application/json" in content:
            example = json.dumps(_example(content["application/json"]), ensure_ascii=False)
            words += ["-H 'Content-Type: application/json'", f"-d {shlex.quote(example)}"]
        elif "multipart/form-data" in content:
            form = content["multipart/form-data"]
            binary = {name for name, field in form["schema"]["properties"].items() if field.get("format") == "binary"}
            words += [
                f"-F {shlex.quote(f'{name}=@{name}' if name in binary else f'{name}={value}')}"
                for name, value in form["example"].items()
            ]
        return " \\\n  ".join(words)


def _example(content: Json) -> Any:
    """The example, or the first where each of two dialects has its own."""
    return content["example"] if "example" in content else next(iter(content["examples"].values()))["value"]


def _credential(operation: Json) -> str:
    if not operation["security"]:
        return "Open: no credential."
    return "A credential shows more." if {} in operation["security"] else "Needs a credential."


def _table(caption: str, rows: Iterable[Markup]) -> Markup:
    head = element("tr", *(element("th", each, scope="col") for each in ("Name", "Type", "Needed", "Notes")))
    table = element("table", element("caption", caption), element("thead", head), element("tbody", *rows))
    return element("div", table, class_="wide", role="region", aria_label=caption, tabindex="0")
