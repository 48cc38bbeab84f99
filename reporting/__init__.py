"""Pages a person reads: pictures as inline SVG, tables, self-contained HTML. Pure: numbers and text in, text out."""
