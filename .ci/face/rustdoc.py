"""Asks rustdoc for its JSON, and walks the public names in it."""

import json
import os
import pathlib
import subprocess
import tempfile

# What rustdoc of the compilers that this was tried with writes; another may have moved a field.
FORMATS = range(56, 59)
# What macros refer to has its paths there for them, and for nobody else.
UNLISTED = "__private"
OWN = 0  # the crate's number in its own JSON


def cargo(manifest, *arguments, **environment):
    command = ["cargo", arguments[0], "--manifest-path", str(manifest), *arguments[1:]]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, env={**os.environ, **environment})
    if done.returncode != 0:
        raise SystemExit(f"failed: {' '.join(command)}")
    return done.stdout


def tool(folder):
    """A rustdoc that may use unstable options. The variable is set for it alone: build scripts look at it, too, so that it
    would make cargo compile every dependency anew."""
    path = pathlib.Path(folder) / "rustdoc"
    path.write_text('#!/bin/sh\nRUSTC_BOOTSTRAP=1 exec "$(rustc --print sysroot)/bin/rustdoc" "$@"\n')
    path.chmod(0o755)
    return str(path)


class Face:
    """The items of a crate that can be reached from outside. `names` has the paths of each, by the item's number; `globs` has
    what is re-exported from other crates without names, as pairs of a path that ends in `*` and a number.

    `whole` is the same with what is hidden in the documentation: a path that nobody is told of is one all the same."""

    def __init__(self, manifest, hidden=False):
        self.whole = self if hidden else Face(manifest, hidden=True)
        metadata = json.loads(cargo(manifest, "metadata", "--format-version", "1", "--all-features"))
        own = next(p for p in metadata["packages"] if p["id"] == metadata["resolve"]["root"])
        self.features = sorted(set(own["features"]) - {"default", "internals"})
        self.versions = {}
        for package in metadata["packages"]:
            for target in package["targets"]:
                if {"lib", "rlib", "proc-macro"} & set(target["kind"]):
                    crate = target["name"].replace("-", "_")
                    self.versions[crate] = min(package["version"], self.versions.get(crate, package["version"]))

        with tempfile.TemporaryDirectory() as folder:
            arguments = ["--lib", "--no-default-features", "--features", ",".join(self.features), "--quiet"]
            options = ["-Zunstable-options", "--output-format=json", "--cap-lints=allow"]
            options += ["--document-hidden-items"] if hidden else []
            cargo(manifest, "rustdoc", *arguments, "--", *options, RUSTDOC=tool(folder), RUSTDOCFLAGS="")
        name = next(t["name"] for t in own["targets"] if "lib" in t["kind"]).replace("-", "_")
        data = json.loads((pathlib.Path(metadata["target_directory"]) / "doc" / f"{name}.json").read_text())
        if data["format_version"] not in FORMATS:
            raise SystemExit(f"rustdoc writes format {data['format_version']}; see that .ci/face reads it, then name it there")

        self.index = {int(number): item for number, item in data["index"].items()}
        self.paths = {int(number): path for number, path in data["paths"].items()}
        self.crates = {int(number): crate["name"] for number, crate in data["external_crates"].items()}
        self.crates[OWN] = name
        self.names = {}
        self.globs = set()
        self.unlisted = set()
        self.modules = {}
        self._walk(data["root"], [name], ())

    def _walk(self, module, path, above):
        self.modules.setdefault(module, "::".join(path))
        for number in self.index[module]["inner"]["module"]["items"]:
            item = self.index[number]
            kind, inner = self.inner(item)
            if kind == "use":
                self._use(inner, path, above)
            elif kind == "module":
                if item["name"] == UNLISTED and "hidden" in str(item["attrs"]):
                    self._unlisted(number)
                    continue
                # One that re-exports a module around it would never end.
                if number not in above:
                    self._walk(number, [*path, item["name"]], (*above, module))
            elif kind != "impl":
                self._name(number, [*path, item["name"]])

    def _unlisted(self, module):
        for number in self.index[module]["inner"]["module"]["items"]:
            kind, inner = self.inner(self.index[number])
            name = self.index[number]["name"] if kind != "use" else "*" if inner["is_glob"] else inner["name"]
            self.unlisted.add(f"{UNLISTED}::{name}")

    def _use(self, use, path, above):
        target = self.index.get(use["id"])
        if target is None and use["is_glob"]:
            self.globs.add(("::".join([*path, "*"]), use["id"]))
        elif target is None:
            self._name(use["id"], [*path, use["name"]])
        elif use["is_glob"] and "module" in target["inner"]:
            if use["id"] not in above:
                self._walk(use["id"], path, (*above, use["id"]))
        elif "module" in target["inner"]:
            self._walk(use["id"], [*path, use["name"]], above)
        elif use["is_glob"]:
            # Of an enum: what is named is each of its variants.
            for number in target["inner"].get("enum", {"variants": []})["variants"]:
                self._name(number, [*path, self.index[number]["name"]])
        elif "use" in target["inner"]:
            self._use({**target["inner"]["use"], "name": use["name"]}, path, above)
        else:
            self._name(use["id"], [*path, use["name"]])

    def _name(self, number, path):
        self.names.setdefault(number, set()).add("::".join(path))

    @staticmethod
    def inner(item):
        """The kind of an item, and what rustdoc says of that kind."""
        (pair,) = item["inner"].items()
        return pair

    def path(self, number):
        return min(self.names[number])

    def own(self):
        """Own items with their path, by path."""
        found = [(self.path(n), self.index[n]) for n in self.names if n in self.index]
        return sorted(found, key=lambda pair: pair[0])

    def foreign(self):
        """What is re-exported from other crates by its name: path and number."""
        return sorted((self.path(n), n) for n in self.names if n not in self.index)

    def without_names(self):
        """What is re-exported from other crates by a glob: path and number, in an order that does not change."""
        return sorted(self.globs, key=lambda glob: (glob[0], self.paths[glob[1]]["path"]))

    def impls(self, item):
        """The implementations that somebody wrote, or derived, for a type: none that it has without a word."""
        return self._written(item, "impls")

    def implementations(self, item):
        """The same for a trait, on whatever type."""
        return self._written(item, "implementations")

    def _written(self, item, field):
        _, inner = self.inner(item)
        for number in inner.get(field, []) if isinstance(inner, dict) else []:
            found = self.index.get(number, {"inner": {"impl": {"is_synthetic": True}}})["inner"]["impl"]
            if not found["is_synthetic"] and found["blanket_impl"] is None:
                yield self.index[number]

    def fields(self, item):
        """The public fields of a struct, or of one variant of an enum, and whether there are private ones."""
        kind, inner = self.inner(item)
        shape = inner if kind == "union" else inner["kind"]
        if shape in ("unit", "plain"):
            return [], False
        if "tuple" in shape:
            numbers, hidden = [n for n in shape["tuple"] if n is not None], None in shape["tuple"]
        else:
            plain = shape if kind == "union" else shape.get("plain") or shape["struct"]
            numbers, hidden = plain["fields"], plain["has_stripped_fields"]
        return [self.index[n] for n in numbers if n in self.index], hidden

    def members(self, item):
        """What is public inside of an own item: fields, variants, methods and constants, with a name each."""
        kind, inner = self.inner(item)
        if kind in ("struct", "union"):
            yield from ((field["name"], field) for field in self.fields(item)[0])
        if kind == "enum":
            for number in inner["variants"]:
                variant = self.index[number]
                yield variant["name"], variant
                yield from ((f"{variant['name']}.{field['name']}", field) for field in self.fields(variant)[0])
        if kind == "trait":
            yield from ((self.index[n]["name"], self.index[n]) for n in inner["items"] if n in self.index)
        for impl in self.impls(item) if "impls" in inner else ():
            if impl["inner"]["impl"]["trait"] is None:
                for number in impl["inner"]["impl"]["items"]:
                    if number in self.index:
                        yield self.index[number]["name"], self.index[number]

    def mentioned(self, part):
        """The numbers of the types and traits that a piece of a signature names."""
        if isinstance(part, dict):
            if "id" in part and "path" in part:
                yield part["id"]
            for value in part.values():
                yield from self.mentioned(value)
        elif isinstance(part, list):
            for value in part:
                yield from self.mentioned(value)
