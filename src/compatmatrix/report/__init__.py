"""From a run to what people read: frame (pandas), display, context (pure), render (jinja2), terminal (rich)."""
