"""Gemma 3: text only, with pictures, and the report transformers#36766 with its cure."""
