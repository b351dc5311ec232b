"""The HTML pages: their data, their texts and their rendering."""
