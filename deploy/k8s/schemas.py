#!/usr/bin/env python3
"""Judges the manifests on standard input by the schemas of Kubernetes $1 and by the resource definitions in all further files.

A field that a schema does not know is refused too. Each mistake is a line; the exit code is 1 if there is any.
"""

import sys

import jsonschema
import kubernetes_validate
import yaml

# Libyaml reads definitions ten times as fast.
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def closed(schema):
    """The schema, in which what has named properties has no others."""
    if isinstance(schema, list):
        return [closed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    schema = {key: closed(part) for key, part in schema.items()}
    if "properties" in schema and "x-kubernetes-preserve-unknown-fields" not in schema:
        schema.setdefault("additionalProperties", False)
    return schema


def opened(schema):
    """Branches of a choice name only what they are about: they stay open."""
    for choice in ("oneOf", "anyOf", "allOf", "not"):
        for branch in [schema[choice]] if choice == "not" and choice in schema else schema.get(choice, []):
            if isinstance(branch, dict):
                branch.pop("additionalProperties", None)
                opened(branch)
    for part in list(schema.get("properties", {}).values()) + [schema.get("items"), schema.get("additionalProperties")]:
        if isinstance(part, dict):
            opened(part)
    return schema


def definitions(file):
    """The schema of each version of each resource that the file defines."""
    schemas = {}
    with open(file) as text:
        for definition in filter(None, yaml.load_all(text, LOADER)):
            spec = definition["spec"]
            for version in spec["versions"]:
                schema = closed(version["schema"]["openAPIV3Schema"])
                schema["properties"] |= {"apiVersion": {}, "kind": {}, "metadata": {}}
                schemas[f"{spec['group']}/{version['name']}", spec["names"]["kind"]] = opened(schema)
    return schemas


def mistakes(document, kubernetes, defined):
    own = defined.get((document["apiVersion"], document["kind"]))
    if own is not None:
        for error in jsonschema.Draft202012Validator(own).iter_errors(document):
            yield f"{error.json_path}: {error.message}"
        return
    try:
        kubernetes_validate.validate(document, kubernetes, strict=True)
    except kubernetes_validate.ValidationError as error:
        yield str(error.message)
    except kubernetes_validate.SchemaNotFoundError:
        yield "no schema knows this kind"


def main(kubernetes, *files):
    defined = {kind: schema for file in files for kind, schema in definitions(file).items()}
    bad = 0
    for document in filter(None, yaml.load_all(sys.stdin, LOADER)):
        for mistake in mistakes(document, kubernetes, defined):
            bad = 1
            print(f"{document['kind']} {document['metadata']['name']}: {mistake}")
    return bad


sys.exit(main(*sys.argv[1:]))
