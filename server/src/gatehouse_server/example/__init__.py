"""The example server. Replace its tools by your own."""
