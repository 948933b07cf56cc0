"""Bad input, made by chance: whatever comes in, nothing but a clear error may come out."""
