"""From what is configured to the layers and stores of a stack, by the registry alone."""

from __future__ import annotations

from dataclasses import MISSING, fields
from typing import TYPE_CHECKING, Any

from lamella.errors import ConfigError, UnknownPluginError
from lamella.registry import configuring
from lamella.settings import parse_field, unknown

if TYPE_CHECKING:
    from lamella.chain import LayerSpec, StoreSpec
    from lamella.protocols.layer import Layer
    from lamella.protocols.store import Store
    from lamella.registry import Registry

__all__ = ["build_layer", "build_store"]


def build_layer(label: str, spec: LayerSpec, registry: Registry) -> Layer:
    """Build the layer that a spec names, each setting typed by the layer's field.

    Raises:
        UnknownPluginError: No installed distribution registers the layer.
        ConfigError: It has no such setting, or a setting cannot have that value.
    """
    if spec.name not in registry.layers:
        raise UnknownPluginError(f"{label}: {unknown('layer', spec.name, registry.layers)}")
    cls: type[Any] = registry.layer(spec.name)
    own = {each.name: each for each in fields(cls) if each.init}
    given: dict[str, object] = {}
    for written, text in spec.settings:
        name = written or next(iter(own), "without a name")
        if name not in own:
            names = ", ".join(own) or "none"
            raise ConfigError(f"{label}: {spec.name} has no setting {name!r}; it has: {names}")
        if name in given:
            raise ConfigError(f"{label}: {spec.name} is given {name} twice; remove one")
        given[name] = parse_field(own[name], f"{label}: {spec.name}: {name}", text)
    for name, each in own.items():
        if name not in given and each.default is MISSING and each.default_factory is MISSING:
            raise ConfigError(f"{label}: {spec.name} needs a {name}: write {spec.name}({name}=...)")
    with configuring(f"{label}: {spec.name}"):
        layer: Layer = cls(**given)
    return layer


def build_store(label: str, spec: StoreSpec, registry: Registry) -> Store:
    """Build the store that a spec names, without opening it.

    Raises:
        UnknownPluginError: No installed distribution registers the scheme.
        ConfigError: The store refuses its URL or an option, or the working directory of a relative path is gone.
    """
    scheme = spec.url.partition(":")[0]
    if scheme == "backend" and scheme not in registry.stores:
        raise ConfigError(
            f"{label}: a state backend is wrapped by lamella.state.LayeredStateBackend, and no store of a stack alone"
        )
    if scheme not in registry.stores:
        raise UnknownPluginError(f"{label}: {unknown('store scheme', scheme, registry.stores)}")
    try:
        with configuring(f"{label}: {scheme}"):
            return registry.store(scheme).from_url(spec.url, spec.options)
    except OSError as error:
        raise ConfigError(
            f"{label}: cannot tell where it is: {error.strerror}; give an absolute path, or start in another folder"
        ) from None
