"""The one-line grammar: layers in write order, then the store.

```
chain   = *( layer "|" ) end
end     = alias / url / DQUOTE url DQUOTE       ; a url that holds "|" is quoted
url     = scheme "://" place [ "?" option *( "&" option ) ] / "backend:" class
option  = name "=" value                        ; percent-encoded, as in any query
layer   = name [ "(" [ setting *( "," setting ) ] ")" ]
setting = [ name "=" ] ( word / DQUOTE *quoted DQUOTE )
name    = ALPHA *( ALPHA / DIGIT / "_" / "-" )
word    = 1*( any character but white space and | ( ) , = DQUOTE )
quoted  = any character but DQUOTE
```

White space around a token means nothing. A setting without a name is the layer's first one, and stands first.

Source: docs/configuration.md, "The chain".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import parse_qsl, quote, urlencode

from lamella.errors import ConfigError
from lamella.settings import masked, parse_option

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "Chain",
    "LayerSpec",
    "StoreSpec",
    "is_url",
    "parse_chain",
    "parse_layers",
    "parse_url",
]

_NAME = r"[A-Za-z][A-Za-z0-9_-]*"
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://|backend:")
_LAYER = re.compile(rf"({_NAME})\s*(?:\((.*)\))?", re.DOTALL)
_SETTING = re.compile(rf'(?:({_NAME})\s*=\s*)?(?:"([^"]*)"|([^\s|(),="]+))')
_WORD = re.compile(r'[^\s|(),="]+')


class LayerSpec(NamedTuple):
    """One layer as it is configured; shown without credentials.

    Attributes:
        name: Its registered name.
        settings: Pairs of a name and a text; the name is empty for the layer's first setting.
    """

    name: str
    settings: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        if not self.settings:
            return self.name
        return f"{self.name}({', '.join(_format_setting(name, value) for name, value in self.settings)})"

    def __repr__(self) -> str:
        return f"LayerSpec({str(self)!r})"


@dataclass(frozen=True, slots=True, repr=False)
class StoreSpec:
    """One store as it is configured; shown without credentials.

    Attributes:
        url: Its URL, without a query.
        options: What its options are set to.
    """

    url: str
    options: Mapping[str, str]

    def __str__(self) -> str:
        shown = {name: masked(name, value) for name, value in self.options.items()}
        query = urlencode(shown, safe="*/:@", errors="replace", quote_via=quote)
        return masked("", self.url) + ("?" + query if query else "")

    def __repr__(self) -> str:
        return f"StoreSpec({str(self)!r})"


class Chain(NamedTuple):
    """A parsed chain.

    Attributes:
        layers: In write order.
        end: A store URL or the alias of a store; it may hold a credential.
    """

    layers: tuple[LayerSpec, ...]
    end: str

    def __str__(self) -> str:
        end = str(parse_url("chain", self.end)) if is_url(self.end) else self.end
        return " | ".join((*map(str, self.layers), f'"{end}"' if "|" in end else end))

    def __repr__(self) -> str:
        return f"Chain({str(self)!r})"


def parse_chain(label: str, value: object) -> Chain:
    """Parse the one line.

    Raises:
        ConfigError: It is not in the grammar; the message counts the items from 1.
    """
    if not isinstance(value, str):
        raise ConfigError(f"{label}: must be one line of text")
    items = [item.strip() for item in _split(label, value, "|")]
    layers = tuple(_parse_layer(f"{label}: item {number}", item) for number, item in enumerate(items[:-1], 1))
    end = items[-1]
    if end.startswith('"') and end.endswith('"') and is_url(end[1:-1]):
        end = end[1:-1]
    if not end or '"' in end:
        raise ConfigError(
            f"{label}: item {len(items)} must be a store: its alias, or its URL as in sqlite:///state.db, "
            "quoted as a whole if it holds a '|'"
        )
    if is_url(end):
        parse_url(label, end)
    return Chain(layers, end)


def parse_layers(label: str, value: object) -> tuple[LayerSpec, ...]:
    """Parse a list of layers: texts as in a chain, or tables of a `name` and settings.

    Raises:
        ConfigError: It is neither.
    """
    if not isinstance(value, (list, tuple)):
        raise ConfigError(
            f'{label}: must be a list like ["zstd(level=3)", "padme"]; where no list can stand, use chain'
        )
    return tuple(_parse_layer(f"{label}: item {number}", item) for number, item in enumerate(value, 1))


def _parse_layer(label: str, value: object) -> LayerSpec:
    """Parse one layer.

    Raises:
        ConfigError: It is neither a text in the grammar nor a table with a `name`.
    """
    if isinstance(value, Mapping):
        named = {str(each): setting for each, setting in value.items()}
        name = named.pop("name", None)
        if isinstance(name, str):
            return LayerSpec(name, tuple((each, parse_option(f"{label}: {each}", named[each])) for each in named))
    elif isinstance(value, str):
        if _URL.match(value.lstrip('"')):
            raise ConfigError(f"{label} is a store, which ends a chain; quote the whole URL if it holds a '|'")
        if found := _LAYER.fullmatch(value.strip()):
            return LayerSpec(found[1], tuple(_settings(label, found[2] or "")))
    raise ConfigError(f"{label} is no layer: write name or name(setting=value), as in zstd(level=3)")


def parse_url(label: str, text: str) -> StoreSpec:
    """Take the options off a store URL.

    Raises:
        ConfigError: It has no scheme, or its query is not `option=value&...`, each option once.
    """
    if not is_url(text):
        raise ConfigError(f"{label}: a store URL begins with a scheme, as in sqlite:///state.db")
    url, mark, query = text.partition("?")
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=bool(mark), errors="strict")
    except ValueError:
        pairs = []
    options = dict(pairs)
    if len(options) != len(pairs) or (mark and not pairs):
        raise ConfigError(
            f"{label}: what follows '?' in a store URL is option=value&..., percent-encoded, each option once"
        )
    return StoreSpec(url, options)


def is_url(text: str) -> bool:
    """Whether the end of a chain is a URL, rather than an alias."""
    return _URL.match(text) is not None


def _split(label: str, text: str, separator: str) -> list[str]:
    """Split at a separator that stands outside quotes."""
    runs = text.split('"')
    if len(runs) % 2 == 0:
        raise ConfigError(f"{label}: a double quote is not closed; add the missing one")
    pieces = [""]
    for index, run in enumerate(runs):
        if index % 2:
            pieces[-1] += f'"{run}"'
        else:
            first, *rest = run.split(separator)
            pieces[-1] += first
            pieces += rest
    return pieces


def _settings(label: str, text: str) -> Iterator[tuple[str, str]]:
    for position, item in enumerate(_split(label, text, ",")) if text.strip() else ():
        found = _SETTING.fullmatch(item.strip())
        if found is None or (position and not found[1]):
            raise ConfigError(
                f"{label}: setting {position + 1} must be name=value, the value a word or in double quotes; "
                "only the first one may leave out its name"
            )
        yield found[1] or "", found[3] if found[2] is None else found[2]


def _format_setting(name: str, value: str) -> str:
    text = masked(name, value)
    word = text if _WORD.fullmatch(text) else f'"{text}"'
    return f"{name}={word}" if name else word
