"""What a plugin implements: a layer, a store or a key provider."""
