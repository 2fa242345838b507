"""Finding chunks: embedder, vector index, keyword index, fusion."""
