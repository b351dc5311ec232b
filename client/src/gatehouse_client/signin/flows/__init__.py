"""The ways to sign in: one module for each flow, and what the flows share."""
