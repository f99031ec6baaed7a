"""Write stored objects, from docs/format.md alone."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import Any

from format_bytes import address, binding, envelope, facts, lead, part_name, place, record, ref_signed, seal, tagged
from format_bytes import value_key as value_key_of
from keyring_documents import BASE, D1, R1, armour, document, key, secret_of
from layer_bytes import padme, zstd

STAGED, ACTIVE, DISABLED, DESTROYED = (
    key("data", f"D {status}", status) for status in ("staged", "active", "disabled", "destroyed")
)
OLD_REF = key("ref", "R active", "active")
KEYRING = document(keys=[*BASE, STAGED, ACTIVE, DISABLED, DESTROYED, OLD_REF])
RECOMMENDED = ("zstd", "padme", "cobblestone256", "chunk")
SEALED_PARTS = ("zstd", "chunk", "cobblestone256")
VALUE = {"cursor": 42, "text": "a" * 200, "rows": [1.5, None, True]}


@dataclass(frozen=True)
class Written:
    """A value that is written through `names`; in parts of `part_bytes` where these are more than one."""

    names: tuple[str, ...] = RECOMMENDED
    where: dict[str, Any] = field(default_factory=address)
    value: Any = field(default_factory=lambda: VALUE)
    label: str = "value"
    part_bytes: int | None = None
    data_key: Any = field(default_factory=lambda: D1)
    alias: str = "main"
    inline: bool = False
    ref_key: Any = field(default_factory=lambda: R1)

    @property
    def codec(self):
        return int(isinstance(self.value, bytes))

    @property
    def manifest(self):
        return "+".join(f"{name}.1" for name in self.names) or "-"

    @property
    def place(self):
        return place(self.where)

    @property
    def split_at(self):
        return self.names.index("chunk") if "chunk" in self.names else len(self.names)

    @property
    def generation(self):
        return secret_of(f"generation of {self.label}")[:16]

    def facts(self, position):
        return facts(position, self.label, self.data_key)

    def blocks(self):
        return [self.facts(position) for position, name in enumerate(self.names) if name == "cobblestone256"]

    def plain(self):
        raw = self.value if self.codec else json.dumps(self.value, separators=(",", ":")).encode()
        return lead(self.codec, self.where) + raw

    def encoded(self, first, end, payload, part):
        for position in range(first, end):
            if self.names[position] == "cobblestone256":
                payload = self.sealed(position, payload, part)
            else:
                payload = {"zstd": zstd, "padme": padme}[self.names[position]](payload)
        return payload

    def sealed(self, position, payload, part):
        bound = binding(self.manifest, self.place, part if position > self.split_at else b"", self.facts(position))
        salt = secret_of(f"salt of {self.label} {position} {part.hex()}")[:24]
        return seal(value_key_of(f"{self.label} {position}"), salt, bound, payload)

    def after(self, payload, part):
        return self.encoded(self.split_at + 1, len(self.names), payload, part)

    def envelope(self, shape, payload):
        return envelope(shape, self.manifest, self.blocks()) + payload

    def head(self, part_count, size_bytes):
        return self.envelope(1, self.after(record([self.generation, part_count, size_bytes]), b"head"))

    def objects(self):
        """Return every stored object by its locator."""
        payload = self.encoded(0, self.split_at, self.plain(), b"")
        step = self.part_bytes or len(payload)
        parts = [payload[start : start + step] for start in range(0, len(payload), step)]
        if len(parts) == 1:
            return {self.place.head: self.envelope(0, self.after(payload, b"whole"))}
        seals_parts = "cobblestone256" in self.names[self.split_at :]
        stored = {self.place.head: self.head(len(parts), len(payload))}
        for number, part in enumerate(parts):
            label = part_name(self.generation, number, last=seals_parts and number == len(parts) - 1)
            stored[self.place.part(self.generation, number)] = self.after(part, label)
        return stored

    def ref(self, body=None):
        if self.inline and body is None:
            body = self.objects()[self.place.head]
        rest = f"{self.place.kind}:{self.place.text}" + ("" if body is None else f":{armour(body)}")
        return tagged(ref_signed(self.manifest, rest, self.alias, self.ref_key[3]), self.ref_key[4])

    def vector(self, **changes):
        """Return what a reader is given."""
        given = {
            "keyring": KEYRING,
            "required": 200 if "cobblestone256" in self.names else 0,
            "ref": self.ref(),
            "expect": self.where,
            "stores": {self.alias: None if self.inline else shown(self.objects())},
        }
        return {**given, **changes}

    def accepted(self, **changes):
        """Return what a reader is given, and what it gives out."""
        value = self.value.hex() if self.codec else self.value
        return {**self.vector(**changes), "address": self.where, "codec": self.codec, "value": value}

    def with_(self, **changes):
        return replace(self, **changes)


def shown(objects):
    return {locator: raw.hex() for locator, raw in objects.items()}
