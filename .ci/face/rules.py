"""The rules of the public face. Each yields a line for whatever breaks it; `RULES` has them by name."""

import re

from rustdoc import OWN

STANDARD = {"std", "core", "alloc", "proc_macro"}
# A trait below 1.0 that every runtime shares, behind a feature of its own.
EXCEPTIONS = {("futures_core", "Stream")}
# What `storage!` writes into the embedder's code has a path for that, and for nobody to read of.
HIDDEN = {"__private::Sizes", "__private::StorageBuf"}
TYPES = ("struct", "enum", "union")


def types(face):
    return [(path, item) for path, item in face.own() if face.inner(item)[0] in TYPES]


def implements(face, item, trait):
    of = [impl["inner"]["impl"]["trait"] for impl in face.impls(item)]
    return any(t and t["path"].rsplit("::", 1)[-1] == trait for t in of)


def signatures(face):
    """Where a type can be named, and what is said there: members, bounds, and what types implement."""
    for path, item in face.own():
        which, inner = face.inner(item)
        if which in (*TYPES, "trait"):
            yield path, [inner["generics"], inner.get("bounds")]
            for impl in face.implementations(item):
                found = impl["inner"]["impl"]
                yield f"{path}, implemented", [found["generics"], found["for"]]
        elif which != "macro":
            yield path, inner
        for name, member in face.members(item):
            which, inner = face.inner(member)
            if which != "variant":
                yield f"{path}::{name}", inner
        for impl in face.impls(item):
            found = impl["inner"]["impl"]
            if found["trait"] is None:
                yield f"{path}, impl", [found["generics"], found["for"]]
                continue
            name = found["trait"]["path"]
            yield f"{path}, impl {name}", [found["trait"], found["generics"], found["for"]]
            for number in found["items"]:
                member = face.index.get(number)
                if member and "assoc_type" in member["inner"]:
                    yield f"{path}, impl {name}::{member['name']}", member["inner"]["assoc_type"]["type"]


def limit(face, most):
    # Worlds to test in are a face of their own, half as large at most.
    simulated = sum(path.startswith("honeyguide::sim::") for path, _ in face.own())
    count = len(face.own()) - simulated + sum(face.paths[number]["kind"] != "module" for _, number in face.foreign())
    if count > most:
        yield f"{count} public names, at most {most} are wanted"
    if simulated > most // 2:
        yield f"{simulated} public names of the simulator, at most {most // 2} are wanted"


def paths(face):
    face = face.whole
    found = {number: set(paths) for number, paths in face.names.items()}
    for path, item in face.own():
        which, inner = face.inner(item)
        if which == "variant":
            found[item["id"]].add(f"its enum's {item['name']}")
        if which == "type_alias" and (target := renamed(inner)) in found:
            found[target].add(path)
    for paths in sorted(map(sorted, found.values())):
        if len(paths) > 1:
            yield " and ".join(paths)


def renamed(alias):
    """The number of the type that an alias only gives another name, and no arguments."""
    target = alias["type"].get("resolved_path", {"id": None, "args": None})
    given = (target["args"] or {}).get("angle_bracketed", {"args": []})["args"]
    own = all("lifetime" in argument or "generic" in argument.get("type", {}) for argument in given)
    return target["id"] if own else None


def hidden(face):
    yield from sorted(face.whole.unlisted - HIDDEN)
    yield from sorted(everything(face.whole) - everything(face))


def everything(face):
    """All public paths, with those of what is inside of a type or trait."""
    found = {path for paths in face.names.values() for path in paths} | {path for path, _ in face.globs}
    for _, item in face.own():
        for name, _ in face.members(item):
            found |= {f"{path}::{name}" for path in face.names[item["id"]]}
    return found


def nameable(face):
    for path, part in signatures(face):
        for number in sorted(set(face.mentioned(part))):
            known = face.paths.get(number)
            # A trait without a public path seals: nobody outside can implement what asks for it.
            hidden = known and known["crate_id"] == OWN and number not in face.names
            if hidden and known["kind"] not in ("module", "trait"):
                yield f"{path} names {'::'.join(known['path'])}"


def foreign_numbers(face):
    for path, part in signatures(face):
        yield from ((path, number) for number in face.mentioned(part))
    yield from ((f"{path}, re-exported,", number) for path, number in face.foreign())


def foreign(face):
    # What such a crate adds in a minor release would be public here.
    found = {f"{path} is all of {'::'.join(face.paths[number]['path'])}" for path, number in face.globs}
    for path, number in foreign_numbers(face):
        known = face.paths.get(number)
        if not known or known["crate_id"] == OWN:
            continue
        crate, name = face.crates[known["crate_id"]], known["path"][-1]
        version = face.versions.get(crate, "of unknown version")
        if crate not in STANDARD and (crate, name) not in EXCEPTIONS and not re.match(r"[1-9]", version):
            found.add(f"{path} names {'::'.join(known['path'])} of {crate} {version}")
    yield from sorted(found)


def exhaustive(face):
    # Nobody outside can build or take apart what has a private part: the attribute would say nothing. What is only hidden in
    # the documentation can be named.
    face = face.whole
    for path, item in types(face):
        which, inner = face.inner(item)
        sealed = inner["has_stripped_variants"] if which == "enum" else face.fields(item)[1]
        said = "Exhaustive:" in (item["docs"] or "")
        if not (sealed or said or "non_exhaustive" in item["attrs"]):
            yield f"{which} {path}"


def errors(face):
    for path, item in face.own():
        found = [(path, item)] + [(f"{path}::{name}", member) for name, member in face.members(item)]
        for where, function in found:
            which, inner = face.inner(function)
            if which != "function":
                continue
            said = re.search(r"(?m)^#+ Errors\s*$", function["docs"] or "")
            if not said and any(results(face, inner["sig"]["output"])):
                yield where


def results(face, part):
    """Each Result in a piece of a signature, however deep inside of other types or behind an own alias."""
    if isinstance(part, dict):
        alias = face.index.get(part.get("id"), {"inner": {}})["inner"].get("type_alias") if "path" in part else None
        if alias:
            yield from results(face, alias["type"])
        elif "path" in part and "id" in part and "Result" in (last(part["path"]), last_known(face, part["id"])):
            yield part
        for value in part.values():
            yield from results(face, value)
    elif isinstance(part, list):
        for value in part:
            yield from results(face, value)


def resolved(face, part):
    """The numbers of the types that a piece of a signature names, through own aliases."""
    for number in face.mentioned(part):
        alias = face.index.get(number, {"inner": {}})["inner"].get("type_alias")
        yield from resolved(face, alias["type"]) if alias else [number]


def last(path):
    return path.rsplit("::", 1)[-1]


def last_known(face, number):
    """The name of what may have been imported under another one."""
    return face.paths.get(number, {"path": [""]})["path"][-1]


def error_types(face):
    returned = set()
    for _, part in signatures(face):
        for result in results(face, part):
            given = ((result["args"] or {}).get("angle_bracketed") or {"args": []})["args"]
            returned |= set(resolved(face, given[1:]))
    for path, item in types(face):
        if path.endswith("Error") or item["id"] in returned:
            missing = [t for t in ("Display", "Error") if not implements(face, item, t)]
            if missing:
                yield f"{path} does not implement {' and '.join(missing)}"


def debug(face):
    for path, item in types(face):
        if not implements(face, item, "Debug"):
            yield path


RULES = {
    "limit": limit,
    "paths": paths,
    "hidden": hidden,
    "nameable": nameable,
    "foreign": foreign,
    "exhaustive": exhaustive,
    "errors": errors,
    "error-types": error_types,
    "debug": debug,
}
