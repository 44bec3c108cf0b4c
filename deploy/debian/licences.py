#!/usr/bin/env python3
"""Tells what is linked into the programs named from $2 on for the target in $1: each crate, whose it is, its licence. It is appended
to the copyright file of the agent's package, and lies in the images.

The crates are those of `cargo metadata`; their authors and the texts of rare licences are read from their own files.
"""

import json
import re
import subprocess
import sys
from pathlib import Path

# SPDX names that Debian writes otherwise.
DEBIAN_NAMES = {"MIT": "Expat", "BSL-1.0": "BSL-1"}
# Licences whose text is in every Debian.
COMMON = {"CC0-1.0", "MPL-2.0"}
# What is appended to.
HEAD = Path(__file__).with_name("copyright")
LICENCE_FILES = re.compile(r"(?i)^(licen[cs]e|copying|copyright|unlicense)")


def crates(target, programs):
    """Crates that are linked into the programs: their normal dependencies, without those that only run in the compiler."""
    command = ["cargo", "metadata", "--format-version", "1", "--locked", "--filter-platform", target]
    metadata = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    packages = {package["id"]: package for package in metadata["packages"]}
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    waiting = [id for id, package in packages.items() if package["name"] in programs]
    linked = set()
    while waiting:
        id = waiting.pop()
        if id in linked or any("proc-macro" in part["kind"] for part in packages[id]["targets"]):
            continue
        linked.add(id)
        for dependency in nodes[id]["deps"]:
            if any(kind["kind"] is None for kind in dependency["dep_kinds"]):
                waiting.append(dependency["pkg"])
    foreign = [packages[id] for id in linked if packages[id]["source"]]
    return sorted(foreign, key=lambda package: (package["name"], package["version"]))


def texts(package):
    directory = Path(package["manifest_path"]).parent
    files = sorted(file for file in directory.iterdir() if file.is_file() and LICENCE_FILES.match(file.name))
    return {file.name: file.read_text(errors="replace") for file in files}


def holders(package):
    lines = (line.strip(" \t*/#") for text in texts(package).values() for line in text.splitlines())
    # Not the sentences of a licence that begin alike, nor the blanks of its template.
    notices = (re.match(r"(?i)copyright (?:\(c\)|©)? ?(.+)", line) for line in lines if re.match(r"(?i)copyright (\(c\)|©|\d{4})", line))
    notices = dict.fromkeys(notice[1] for notice in notices if "[" not in notice[1])
    return list(notices) or package["authors"] or [f"The {package['name']} developers"]


def alternatives(package):
    expression = package["license"]
    if not expression:
        sys.exit(f"licences: {package['name']} names no licence")
    return re.sub(r"\s*/\s*", " OR ", expression)


def names(expression):
    return [word for word in re.split(r"[\s()]+", expression) if word not in ("", "AND", "OR", "WITH")]


def without_holders(text):
    """The paragraphs of a licence behind those that say whose it is, which stands with each crate."""
    paragraphs = re.split(r"\n\s*\n", text.strip())
    while len(paragraphs) > 1 and re.match(r"(?i)\W*(copyright|all rights|.{,40}licen[cs]e\W*$)", paragraphs[0]):
        paragraphs.pop(0)
    return "\n\n".join(paragraphs)


def indented(text):
    return "\n".join(f" {line.rstrip()}" if line.strip() else " ." for line in text.strip().splitlines())


def paragraph(name, packages):
    """The text of a licence, from the crate that brings it alone or under its name."""
    if name in COMMON:
        return f" On Debian systems the text of this licence is in /usr/share/common-licenses/{name}."
    short = name.split("-")[0].lower()
    for package in packages:
        found = texts(package)
        own = [text for file, text in found.items() if short in file.lower()]
        if own or len(names(alternatives(package))) == 1 and found:
            return indented(without_holders((own or list(found.values()))[0]))
    sys.exit(f"licences: no crate brings the text of {name}")


def told():
    """Licences whose paragraphs the head has."""
    told = set(re.findall(r"(?m)(?<=\n\n)License: (\S+)$", HEAD.read_text()))
    return told | {spdx for spdx, debian in DEBIAN_NAMES.items() if debian in told}


def main(target, *programs):
    linked = crates(target, programs)
    already = told()
    rare = {}
    for package in linked:
        expression = alternatives(package)
        for name in names(expression):
            # An exception needs no text of its own when it only permits more.
            if name not in already and not name.endswith("-exception"):
                rare.setdefault(name, []).append(package)
        for name, debian in DEBIAN_NAMES.items():
            expression = re.sub(rf"(?<![\w.-]){re.escape(name)}(?![\w.-])", debian, expression)
        expression = expression.replace(" OR ", " or ").replace(" AND ", " and ").replace(" WITH ", " with ")
        print(f"\nFiles: {package['name']}-{package['version']}/*")
        print("Copyright: " + "\n ".join(holders(package)))
        print(f"License: {expression}")
    # Where there is a choice that is told already, nobody needs the others.
    for name in sorted(rare):
        needing = [package for package in rare[name] if is_needed(name, alternatives(package), already)]
        if needing:
            print(f"\nLicense: {DEBIAN_NAMES.get(name, name)}\n{paragraph(name, needing)}")


def is_needed(name, expression, already):
    """Whether the expression cannot be met by what is told already."""
    choices = [set(names(choice)) for choice in re.split(r"\bOR\b", expression)] if "(" not in expression else [set(names(expression))]
    return name in set().union(*choices) and not any(choice <= already for choice in choices)


main(*sys.argv[1:])
