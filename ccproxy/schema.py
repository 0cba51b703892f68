"""JSON schemas for targets that take less than JSON Schema. What a target takes is a Dialect that its protocol holds.

    clean(schema, dialect)
        the root      a bare property map is wrapped; object_root: unions at the top are merged into one object
        each schema   $ref resolved ── allOf, then, else merged ── words exchanged (const, oneOf, null types, enums)
                      ── keywords that are not in the dialect left out ── what the dialect demands filled in

Only schemas are walked: names of properties and the values of `enum`, `default` and `examples` are data, whatever they
look like. Hostile schemas cost what `MAX_DEPTH` and `INLINED_TEXT` say and no more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import TypeAlias
from urllib.parse import unquote

from attrs import frozen

from ccproxy.codec import jsontext
from ccproxy.errors import RequestError
from ccproxy.model import JSON

Node: TypeAlias = dict[str, JSON]

MAX_DEPTH = 64
"""Schemas within schemas; deeper ones become `{"type": "object"}`. OpenAI takes 10 levels, real tools have 5 or 6, and each
level costs three Python frames."""

INLINED_TEXT = 256 * 1024
"""Bytes of JSON that `$ref`s may add to one schema; beyond it they become `{"type": "object"}`. All tools of an agent's
request together are 65 KB; a schema of n definitions that name each other twice would grow to 2^n."""

CACHED_SCHEMAS = 1_024
CACHED_TEXT = 16 * 1024
"""Agents send the same 20 to 200 tools with every turn. Only schemas of up to `CACHED_TEXT` bytes are cached, so that the
cache holds 16 MiB of text at most."""

_CONDITIONS = frozenset(["if", "then", "else"])
_ARRAYS = frozenset(["items", "additionalItems", "unevaluatedItems", "contains"])
_OBJECTS = frozenset(["additionalProperties", "unevaluatedProperties", "propertyNames"])
_ONE = _CONDITIONS | _ARRAYS | _OBJECTS | {"not", "contentSchema"}
_MANY = frozenset(["anyOf", "oneOf", "allOf", "prefixItems", "items"])
_NAMED = frozenset(["properties", "patternProperties", "dependentSchemas", "$defs", "definitions"])
_DEFINITIONS = frozenset(["$defs", "definitions"])
_MERGED = _CONDITIONS | {"allOf"}
_UNIONS = ("allOf", "anyOf", "oneOf")
_STRING_FORMATS = ("enum", "date-time")


@frozen(kw_only=True)
class Dialect:
    """keywords: the only ones kept; None keeps all. Where they leave out `allOf`, `if`, `oneOf`, `const` or `prefixItems`,
    what these say is expressed in others as far as it can be; where they hold `nullable`, it stands for the type `null`.
    inline_refs: `$ref` is replaced by what it names, `$defs` dropped. object_root: the root must be `type: object` without
    anyOf, oneOf or allOf (Claude, OpenAI). fill_properties: every object schema has `properties`, every array schema
    `items`. string_enums: enum only on strings, which have no formats but `enum` and `date-time` (Gemini). upper_types:
    type names in upper case, one for every schema (Gemini)."""

    name: str
    keywords: frozenset[str] | None = None
    inline_refs: bool = False
    object_root: bool = False
    fill_properties: bool = False
    string_enums: bool = False
    upper_types: bool = False

    @property
    def takes_all(self) -> bool:
        """Whether any JSON Schema passes as it is."""
        demands = self.inline_refs or self.object_root or self.fill_properties or self.string_enums or self.upper_types
        return self.keywords is None and not demands


def clean(schema: Node | None, dialect: Dialect) -> Node:
    """`schema` as `dialect` takes it; the given one is never changed. None is the schema of no parameters.

    The result is the given object when nothing had to change, else one that later calls share: callers must not change it.
    Raises RequestError for a schema that is no JSON.
    """
    schema = schema or {"type": "object", "properties": {}}
    if dialect.takes_all:
        return schema
    try:
        text = jsontext.dumps(schema)
        cleaned = _cached(text, dialect) if len(text) <= CACHED_TEXT else _cleaned(text, dialect)
    except jsontext.JSONError as error:
        raise RequestError(f"a tool's or format's schema cannot be read: {error}", param="schema") from None
    return schema if cleaned is None else cleaned


def _cleaned(text: bytes, dialect: Dialect) -> Node | None:
    """The cleaned schema, None where it is the same. Works on its own copy: the cache shares nothing with callers."""
    schema = jsontext.loads_exact(text)
    cleaned = _Cleaner(schema, dialect).root_schema()
    return None if cleaned == schema else cleaned


_cached = lru_cache(maxsize=CACHED_SCHEMAS)(_cleaned)


class _Cleaner:
    """One schema's way into one dialect. `active`: the refs that are being resolved above a node."""

    def __init__(self, root: Node, dialect: Dialect) -> None:
        self.root = root
        self.dialect = dialect
        self.refs = _References(root)

    def root_schema(self) -> Node:
        root = _wrapped(self.root)
        if self.dialect.object_root:
            merged = self._one_object(root, 0, ())
            root = {**merged, "type": "object"} if "type" in merged else {"type": "object", **merged}
        return self._schema(root, 0, ("#",))

    def _schema(self, node: JSON, depth: int, active: tuple[str, ...]) -> Node:
        if not isinstance(node, dict):
            return {}
        if depth > MAX_DEPTH:
            return {"type": "object"}
        node, active = self._flat(node, depth, active)
        node = _required_lifted(self._reworded(node))
        kept = {key: self._value(key, value, depth + 1, active) for key, value in node.items() if self._keeps(key)}
        return self._filled(kept)

    def _keeps(self, keyword: str) -> bool:
        if self.dialect.inline_refs and keyword in _DEFINITIONS:
            return False
        return self.dialect.keywords is None or keyword in self.dialect.keywords

    def _value(self, key: str, value: JSON, depth: int, active: tuple[str, ...]) -> JSON:
        if key in _NAMED and isinstance(value, dict):
            return {name: self._within(one, depth, active) for name, one in value.items()}
        if key in _MANY and isinstance(value, list):
            return [self._within(one, depth, active) for one in value]
        if key in _ONE and isinstance(value, dict):
            return self._schema(value, depth, active)
        return value

    def _within(self, node: JSON, depth: int, active: tuple[str, ...]) -> JSON:
        """A schema where `true` and `false` may stand for one, as JSON Schema allows and reduced dialects do not."""
        return node if isinstance(node, bool) and self.dialect.keywords is None else self._schema(node, depth, active)

    def _flat(self, node: Node, depth: int, active: tuple[str, ...]) -> tuple[Node, tuple[str, ...]]:
        """The node with its ref resolved and with those branches merged into it that the dialect has no place for."""
        if self.dialect.inline_refs:
            node, active = self.refs.resolved(node, active)
        for branch, certain in self._branches(node) if depth < MAX_DEPTH else ():
            flat, active = self._flat(branch, depth + 1, active)
            node = _conjunction(node, flat) if certain else _with_properties(node, flat)
        return node, active

    def _branches(self, node: Node) -> Iterator[tuple[Node, bool]]:
        """(branch, whether it always holds)"""
        if not self._keeps("allOf"):
            yield from ((branch, True) for branch in _schemas(node.get("allOf")))
        if not self._keeps("if"):
            yield from ((node[key], False) for key in ("then", "else") if isinstance(node.get(key), dict))

    def _one_object(self, node: Node, depth: int, active: tuple[str, ...]) -> Node:
        """The node without unions, their branches merged: what any of them may have, what all of them require."""
        node, active = self.refs.resolved(node, active)
        merged = {key: value for key, value in node.items() if key not in _UNIONS}
        for union in _UNIONS if depth < MAX_DEPTH else ():
            branches = [self._one_object(branch, depth + 1, active) for branch in _schemas(node.get(union))]
            objects = [branch for branch in branches if _may_be_object(branch)]
            if union == "allOf":
                for branch in objects:
                    merged = _conjunction(merged, branch)
            elif objects:
                merged = _disjunction(merged, objects)
        return merged

    def _reworded(self, node: Node) -> Node:
        for keyword, rewrite in _INSTEAD.items():
            if keyword in node and not self._keeps(keyword):
                node = rewrite(node)
        if self.dialect.keywords is not None:
            node = _required_only_known(node)
            if "nullable" in self.dialect.keywords:
                node = _null_as_nullable(node)
            if isinstance(node.get("items"), list):
                node = {**node, "items": {"anyOf": node["items"]}}
        return _enum_of_strings(node) if self.dialect.string_enums and isinstance(node.get("enum"), list) else node

    def _filled(self, node: Node) -> Node:
        """Changes the node, which is new."""
        if self.dialect.string_enums and _is_type(node, "string") and node.get("format") not in _STRING_FORMATS:
            node.pop("format", None)
        if self.dialect.upper_types:
            _upper_type(node)
        if self.dialect.fill_properties and _is_type(node, "object"):
            node.setdefault("properties", {})
        if self.dialect.fill_properties and _is_type(node, "array"):
            node.setdefault("items", {})
        if self.dialect.upper_types and _is_type(node, "array") and not node.get("items"):
            node["items"] = {"type": "STRING"}
        return node


class _References:
    """What local refs (`#`, `#/...`: RFC 6901) name, with an eye on how much they add. No ref ever leaves the document."""

    def __init__(self, root: Node) -> None:
        self._root = root
        self._room = INLINED_TEXT
        self._sizes: dict[str, int] = {}
        self._definitions: Node | None = None

    def resolved(self, node: Node, active: tuple[str, ...]) -> tuple[Node, tuple[str, ...]]:
        """The node with what its `$ref` names in place of it; what stands beside the ref wins. A ref to something that is
        being resolved already, to nothing, or to too much becomes a schema that says its type and description only."""
        while isinstance(ref := node.get("$ref"), str):
            beside = {key: value for key, value in node.items() if key != "$ref"}
            target = self._target(ref)
            if target is None or ref in active or not self._affords(ref, target):
                return {**_outline(target or {}), **beside}, active
            node, active = {**target, **beside}, (*active, ref)
        return node, active

    def _affords(self, ref: str, target: Node) -> bool:
        size = self._sizes.get(ref) or len(jsontext.dumps(target))
        self._sizes[ref] = size
        self._room -= size
        return self._room >= 0

    def _target(self, ref: str) -> Node | None:
        if not ref.startswith("#"):
            return None
        steps = [unquote(step).replace("~1", "/").replace("~0", "~") for step in ref.split("/")[1:]]
        found: JSON = self._root if ref in {"#", "#/"} or steps else None
        for step in steps if steps != [""] else ():
            found = _step(found, step)
        if found is None and len(steps) == 2 and steps[0] in _DEFINITIONS:
            found = self._anywhere().get(steps[1])
        return found if isinstance(found, dict) else None

    def _anywhere(self) -> Node:
        """Definitions of nested schemas by name, the outermost first: generators paste schemas into each other and leave
        their refs as they were."""
        if self._definitions is None:
            self._definitions = {}
            waiting: list[JSON] = [self._root]
            for value in waiting:
                for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
                    if key in _DEFINITIONS and isinstance(inner, dict):
                        self._definitions = {**inner, **self._definitions}
                    if isinstance(inner, (dict, list)):
                        waiting.append(inner)
        return self._definitions


def _step(value: JSON, step: str) -> JSON:
    if isinstance(value, dict):
        return value.get(step)
    if isinstance(value, list) and step.isascii() and step.isdigit() and int(step[:9]) < len(value):
        return value[int(step[:9])]
    return None


def _outline(target: Node) -> Node:
    type_ = target.get("type")
    outline: Node = {"type": type_ if isinstance(type_, str) else "object"}
    return outline | {"description": target["description"]} if "description" in target else outline


# ---------------------------------------------------------------------------------------------------------------------
# Shapes


def _wrapped(root: Node) -> Node:
    """A bare property map (`{"city": {"type": "string"}}`, as some MCP servers send) as the object schema it means."""
    known = _ONE | _MANY | _NAMED
    bare = all(isinstance(value, dict) and key not in known for key, value in root.items())
    return {"type": "object", "properties": root} if bare and root else root


def _required_lifted(node: Node) -> Node:
    """`required: true` inside a property, as in draft 3, said in the list of the object."""
    if isinstance(node.get("required"), bool):
        node = {key: value for key, value in node.items() if key != "required"}
    properties = node.get("properties")
    if not isinstance(properties, dict):
        return node
    names = [name for name, one in properties.items() if isinstance(one, dict) and one.get("required") is True]
    return {**node, "required": _joined(node.get("required"), names)} if names else node


def _required_only_known(node: Node) -> Node:
    """Gemini refuses a required name that `properties` lacks."""
    if not isinstance(node.get("required"), list):
        return node
    known = [name for name in _joined(node["required"]) if name in _properties(node)]
    return {key: known if key == "required" else value for key, value in node.items() if key != "required" or known}


def _conjunction(node: Node, branch: Node) -> Node:
    """Both hold. Where they disagree, the node's own word counts."""
    merged = {key: value for key, value in branch.items() if key not in _MERGED and key not in node} | node
    properties = _properties(node)
    for name, one in _properties(branch).items():
        both = isinstance(one, dict) and isinstance(properties.get(name), dict)
        properties[name] = {**one, **properties[name]} if both else properties.get(name, one)
    return _object_parts(merged, properties, _joined(node.get("required"), branch.get("required")))


def _with_properties(node: Node, branch: Node) -> Node:
    """The branch may hold: its properties become possible, nothing becomes required."""
    properties = {**_properties(branch), **_properties(node)}
    return {**node, "properties": properties} if properties else node


def _disjunction(node: Node, branches: list[Node]) -> Node:
    """One of the branches holds."""
    properties: Node = {}
    for branch in branches:
        for name, one in _properties(branch).items():
            properties[name] = _either(properties[name], one) if name in properties else one
    first, *others = [_joined(None, branch.get("required")) for branch in branches]
    common = [name for name in first if all(name in other for other in others)]
    return _object_parts(node, {**properties, **_properties(node)}, _joined(node.get("required"), common))


def _either(one: JSON, other: JSON) -> JSON:
    """One of two schemas: the union of their values where both list them (a tag that tells branches apart), else anyOf."""
    if one == other:
        return one
    if isinstance(one, dict) and isinstance(other, dict) and (mine := _values(one)) and (theirs := _values(other)):
        rest = {key: value for key, value in one.items() if key != "const"}
        return {**rest, "enum": mine + [value for value in theirs if value not in mine]}
    known = one["anyOf"] if isinstance(one, dict) and list(one) == ["anyOf"] else [one]
    return {"anyOf": known if other in known else [*known, other]}


def _values(node: Node) -> list[JSON]:
    if "const" in node:
        return [node["const"]]
    enum = node.get("enum")
    return enum if isinstance(enum, list) else []


def _object_parts(node: Node, properties: Node, required: list[str]) -> Node:
    out = {**node, "properties": properties} if properties else dict(node)
    return out | {"required": required} if required else out


def _properties(node: Node) -> Node:
    properties = node.get("properties")
    return dict(properties) if isinstance(properties, dict) else {}


def _schemas(value: JSON) -> list[Node]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _joined(*lists: JSON) -> list[str]:
    names = [name for one in lists if isinstance(one, list) for name in one if isinstance(name, str)]
    return list(dict.fromkeys(names))


def _is_type(node: Node, name: str) -> bool:
    types = node.get("type")
    return any(isinstance(one, str) and one.lower() == name for one in (types if isinstance(types, list) else [types]))


def _may_be_object(node: Node) -> bool:
    return "type" not in node or _is_type(node, "object")


# ---------------------------------------------------------------------------------------------------------------------
# Words


def _const_as_enum(node: Node) -> Node:
    return {**node, "enum": [node["const"]]}


def _one_of_as_any_of(node: Node) -> Node:
    return node if "anyOf" in node else {("anyOf" if key == "oneOf" else key): value for key, value in node.items()}


def _tuple_as_items(node: Node) -> Node:
    """An array with a schema for each place as an array of any of these."""
    return node if "items" in node else {**node, "items": {"anyOf": node["prefixItems"]}}


_INSTEAD: dict[str, Callable[[Node], Node]] = {
    "const": _const_as_enum,
    "oneOf": _one_of_as_any_of,
    "prefixItems": _tuple_as_items,
}
"""keyword that a dialect lacks -> how the same is said without it"""


def _null_as_nullable(node: Node) -> Node:
    """`null` among the types, the enum or the alternatives said as `nullable: true`; a single alternative takes the node's
    place."""
    out = {key: value for key, value in node.items() if key != "type" or not isinstance(value, list)}
    types = [one for one in _listed(node.get("type")) if one != "null"]
    branches = [one for one in _listed(node.get("anyOf")) if not (isinstance(one, dict) and one.get("type") == "null")]
    values = [one for one in _listed(node.get("enum")) if one is not None]
    found = (types, branches, values) != tuple(_listed(node.get(key)) for key in ("type", "anyOf", "enum"))
    if branches:
        out["anyOf"] = branches
    if len(branches) == 1 and isinstance(branches[0], dict):
        out = {**branches[0], **{key: value for key, value in out.items() if key != "anyOf"}}
    if values:
        out["enum"] = values
    if len(types) == 1:
        out["type"] = types[0]
    elif types and "anyOf" not in out:
        out["anyOf"] = [{"type": one} for one in types]
    return {**out, "nullable": True} if found else out


def _listed(value: JSON) -> list[JSON]:
    return value if isinstance(value, list) else []


def _enum_of_strings(node: Node) -> Node:
    """Gemini: `enum` is for the type STRING alone, and an empty string is refused in it."""
    values = [one if isinstance(one, str) else jsontext.dumps_str(one) for one in node["enum"]]
    values = list(dict.fromkeys(one for one in values if one))
    rest = {key: value for key, value in node.items() if key not in ("enum", "minimum", "maximum")}
    return {**rest, "type": "string", "enum": values} if values else rest


def _upper_type(node: Node) -> None:
    """Changes the node. Gemini's Schema has one required `type`; `anyOf` alone does without."""
    types = node.get("type")
    type_ = next((one for one in (types if isinstance(types, list) else [types]) if isinstance(one, str)), None)
    if type_ is not None:
        node["type"] = type_.upper()
    elif "anyOf" not in node:
        node["type"] = "OBJECT" if "properties" in node else "ARRAY" if "items" in node else "STRING"
