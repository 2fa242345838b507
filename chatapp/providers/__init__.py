"""Who serves models: base and one module per kind."""
