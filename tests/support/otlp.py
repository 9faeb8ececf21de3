# SPDX-License-Identifier: Apache-2.0
"""Batches of OTLP profiles as somebody else makes them: by otlp.mjs, with protobufjs."""
import base64
import json
import os
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))
PERIOD_NS = 10_000_000


def node(what, data):
    script = os.path.join(HERE, "otlp.mjs")
    return subprocess.run(["node", script, what], input=data, stdout=subprocess.PIPE, check=True, cwd=os.path.dirname(HERE)).stdout


def encode(message):
    return node("encode", json.dumps(message).encode())


def decode(data):
    return json.loads(node("decode", data))


def response(data):
    return json.loads(node("response", data))


class Dictionary:
    """The tables; element 0 of each is the zero value."""

    def __init__(self):
        self.strings = {"": 0}
        self.tables = {"mapping_table": [{}], "location_table": [{}], "function_table": [{}], "link_table": [{}],
                       "attribute_table": [{}], "stack_table": [{}]}

    def string(self, text):
        return self.strings.setdefault(text, len(self.strings))

    def add(self, table, row):
        rows = self.tables[table]
        if row not in rows[1:]:
            rows.append(row)
        return rows.index(row, 1)

    def attribute(self, key, value):
        return self.add("attribute_table", {"key_strindex": self.string(key), "value": value})

    def mapping(self, path, build_id):
        attribute = self.attribute("process.executable.build_id.gnu", {"string_value": build_id})
        return self.add("mapping_table", {"filename_strindex": self.string(path), "attribute_indices": [attribute]})

    def location(self, mapping, address, *names, kind="native"):
        lines = [{"function_index": self.add("function_table", {"name_strindex": self.string(n)}), "line": "7"} for n in names]
        return self.add("location_table", {"mapping_index": mapping, "address": str(address), "lines": lines, "attribute_indices": [
            self.attribute("profile.frame.type", {"string_value_strindex": self.string(kind)})]})

    def stack(self, *locations):
        return self.add("stack_table", {"location_indices": list(locations)})

    def message(self):
        return {**self.tables, "string_table": list(self.strings)}


def profile(d, samples, start_ns, seconds=10, profile_id=None):
    """@samples: messages. Counts of samples of 10 ms each."""
    made = {"sample_type": {"type_strindex": d.string("samples"), "unit_strindex": d.string("count")},
            "period_type": {"type_strindex": d.string("cpu"), "unit_strindex": d.string("nanoseconds")},
            "period": str(PERIOD_NS), "time_unix_nano": str(start_ns), "duration_nano": str(seconds * 1_000_000_000),
            "samples": samples}
    if profile_id:
        made["profile_id"] = base64.b64encode(profile_id).decode()
    return made


def resource(attributes, *profiles):
    pairs = [{"key": k, "value": {"string_value": v}} for k, v in attributes.items()]
    return {"resource": {"attributes": pairs}, "scope_profiles": [{"scope": {"name": "somebody"}, "profiles": list(profiles)}]}


def request(d, *resources):
    return {"resource_profiles": list(resources), "dictionary": d.message()}
