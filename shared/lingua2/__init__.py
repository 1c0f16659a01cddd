"""Prompt compression for retrieval-augmented generation, after LLMLingua-2."""
