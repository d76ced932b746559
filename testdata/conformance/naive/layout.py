"""The layout of vectors.json: what fits on a line of 150 characters stands on one."""

import json

WIDTH = 150


def dump(value):
    return text(value, 0) + "\n"


def text(value, indent, lead=0):
    flat = json.dumps(value, ensure_ascii=False)
    if len(flat) + indent + lead <= WIDTH or not isinstance(value, (dict, list)) or not value:
        return flat
    if isinstance(value, list) and not any(isinstance(v, (dict, list)) for v in value):
        return flat
    pad, end = " " * (indent + 1), " " * indent
    if isinstance(value, dict):
        lines = [f"{pad}{json.dumps(k)}: {text(v, indent + 1, len(k) + 4)}" for k, v in value.items()]
        return "{\n" + ",\n".join(lines) + f"\n{end}}}"
    return "[\n" + ",\n".join(pad + text(v, indent + 1) for v in value) + f"\n{end}]"
