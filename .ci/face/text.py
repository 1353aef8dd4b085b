"""Writes what rustdoc's JSON says as Rust, a line for an item."""


def bounds(found):
    return " + ".join(bound(b) for b in found)


def bound(found):
    if "outlives" in found:
        return found["outlives"]
    if "use" in found:
        return "use<" + ", ".join(next(iter(a.values())) for a in found["use"]) + ">"
    inner = found["trait_bound"]
    mark = {"none": "", "maybe": "?", "maybe_const": "~const "}[inner["modifier"]]
    return mark + binder(inner["generic_params"]) + path(inner["trait"])


def binder(parameters):
    return f"for<{', '.join(p['name'] for p in parameters)}> " if parameters else ""


def path(found):
    return short(found["path"]) + arguments(found["args"])


def short(written):
    """A path without what leads to it: rustdoc repeats what the source says, in full or not."""
    parts = [part for part in written.split("::") if part != "$crate"]
    if parts[0] in ("crate", "super", "self"):
        return parts[-1]
    return "::".join(parts[-2:]) if parts[0] in ("std", "core", "alloc") else "::".join(parts)


def arguments(found):
    if found is None:
        return ""
    if "parenthesized" in found:
        inner = found["parenthesized"]
        return f"({', '.join(kind(t) for t in inner['inputs'])})" + returns(inner["output"])
    inner = found["angle_bracketed"]
    parts = [argument(a) for a in inner["args"]] + [constraint(c) for c in inner["constraints"]]
    return f"<{', '.join(parts)}>" if parts else ""


def argument(found):
    if found == "infer":
        return "_"
    if "lifetime" in found:
        return found["lifetime"]
    return kind(found["type"]) if "type" in found else found["const"]["expr"]


def constraint(found):
    name = found["name"] + arguments(found["args"])
    binding = found["binding"]
    if "constraint" in binding:
        return f"{name}: {bounds(binding['constraint'])}"
    return f"{name} = {term(binding['equality'])}"


def term(found):
    return kind(found["type"]) if "type" in found else found["constant"]["expr"]


def returns(output):
    return "" if output is None else f" -> {kind(output)}"


def kind(found):
    """A type."""
    if found == "infer":
        return "_"
    ((which, inner),) = found.items()
    if which == "resolved_path":
        return path(inner)
    if which in ("generic", "primitive"):
        return inner
    if which == "tuple":
        return f"({', '.join(kind(t) for t in inner)}{',' if len(inner) == 1 else ''})"
    if which == "slice":
        return f"[{kind(inner)}]"
    if which == "array":
        return f"[{kind(inner['type'])}; {inner['len']}]"
    if which == "impl_trait":
        return f"impl {bounds(inner)}"
    if which == "dyn_trait":
        traits = [binder(t["generic_params"]) + path(t["trait"]) for t in inner["traits"]]
        return "dyn " + " + ".join(traits + ([inner["lifetime"]] if inner["lifetime"] else []))
    if which == "borrowed_ref":
        lifetime = f"{inner['lifetime']} " if inner["lifetime"] else ""
        to = kind(inner["type"])
        if to.startswith(("dyn ", "impl ")) and " + " in to:
            to = f"({to})"
        return f"&{lifetime}{'mut ' if inner['is_mutable'] else ''}{to}"
    if which == "raw_pointer":
        return f"*{'mut' if inner['is_mutable'] else 'const'} {kind(inner['type'])}"
    if which == "function_pointer":
        signature = inner["sig"]
        inputs = ", ".join(kind(t) for _, t in signature["inputs"])
        return f"{binder(inner['generic_params'])}fn({inputs}){returns(signature['output'])}"
    if which == "qualified_path":
        name = inner["name"] + arguments(inner["args"])
        of = inner["self_type"]
        if of == {"generic": "Self"} or not inner["trait"] or not inner["trait"]["path"]:
            return f"{kind(of)}::{name}"
        return f"<{kind(of)} as {path(inner['trait'])}>::{name}"
    raise SystemExit(f"rustdoc knows a type that .ci/face does not: {which}")


def generics(found):
    parts = []
    for parameter in found["params"]:
        ((which, inner),) = parameter["kind"].items()
        if which == "lifetime":
            limits = f": {' + '.join(inner['outlives'])}" if inner["outlives"] else ""
            parts.append(parameter["name"] + limits)
        elif which == "const":
            default = f" = {inner['default']}" if inner["default"] else ""
            parts.append(f"const {parameter['name']}: {kind(inner['type'])}{default}")
        elif not inner["is_synthetic"]:  # those are written as `impl Trait` where they are used
            limits = f": {bounds(inner['bounds'])}" if inner["bounds"] else ""
            default = f" = {kind(inner['default'])}" if inner["default"] else ""
            parts.append(parameter["name"] + limits + default)
    return f"<{', '.join(parts)}>" if parts else ""


def conditions(found):
    parts = []
    for predicate in found["where_predicates"]:
        ((which, inner),) = predicate.items()
        if which == "bound_predicate":
            parts.append(f"{binder(inner['generic_params'])}{kind(inner['type'])}: {bounds(inner['bounds'])}")
        elif which == "lifetime_predicate":
            parts.append(f"{inner['lifetime']}: {' + '.join(inner['outlives'])}")
        else:
            parts.append(f"{kind(inner['lhs'])} = {term(inner['rhs'])}")
    return f" where {', '.join(parts)}" if parts else ""


def receiver(found):
    text = kind(found)
    if text == "Self" or found.get("borrowed_ref", {}).get("type") == {"generic": "Self"}:
        return text.replace("Self", "self")
    return f"self: {text}"


def function(item):
    inner = item["inner"]["function"]
    header, signature = inner["header"], inner["sig"]
    words = [w for w in ("const", "async", "unsafe") if header[f"is_{w}"]]
    inputs = [receiver(t) if name == "self" else f"{name}: {kind(t)}" for name, t in signature["inputs"]]
    start = " ".join([*words, "fn", item["name"]])
    return f"{start}{generics(inner['generics'])}({', '.join(inputs)}){returns(signature['output'])}{conditions(inner['generics'])}"


def head(face, item, name):
    """The line of an own item, or of one of its members."""
    which, inner = face.inner(item)
    if which == "function":
        return function(item)
    if which in ("struct", "enum", "union", "trait"):
        mark = "#[non_exhaustive] " if "non_exhaustive" in item["attrs"] else ""
        above = f": {bounds(inner['bounds'])}" if inner.get("bounds") else ""
        return f"{mark}{which} {name}{generics(inner['generics'])}{above}{conditions(inner['generics'])}"
    if which == "struct_field":
        return f"{name}: {kind(inner)}"
    if which == "variant":
        fields, _ = face.fields(item)
        if isinstance(inner["kind"], dict) and "tuple" in inner["kind"]:
            return f"{name}({', '.join(kind(field['inner']['struct_field']) for field in fields)})"
        shown = ", ".join(head(face, field, field["name"]) for field in fields)
        return f"{name} {{ {shown} }}" if shown else name
    if which in ("constant", "assoc_const"):
        value = inner["const"]["expr"] if which == "constant" else inner["value"]
        shown = "" if value in (None, "_") else f" = {value}"
        return f"const {name}: {kind(inner['type'])}{shown}"
    if which == "static":
        return f"static {name}: {kind(inner['type'])}"
    if which == "type_alias":
        return f"type {name}{generics(inner['generics'])} = {kind(inner['type'])}"
    if which == "assoc_type":
        limits = f": {bounds(inner['bounds'])}" if inner["bounds"] else ""
        default = f" = {kind(inner['type'])}" if inner["type"] else ""
        return f"type {name}{limits}{default}"
    if which == "macro":
        return f"macro {name}!"
    raise SystemExit(f"rustdoc knows an item that .ci/face does not: {which}")


def traits(face, item):
    """What a type implements, as one line; associated types stand with their trait."""
    found = []
    for impl in face.impls(item):
        inner = impl["inner"]["impl"]
        if inner["trait"] is None or inner["trait"]["path"].rsplit("::", 1)[-1] == "StructuralPartialEq":
            continue
        members = [face.index[n] for n in inner["items"] if n in face.index]
        types = [f"{m['name']} = {kind(m['inner']['assoc_type']['type'])}" for m in members if "assoc_type" in m["inner"]]
        beside = f" [{', '.join(types)}]" if types else ""
        # One that names the type as an argument of the trait stands here, too.
        subject = inner["for"].get("resolved_path", {})
        other = "" if subject.get("id") == item["id"] else f" for {kind(inner['for'])}"
        found.append(f"{'!' if inner['is_negative'] else ''}{path(inner['trait'])}{other}{beside}")
    return sorted(set(found))


def page(face):
    """The list of all public names."""
    lines = [f"# Written by .ci/api --write. Features: {', '.join(face.features)}."]
    above = None
    entries = [(at, None, item) for at, item in face.own()]
    entries += [(at, number, None) for at, number in [*face.foreign(), *face.without_names()]]
    for at, number, item in sorted(entries, key=lambda entry: entry[0].rsplit("::", 1)):
        module, name = at.rsplit("::", 1)
        if module != above:
            lines += ["", module]
            above = module
        if item is None:
            source = "::".join(face.paths[number]["path"])
            lines.append(f"  use {source}::*" if name == "*" else f"  use {source} as {name}")
            continue
        lines.append("  " + head(face, item, name))
        # The fields of a variant stand with it.
        lines += ["    " + head(face, member, own) for own, member in face.members(item) if "." not in own]
        if "impls" in face.inner(item)[1] and (found := traits(face, item)):
            lines.append("    impl " + ", ".join(found))
    return "\n".join(lines) + "\n"
