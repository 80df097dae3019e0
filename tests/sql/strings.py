"""Prints the SQL that tries each text of strings.tsv: a line "NUMBER VERB TAKEN" a statement, between the shell's complaints.

Usage: strings.py FILE [expected]: with `expected` prints what these lines must be.
"""
import re
import sys

HOSTED = "'http://hosted', 10, 'md5', '0123456789abcdef0123456789abcdef'"
COLUMNS = "firmware_id, product_id, name, version, version_order, url, size, sign_method, sign, file, parameters"
INSERT = {
    "product_id": "INSERT INTO product (product_id) VALUES ({})",
    "device_id": "INSERT INTO device (product_id, device_id) VALUES ('p', {})",
    "task_id": "INSERT INTO task (task_id, firmware_id, name, mode) VALUES ({}, 'f', 'n', 'pull')",
    "firmware_id": f"INSERT INTO firmware ({COLUMNS}) VALUES ({{}}, 'p', 'n', '2', 2, {HOSTED}, NULL, '{{{{}}}}')",
    "version": f"INSERT INTO firmware ({COLUMNS}) VALUES ('g', 'p', 'n', {{}}, 2, {HOSTED}, NULL, '{{{{}}}}')",
    "url": f"INSERT INTO firmware ({COLUMNS}) VALUES ('g', 'p', 'n', '2', 2, {{}}, {HOSTED.split(', ', 1)[1]}, NULL, '{{{{}}}}')",
    "file": f"INSERT INTO firmware ({COLUMNS}) VALUES ('g', 'p', 'n', '2', 2, {HOSTED}, {{}}, '{{{{}}}}')",
    "parameters": f"INSERT INTO firmware ({COLUMNS}) VALUES ('g', 'p', 'n', '2', 2, {HOSTED}, NULL, {{}})",
}
TABLE = {"product_id": "product", "device_id": "device", "task_id": "task"}
UPDATED = ["version", "url", "file", "parameters"]


def bytes_of(text):
    text = re.sub(r"\{(\d+)\*((?:\\x[0-9a-f]{2})+|.)\}", lambda m: m.group(2) * int(m.group(1)), text)
    return re.sub(rb"\\(x[0-9a-f]{2}|\\)", lambda m: b"\\" if m.group(1) == b"\\" else bytes([int(m.group(1)[1:], 16)]), text.encode())


def statements(kind, literal):
    table = TABLE.get(kind, "firmware")
    yield table, kind, INSERT[kind].format(literal)
    if kind in UPDATED:
        yield table, kind, f"UPDATE firmware SET {kind} = {literal} WHERE firmware_id = 'f'"
    if kind == "version":
        yield "device", kind, f"INSERT INTO device (product_id, device_id, version) VALUES ('p', 'd', {literal})"
        yield "device", kind, f"UPDATE device SET version = {literal} WHERE device_id = 'e'"


with open(sys.argv[1], encoding="utf-8") as file:
    lines = [line.rstrip("\n").split("\t") for line in file if not line.startswith("#")]
for number, (kind, verdict, text) in enumerate(lines):
    literal = f"CAST(x'{bytes_of(text).hex()}' AS TEXT)"
    for table, column, statement in statements(kind, literal):
        if sys.argv[2:]:
            print(number, statement.split()[0], table, int(verdict == "good"))
        else:
            print(f"SAVEPOINT try; {statement};")
            print(f"SELECT '{number} {statement.split()[0]} {table} ' || count(*) FROM {table} WHERE {column} = {literal};")
            print("ROLLBACK TO try; RELEASE try;")
