"""The sign-in flows: one module for each flow, and the modules that they share."""
