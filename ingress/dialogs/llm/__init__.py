"""The language-model dialog: any OpenAI-compatible endpoint answers the caller (docs/llm.md)."""
